"""The tables of the lake: every column with its type, unit, meaning, and the meaning of null.

This file is the source of ``docs/data_dictionary.md``. It computes nothing and imports
nothing of ours; every other room reads it.

Times come twice, on purpose: dates and timestamps for people, integers for arithmetic.
``*_s`` counts seconds since 1970-01-01 00:00 on the market's own clock, ``*_day`` counts
days since 1970-01-01. Integer arithmetic is the same on every engine, calendar
arithmetic is not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import pyarrow as pa

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
    "QUARANTINE",
    "RECOMMENDATIONS",
    "SCORES",
    "TABLES",
    "TRUTH",
    "Column",
    "Kind",
    "Stage",
    "Table",
]


class Stage(IntEnum):
    """The furthest action of a guest on one impression, in the order of the funnel."""

    IMPRESSED = 0
    CLICKED = 1
    CONTACTED = 2
    BOOKED = 3


IMPRESSED, CLICKED, CONTACTED, BOOKED = Stage


class Kind(StrEnum):
    """What the values of a column are; decides the Arrow type and how a model reads it."""

    ID = "id"
    CATEGORY = "category"
    BOOLEAN = "boolean"
    COUNT = "count"
    NUMBER = "number"
    TEXT = "text"
    DATE = "date"
    TIME = "time"
    DAY = "day"
    SECOND = "second"
    STAGE = "stage"


ARROW_TYPE: dict[Kind, pa.DataType] = {
    Kind.ID: pa.string(),
    Kind.CATEGORY: pa.string(),
    Kind.BOOLEAN: pa.bool_(),
    Kind.COUNT: pa.int32(),
    Kind.NUMBER: pa.float64(),
    Kind.TEXT: pa.string(),
    Kind.DATE: pa.date32(),
    Kind.TIME: pa.timestamp("us"),
    Kind.DAY: pa.int32(),
    Kind.SECOND: pa.int64(),
    Kind.STAGE: pa.int8(),
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        name: its name, the same in every table it stands in.
        kind: what its values are.
        meaning: one plain sentence, or part of one.
        unit: ``km``, ``nights``, ``price`` (the file's own currency), or empty.
        null: what null means; ``None`` says that the column is never null.
        low, high: inclusive bounds of a sound value. Outside them the value of an
            optional attribute is nulled and counted (``CONTRACT: nulled``).
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    null: str | None = None
    low: float | None = None
    high: float | None = None

    @property
    def arrow_type(self) -> pa.DataType:
        return ARROW_TYPE[self.kind]

    @property
    def field(self) -> pa.Field:
        return pa.field(self.name, self.arrow_type, nullable=True)


@dataclass(frozen=True, kw_only=True)
class Table:
    """A Delta table of the lake: what one row is, its key, how it is partitioned.

    ``open_ended`` tables carry further columns that are described elsewhere (the
    feature columns by the feature tuples, the extra columns by a source mapping).
    """

    name: str
    row: str
    key: tuple[str, ...]
    partition_by: tuple[str, ...]
    columns: tuple[Column, ...]
    open_ended: str = ""
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(column.name for column in self.columns))
        missing = [name for name in (*self.key, *self.partition_by) if name not in self.names]
        if missing:
            raise ValueError(f"table {self.name}: key or partition without a column: {missing}")

    def column(self, name: str) -> Column:
        """The column of that name; raises ``KeyError`` when the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}")

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([column.field for column in self.columns])


# A source mapping may declare further attributes; they travel under this prefix,
# so that a new column of the contract can never collide with somebody's extra one.
EXTRA_PREFIX = "x_"

_IDENTITY = (
    Column(name="id_search", kind=Kind.ID, meaning="the search"),
    Column(name="id_listing", kind=Kind.ID, meaning="the listing"),
    Column(
        name="id_user",
        kind=Kind.ID,
        meaning="the searching guest",
        null="a guest without history",
    ),
    Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market, such as sao_paulo"),
    Column(name="ds_search", kind=Kind.DATE, meaning="local date of the search"),
    Column(
        name="search_s",
        kind=Kind.SECOND,
        unit="seconds since 1970, local clock",
        meaning="time of the search",
    ),
    Column(
        name="search_day",
        kind=Kind.DAY,
        unit="days since 1970",
        meaning="day of the search",
    ),
)

_OUTCOME = (
    Column(
        name="stage",
        kind=Kind.STAGE,
        meaning="furthest action: 0 impressed, 1 clicked, 2 contacted, 3 booked",
    ),
    Column(
        name="contact_day",
        kind=Kind.DAY,
        unit="days since 1970",
        meaning="day on which the host was contacted; known from the day after",
        null="not contacted",
    ),
    Column(
        name="book_day",
        kind=Kind.DAY,
        unit="days since 1970",
        meaning="day of the booking; known from the day after",
        null="not booked",
    ),
)

# What the features table repeats of an impression beside its features: enough to
# train, split and evaluate without joining the impressions again. Never an input.
CARRIED: tuple[str, ...] = tuple(c.name for c in (*_IDENTITY, *_OUTCOME))

_NOT_GIVEN = "not given"
_COORDINATE = "degrees"
_RATED = "no rating yet (new listings)"


def _rating(of: str) -> Column:
    return Column(
        name=f"listing_{of}_rating",
        kind=Kind.NUMBER,
        unit="stars",
        meaning=f"mean guest rating of {of}",
        null=_RATED,
        low=1,
        high=5,
    )


_QUERY = (
    Column(
        name="query_checkin",
        kind=Kind.DATE,
        meaning="searched first night",
        null="a dateless search",
    ),
    Column(
        name="query_checkout",
        kind=Kind.DATE,
        meaning="searched day of departure",
        null="a dateless search",
    ),
    Column(
        name="checkin_day",
        kind=Kind.DAY,
        unit="days since 1970",
        meaning="searched first night",
        null="a dateless search",
    ),
    Column(
        name="checkout_day",
        kind=Kind.DAY,
        unit="days since 1970",
        meaning="searched day of departure",
        null="a dateless search",
    ),
    Column(
        name="query_num_guests",
        kind=Kind.COUNT,
        unit="guests",
        meaning="adults and children who sleep there",
        null=_NOT_GIVEN,
        low=1,
        high=10_000,
    ),
    Column(
        name="query_num_children",
        kind=Kind.COUNT,
        unit="guests",
        meaning="children among the guests",
        null=_NOT_GIVEN,
        low=0,
        high=10_000,
    ),
    Column(
        name="query_num_infants",
        kind=Kind.COUNT,
        unit="guests",
        meaning="infants, who need no bed",
        null=_NOT_GIVEN,
        low=0,
        high=10_000,
    ),
    Column(
        name="query_radius",
        kind=Kind.NUMBER,
        unit="km",
        meaning="half the size of the searched map",
        null="no map bound",
        low=0,
        high=25_000,
    ),
    Column(
        name="query_price_min",
        kind=Kind.NUMBER,
        unit="price per night",
        meaning="lower bound of the price filter",
        null="no lower bound",
        low=0,
        high=1e9,
    ),
    Column(
        name="query_price_max",
        kind=Kind.NUMBER,
        unit="price per night",
        meaning="upper bound of the price filter",
        null="no upper bound",
        low=0,
        high=1e9,
    ),
    Column(
        name="query_center_lat",
        kind=Kind.NUMBER,
        unit=_COORDINATE,
        meaning="latitude of the searched centre",
        null=_NOT_GIVEN,
        low=-90,
        high=90,
    ),
    Column(
        name="query_center_lng",
        kind=Kind.NUMBER,
        unit=_COORDINATE,
        meaning="longitude of the searched centre",
        null=_NOT_GIVEN,
        low=-180,
        high=180,
    ),
)

_LISTING = (
    Column(
        name="listing_is_new",
        kind=Kind.BOOLEAN,
        meaning="no reviews and no bookings yet",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_total_price",
        kind=Kind.NUMBER,
        unit="price",
        meaning="price of the whole stay for the searched dates (one night when dateless)",
        null="price not shown",
        low=0,
        high=1e9,
    ),
    Column(
        name="listing_instant_bookable",
        kind=Kind.BOOLEAN,
        meaning="can be booked without contacting the host",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_lat",
        kind=Kind.NUMBER,
        unit=_COORDINATE,
        meaning="latitude of the listing",
        null=_NOT_GIVEN,
        low=-90,
        high=90,
    ),
    Column(
        name="listing_lng",
        kind=Kind.NUMBER,
        unit=_COORDINATE,
        meaning="longitude of the listing",
        null=_NOT_GIVEN,
        low=-180,
        high=180,
    ),
    Column(
        name="listing_review_rating",
        kind=Kind.NUMBER,
        unit="stars",
        meaning="mean guest rating",
        null=_RATED,
        low=1,
        high=5,
    ),
    Column(
        name="listing_review_count",
        kind=Kind.COUNT,
        unit="reviews",
        meaning="number of reviews",
        null=_NOT_GIVEN,
        low=0,
        high=1_000_000,
    ),
    Column(
        name="listing_property_type",
        kind=Kind.CATEGORY,
        meaning="property type id, a category even where it looks like a number",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_room_type",
        kind=Kind.CATEGORY,
        meaning="entire_home, private_room, shared_room or hotel_room",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_num_beds",
        kind=Kind.NUMBER,
        unit="beds",
        meaning="number of beds",
        null=_NOT_GIVEN,
        low=0,
        high=1_000,
    ),
    Column(
        name="listing_num_bedrooms",
        kind=Kind.NUMBER,
        unit="bedrooms",
        meaning="number of bedrooms",
        null=_NOT_GIVEN,
        low=0,
        high=1_000,
    ),
    Column(
        name="listing_num_bathrooms",
        kind=Kind.NUMBER,
        unit="bathrooms",
        meaning="number of bathrooms, halves allowed",
        null=_NOT_GIVEN,
        low=0,
        high=1_000,
    ),
    Column(
        name="listing_person_capacity",
        kind=Kind.COUNT,
        unit="guests",
        meaning="most guests that the host allows",
        null=_NOT_GIVEN,
        low=1,
        high=10_000,
    ),
    Column(
        name="listing_has_pro_pictures",
        kind=Kind.BOOLEAN,
        meaning="has professional photos",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_num_recent_reservations",
        kind=Kind.COUNT,
        unit="reservations",
        meaning="recent reservations, as of the search",
        null=_NOT_GIVEN,
        low=0,
        high=1_000_000,
    ),
    _rating("location"),
    _rating("cleanliness"),
    _rating("checkin"),
    _rating("value"),
    _rating("communication"),
    _rating("accuracy"),
    Column(
        name="listing_num_books_90day",
        kind=Kind.COUNT,
        unit="bookings",
        meaning="bookings in the last 90 days, as of the search",
        null=_NOT_GIVEN,
        low=0,
        high=1_000_000,
    ),
    Column(
        name="listing_occupancy_rate",
        kind=Kind.NUMBER,
        unit="share of nights",
        meaning="share of nights booked",
        null=_NOT_GIVEN,
        low=0,
        high=1,
    ),
    Column(
        name="listing_monthly_discount",
        kind=Kind.BOOLEAN,
        meaning="the host gives a monthly discount",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_weekly_discount",
        kind=Kind.BOOLEAN,
        meaning="the host gives a weekly discount",
        null=_NOT_GIVEN,
    ),
    Column(
        name="listing_cleaning_fee",
        kind=Kind.NUMBER,
        unit="price per stay",
        meaning="cleaning fee, part of the total price",
        null="no fee stated",
        low=0,
        high=1e9,
    ),
    Column(
        name="listing_monthly_price_factor",
        kind=Kind.NUMBER,
        unit="multiple of the nightly price",
        meaning="multiplies the nightly price from 28 nights on",
        null="no factor stated",
        low=0.01,
        high=10,
    ),
    Column(
        name="listing_weekly_price_factor",
        kind=Kind.NUMBER,
        unit="multiple of the nightly price",
        meaning="multiplies the nightly price from 7 nights on",
        null="no factor stated",
        low=0.01,
        high=10,
    ),
    Column(
        name="listing_minimum_nights",
        kind=Kind.COUNT,
        unit="nights",
        meaning="fewest nights that the host takes",
        null=_NOT_GIVEN,
        low=0,
        high=100_000,
    ),
    Column(
        name="listing_maximum_nights",
        kind=Kind.COUNT,
        unit="nights",
        meaning="most nights that the host takes",
        null="no limit (999999999 in a log means the same)",
        low=1,
        high=100_000,
    ),
)

_EXPOSURE = (
    Column(
        name="position",
        kind=Kind.COUNT,
        meaning="place in the results, 1 at the top; for analysis and debiasing, never an input",
        null=_NOT_GIVEN,
        low=1,
        high=100_000,
    ),
    Column(
        name="is_random_order",
        kind=Kind.BOOLEAN,
        meaning="the results were shown in random order",
        null=_NOT_GIVEN,
    ),
    Column(
        name="propensity",
        kind=Kind.NUMBER,
        unit="probability",
        meaning="probability that this listing was shown in this place",
        null=_NOT_GIVEN,
        low=0,
        high=1,
    ),
)

_LINEAGE = (
    Column(
        name="source_id",
        kind=Kind.ID,
        meaning="first 16 hex digits of the SHA-256 of the file this row came from",
    ),
    Column(
        name="source_line",
        kind=Kind.SECOND,
        meaning="line in that file, the header being line 1 (Parquet: row number from 1)",
    ),
)

IMPRESSIONS = Table(
    name="impressions",
    row="one listing shown in one search, typed and clean, with its furthest action",
    key=("id_search", "id_listing"),
    partition_by=("market", "ds_search"),
    columns=(
        *_IDENTITY,
        Column(name="ts_search", kind=Kind.TIME, meaning="local time of the search"),
        *_OUTCOME,
        Column(
            name="ds_contact",
            kind=Kind.DATE,
            meaning="date on which the host was contacted",
            null="not contacted",
        ),
        Column(name="ds_book", kind=Kind.DATE, meaning="date of the booking", null="not booked"),
        *_QUERY,
        *_LISTING,
        *_EXPOSURE,
        *_LINEAGE,
    ),
    open_ended="extra columns of a source mapping, prefixed x_",
)

QUARANTINE = Table(
    name="quarantine",
    row="one rejected input row, whole, and why",
    key=("source_id", "source_line"),
    partition_by=("ds_ingested",),
    columns=(
        *_LINEAGE,
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
        Column(name="is_simulated", kind=Kind.BOOLEAN, meaning="the rows come from the simulator"),
        Column(name="rows_in", kind=Kind.SECOND, meaning="rows read, without the header"),
        Column(name="rows_accepted", kind=Kind.SECOND, meaning="rows that became impressions"),
        Column(name="rows_quarantined", kind=Kind.SECOND, meaning="rows that did not"),
        Column(name="ingested_at", kind=Kind.TIME, meaning="when, in UTC"),
        Column(name="report", kind=Kind.TEXT, meaning="the report on this file, as JSON"),
    ),
)

FEATURES = Table(
    name="features",
    row="the features of one impression, with its identity and outcome carried along",
    key=("id_search", "id_listing"),
    partition_by=("market", "ds_search"),
    columns=(*_IDENTITY, *_OUTCOME),
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
        Column(name="split", kind=Kind.CATEGORY, meaning="valid or test"),
        Column(name="model", kind=Kind.CATEGORY, meaning="name of the model"),
        Column(name="score", kind=Kind.NUMBER, meaning="higher is better; no unit, one model's"),
    ),
)

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
        Column(name="rank", kind=Kind.COUNT, meaning="place in the recommendation, 1 at the top"),
        Column(name="id_listing", kind=Kind.ID, meaning="the recommended listing"),
        Column(name="score", kind=Kind.NUMBER, meaning="the ranker's score, higher is better"),
        Column(name="retrieval_score", kind=Kind.NUMBER, meaning="the retriever's score"),
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

TABLES: tuple[Table, ...] = (
    IMPRESSIONS,
    QUARANTINE,
    INGESTS,
    FEATURES,
    SCORES,
    RECOMMENDATIONS,
    TRUTH,
)
