"""The tables of the lake: every column with its type, unit, meaning, and the meaning of null.

This file, with ``data/schema/impressions.py`` for the largest table, is the source of
``docs/data_dictionary.md``. It computes nothing; every other package takes its tables from here.

Times are stored twice, on purpose: dates and timestamps for people, integers for arithmetic.
``*_s`` counts seconds since 1970-01-01 00:00, in UTC where the log tells offsets from it and on
the market's own clock otherwise; ``*_day`` counts the market's own days since 1970-01-01.
Integer arithmetic is the same on every engine, calendar arithmetic is not.
"""

from __future__ import annotations

from data.schema.impressions import CARRIED, IDENTITY, IMPRESSIONS, LINEAGE, OUTCOME
from data.schema.types import BOOKED, CLICKED, CONTACTED, IMPRESSED, Column, Kind, Stage, Table

__all__ = [
    "BOOKED",
    "CARRIED",
    "CLICKED",
    "CONTACTED",
    "EXTRA_PREFIX",
    "FEATURES",
    "IMPRESSED",
    "IMPRESSIONS",
    "INGESTS",
    "QUALITY",
    "QUARANTINE",
    "RECOMMENDATIONS",
    "SCORES",
    "SIMULATED_MARK",
    "TABLES",
    "TRUTH",
    "Column",
    "Kind",
    "Stage",
    "Table",
]

# Attributes that only a source mapping declares have this prefix, so that a column that the
# contract gains later can never collide with one of them.
EXTRA_PREFIX = "x_"

# A log with this column says of each row whether a simulator made it. A mark in the rows
# survives what is done to files: copied, joined, filtered, rewritten in another format.
SIMULATED_MARK = "is_simulated"

QUARANTINE = Table(
    name="quarantine",
    row="one rejected input row, whole, and why",
    key=("source_id", "source_line", "source_item"),
    partition_by=("ds_ingested",),
    columns=(
        *LINEAGE,
        Column(name="source_file", kind=Kind.TEXT, meaning="name of the file as it was given"),
        Column(name="reasons", kind=Kind.TEXT, meaning="reason codes, separated by commas"),
        Column(name="row", kind=Kind.TEXT, meaning="the row: column → value, as a JSON object"),
        Column(name="ds_ingested", kind=Kind.DATE, meaning="UTC date of the ingest"),
    ),
)

INGESTS = Table(
    name="ingests",
    row="one file taken in, with its row count and the report on it",
    key=("source_id",),
    partition_by=(),
    columns=(
        Column(name="source_id", kind=Kind.ID, meaning="as in impressions"),
        Column(name="source_file", kind=Kind.TEXT, meaning="name of the file as it was given"),
        Column(name="source", kind=Kind.CATEGORY, meaning="name of the column mapping"),
        Column(name=SIMULATED_MARK, kind=Kind.BOOLEAN, meaning="the rows come from the simulator"),
        Column(name="rows_in", kind=Kind.SECOND, meaning="rows read, without the header"),
        Column(name="rows_accepted", kind=Kind.SECOND, meaning="rows that became impressions"),
        Column(name="rows_quarantined", kind=Kind.SECOND, meaning="rows that did not"),
        Column(name="ingested_at", kind=Kind.TIME, meaning="when, in UTC"),
        Column(name="report", kind=Kind.TEXT, meaning="the report on this file, as JSON"),
        Column(
            name="read_as",
            kind=Kind.TEXT,
            meaning="the mapping and the encoding that the file was read with, as JSON, without "
            "what changes no row",
            null="ingested by a version that did not keep it",
        ),
        Column(
            name="read_as_digest",
            kind=Kind.TEXT,
            meaning="the first 16 digits of the SHA-256 of read_as",
            null="as read_as",
        ),
    ),
)

FEATURES = Table(
    name="features",
    row="the features of one impression, with its identity and outcome carried along",
    key=("id_search", "id_listing"),
    partition_by=("market", "ds_search"),
    columns=(*IDENTITY, *OUTCOME),
    open_ended="the feature columns, described by the feature tuples",
)

SCORES = Table(
    name="scores",
    row="one model's score of one impression of the validation or test window",
    key=("id_search", "id_listing", "model"),
    partition_by=("market", "ds_search"),
    columns=(
        Column(name="id_search", kind=Kind.ID, meaning="the search"),
        Column(name="id_listing", kind=Kind.ID, meaning="the listing"),
        Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market"),
        Column(name="ds_search", kind=Kind.DATE, meaning="local date of the search"),
        Column(
            name="split",
            kind=Kind.CATEGORY,
            meaning="valid (whose rows popularity, best_rated, als, lambdarank and ranker have "
            "learnt from, once their variant and size were chosen), test, or day: what a "
            "scheduled run scored of the newest day",
        ),
        Column(name="model", kind=Kind.CATEGORY, meaning="name of the model"),
        Column(name="score", kind=Kind.NUMBER, meaning="higher is better; no unit, one model's"),
    ),
)

_NO_DATES = "a dateless search, or a row of a version that did not write it"

RECOMMENDATIONS = Table(
    name="recommendations",
    row="one listing recommended to one guest for the guest's most recent search",
    key=("id_search", "rank"),
    partition_by=("market", "ds"),
    columns=(
        Column(name="id_user", kind=Kind.ID, meaning="the guest", null="a guest without an id"),
        Column(name="id_search", kind=Kind.ID, meaning="the guest's most recent search"),
        Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market"),
        Column(name="ds", kind=Kind.DATE, meaning="the day the recommendations are for"),
        Column(
            name="query_checkin",
            kind=Kind.DATE,
            meaning="first night of that search",
            null=_NO_DATES,
        ),
        Column(
            name="query_nights",
            kind=Kind.COUNT,
            unit="nights",
            meaning="asked for by that search, which the price and the availability are of",
            null=_NO_DATES,
            low=1,
        ),
        Column(
            name="query_num_guests",
            kind=Kind.COUNT,
            unit="guests",
            meaning="the party of that search: adults and children who sleep there",
            null="not given, or a row of a version that did not write it",
            low=1,
        ),
        Column(name="rank", kind=Kind.COUNT, meaning="place in the recommendation, 1 at the top"),
        Column(name="id_listing", kind=Kind.ID, meaning="the recommended listing"),
        Column(
            name="score",
            kind=Kind.NUMBER,
            unit="probability",
            meaning="P(booked | shown, and free on the asked nights)",
            low=0,
            high=1,
        ),
        Column(
            name="availability",
            kind=Kind.NUMBER,
            unit="probability",
            meaning="P(free on the asked nights), from what dated searches showed before; of a "
            "dateless search over the stays that guests of the market ask for",
            null="the log does not tell, or the check-in has passed",
            low=0,
            high=1,
        ),
        Column(
            name="hours_since_shown_free",
            kind=Kind.NUMBER,
            unit="hours",
            meaning="before the day, since all asked nights were last known to be free",
            null="one of the nights was never shown, or the search has no nights ahead",
        ),
        Column(
            name="placed_by",
            kind=Kind.CATEGORY,
            meaning="``score``: its own value; ``exposure``: a place for a new listing; "
            "``spread``: better ones were left to guests who would otherwise lose them",
        ),
        Column(
            name="value_kept",
            kind=Kind.NUMBER,
            unit="share",
            meaning="of what the first ten by score alone would bring this guest, kept by the "
            "list; 1 where no policy moved anything",
            low=0,
        ),
        Column(
            name="retrieval_score",
            kind=Kind.NUMBER,
            meaning="by which it was chosen among all listings that the search allows: mean "
            "log value of the listing + log availability",
        ),
        Column(
            name="was_shown",
            kind=Kind.BOOLEAN,
            meaning="the search itself had shown this listing",
        ),
        Column(
            name="estimated_total_price",
            kind=Kind.NUMBER,
            unit="price",
            meaning="price of the asked nights, estimated from the listing's own past prices",
            null="the listing never showed a price",
        ),
        Column(
            name="reasons",
            kind=Kind.TEXT,
            meaning="two or three sentences for a person: what speaks for it among the first ten "
            "recommended, strongest first, separated by semicolons; or why a policy placed it",
            null="nothing that can be told lifts it, or it stands below the tenth place",
        ),
        Column(name="ranker_version", kind=Kind.TEXT, meaning="registered version of the ranker"),
        Column(name="retriever_version", kind=Kind.TEXT, meaning="the same for the retriever"),
    ),
)

TRUTH = Table(
    name="truth",
    row="the true probabilities behind one simulated impression; closed to features and models",
    key=("id_search", "id_listing"),
    partition_by=("market", "ds_search"),
    columns=(
        Column(name="id_search", kind=Kind.ID, meaning="the search"),
        Column(name="id_listing", kind=Kind.ID, meaning="the listing"),
        Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market"),
        Column(name="ds_search", kind=Kind.DATE, meaning="local date of the search"),
        Column(
            name="position",
            kind=Kind.COUNT,
            meaning="place in the shown results, 1 at the top, also where the log does not tell it",
            low=1,
        ),
        Column(
            name="can_book",
            kind=Kind.BOOLEAN,
            meaning="the guest has not booked before, and the listing is free for its dates",
        ),
        *(
            Column(
                name=f"p_{stage}_{given}",
                kind=Kind.NUMBER,
                unit="probability",
                meaning=f"P({stage}) of this impression, examined, given {words}",
                low=0,
                high=1,
            )
            for given, words in (
                ("taste", "the guest's hidden taste"),
                ("observables", "what the log shows only"),
            )
            for stage in ("click", "contact", "book")
        ),
    ),
)

QUALITY = Table(
    name="quality",
    row="one measure of one market on one day, beside the training window",
    key=("market", "ds", "kind", "name"),
    partition_by=(),
    columns=(
        Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market, or ``unknown``"),
        Column(name="ds", kind=Kind.DATE, meaning="local date of the searches"),
        Column(
            name="kind",
            kind=Kind.CATEGORY,
            meaning="``rows``, ``quarantine``, ``null_share``, ``psi`` or ``rate``",
        ),
        Column(name="name", kind=Kind.TEXT, meaning="of what: a column, feature, rate or reason"),
        Column(name="value", kind=Kind.NUMBER, meaning="the measure"),
        Column(
            name="reference",
            kind=Kind.NUMBER,
            meaning="the same over the earlier training days",
            null="no earlier day, or a measure that is a comparison itself",
        ),
        Column(name="low", kind=Kind.NUMBER, meaning="lower limit", null="there is none"),
        Column(name="high", kind=Kind.NUMBER, meaning="upper limit", null="there is none"),
        Column(
            name="is_flagged",
            kind=Kind.BOOLEAN,
            meaning="the value lies outside its limits",
            null="not judged",
        ),
    ),
)

TABLES: tuple[Table, ...] = (
    IMPRESSIONS,
    QUARANTINE,
    INGESTS,
    FEATURES,
    SCORES,
    RECOMMENDATIONS,
    QUALITY,
    TRUTH,
)
