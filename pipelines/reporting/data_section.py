"""What the report says about the data: funnel, files, quarantine, and what is odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from data.counted import counted
from data.schema.tables import IMPRESSIONS, INGESTS, QUALITY, QUARANTINE
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.scorecard_view import VALUE, figure
from pipelines.run_context import RunContext
from pipelines.verdict.worries import DRIFT, IMMATURE, OUTCOMES, Worry

__all__ = ["data_section", "days_of", "flagged_measures", "funnel_of", "new_listings_of"]

FILES_SHOWN = 20
OF_NEW_LISTINGS = (
    "ranker",
    "lambdarank",
    "two_tower",
    "popularity",
    "random",
    "oracle_observables",
)
MEASURES = {
    (VALUE, "listing=new"): "value DCG@10",
    ("ndcg_at_10", "listing=new"): "booking NDCG@10",
    ("graded_ndcg_at_10", "listing=new"): "graded NDCG@10",
    ("new_listing_exposure_at_10", "all"): "share of the first ten places",
    ("catalogue_recall_at_100", "listing=new"): "recall among 100 candidates",
}


def funnel_of(context: RunContext) -> list[dict[str, Any]]:
    """Rows that reached each stage, per market, the largest market first.

    ``bookings_after_contact`` are the bookings whose guest had contacted the host before: those
    that can be held against the contacts.
    """
    impressions, stage = context.lake.scan(IMPRESSIONS.name), pl.col("stage")
    has_contacts = "contact_day" in impressions.collect_schema().names()
    contacted = pl.col("contact_day").is_not_null() if has_contacts else pl.lit(value=False)
    counted = (
        impressions.group_by("market")
        .agg(
            impressions=pl.len(),
            clicks=(stage >= 1).sum(),
            contacts=contacted.sum(),
            bookings=(stage >= 3).sum(),
            bookings_after_contact=((stage >= 3) & contacted).sum(),
        )
        .sort("impressions", "market", descending=[True, False])
    )
    return counted.collect().to_dicts()


def days_of(context: RunContext) -> str:
    """First and last day of the log."""
    first, last = (
        context.lake.scan(IMPRESSIONS.name)
        .select(pl.col("ds_search").min(), pl.col("ds_search").max().alias("last"))
        .collect()
        .row(0)
    )
    return f"{first} to {last}"


def data_section(context: RunContext, worries: tuple[Worry, ...]) -> dict[str, Any]:
    """The files taken in, what is well with them, and why rows were quarantined."""
    ingests = context.lake.scan(INGESTS.name).collect()
    lines = []
    reasons: dict[str, int] = {}
    for row in ingests.sort("ingested_at", "source_file").iter_rows(named=True):
        lines.append(
            f"{Path(row['source_file']).name}: {counted(row['rows_in'], 'row')} = "
            f"{row['rows_accepted']:,} accepted + {row['rows_quarantined']:,} quarantined"
        )
        for reason, count in json.loads(row["report"]).get("quarantined", {}).items():
            reasons[reason] = reasons.get(reason, 0) + int(count)
    ordered = sorted(reasons.items(), key=lambda item: -item[1])
    return {
        "data_lines": [*lines[-FILES_SHOWN:], *_quiet_facts(context, worries)],
        "quarantine": {
            "header": ["quarantined because", "rows"],
            "rows": [[reason, f"{count:,}"] for reason, count in ordered],
            "words": ["quarantined because"],
            "classes": None,
        },
    }


def flagged_measures(context: RunContext) -> pl.DataFrame:
    """The flagged rows of the ``quality`` table; empty where it was not made."""
    if not context.lake.exists(QUALITY.name):
        return pl.DataFrame()
    return context.lake.scan(QUALITY.name).filter("is_flagged").collect()


def new_listings_of(scorecard: Scorecard) -> dict[str, Any] | None:
    """What models do for new listings, a row per measure; ``None`` where the log tells of none."""
    named = {(s.model, s.metric, s.segment): s for s in scorecard.scores}
    models = [m for m in OF_NEW_LISTINGS if any((m, *key) in named for key in MEASURES)]
    rows = [
        [words, *(figure(named.get((model, metric, segment))) for model in models)]
        for (metric, segment), words in MEASURES.items()
        if any((model, metric, segment) in named for model in models)
    ]
    if not rows:
        return None
    header = ["of new listings", *models]
    return {"header": header, "words": ["of new listings"], "rows": rows, "classes": None}


def _quiet_facts(context: RunContext, worries: tuple[Worry, ...]) -> list[str]:
    """What was looked at and is well: no worry, but worth knowing of the data."""
    headings = {worry.heading for worry in worries}
    rows = context.lake.rows(QUARANTINE.name)
    share = rows / max(1, rows + context.lake.rows(IMPRESSIONS.name))
    facts = [f"quarantined: {counted(rows, 'row')} ({share:.2%})"]
    if DRIFT not in headings and context.lake.exists(QUALITY.name):
        facts.append("no measure of drift or data quality is outside its limits")
    if OUTCOMES not in headings:
        facts.append(f"at least {IMMATURE:.0%} of the outcomes of every day are in the log")
    return facts
