"""What the report says about the data: funnel, files, quarantine, and what is odd."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

from data.counted import counted
from data.schema.tables import IMPRESSIONS, INGESTS, QUALITY
from data.schema.time import date_of
from models.evaluation.scorecard import Score, Scorecard
from pipelines.evaluation.log_maturity import maturity_of_log
from pipelines.evaluation.scorecard_view import VALUE, figure
from pipelines.monitoring.monitor import flagged_lines
from pipelines.run_context import RunContext

__all__ = ["concerns_of", "data_section", "days_of", "flagged_measures", "funnel_of"]

FILES_SHOWN = 20
FLAGS_SHOWN = 15
IMMATURE = 0.95


def funnel_of(context: RunContext) -> list[dict[str, Any]]:
    """Rows that reached each stage, per market, the largest market first."""
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


def data_section(context: RunContext) -> dict[str, Any]:
    """The files taken in, and why rows were quarantined."""
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
        "data_lines": lines[-FILES_SHOWN:],
        "quarantine": {
            "header": ["quarantined because", "rows"],
            "rows": [[reason, f"{count:,}"] for reason, count in ordered],
            "words": ["quarantined because"],
            "classes": None,
        },
    }


def concerns_of(context: RunContext, scorecard: Scorecard, quarantine: int) -> list[dict[str, Any]]:
    """Headings with their lines: drift, immature labels, quarantine, new listings, warnings."""
    total = context.lake.rows(IMPRESSIONS.name)
    share = quarantine / max(1, total + quarantine)
    parts = {
        "Drift and data quality": _flags(context),
        "Outcomes that are still to come": _immature(context),
        "Quarantine": [f"quarantined: {counted(quarantine, 'row')} ({share:.2%})"],
        "New listings": _new_listings(scorecard),
        "Warnings": list(scorecard.honesty.warnings) or ["none"],
    }
    return [{"title": title, "lines": lines} for title, lines in parts.items()]


def flagged_measures(context: RunContext) -> pl.DataFrame:
    """The flagged rows of the ``quality`` table; empty where it was not made."""
    if not context.lake.exists(QUALITY.name):
        return pl.DataFrame()
    return context.lake.scan(QUALITY.name).filter("is_flagged").collect()


def _flags(context: RunContext) -> list[str]:
    if not context.lake.exists(QUALITY.name):
        return ["not measured yet"]
    lines = flagged_lines(flagged_measures(context))
    more = len(lines) - FLAGS_SHOWN
    shown = lines[:FLAGS_SHOWN] + ([f"and {more} more, in the table quality"] if more > 0 else [])
    return shown or ["nothing is outside its limits"]


def _immature(context: RunContext) -> list[str]:
    young = [m for m in maturity_of_log(context.lake) if m.completeness < IMMATURE]
    lines = [
        f"searches of {date_of(m.search_day)}: the log holds about "
        f"{m.completeness:.0%} ({m.low:.0%} to {m.high:.0%}) of the "
        f"{'bookings' if m.outcome == 'book' else 'contacts'} that will come"
        for m in young
    ]
    return lines or [f"at least {IMMATURE:.0%} of the outcomes of every day are in the log"]


def _new_listings(scorecard: Scorecard) -> list[str]:
    named = {(s.model, s.metric, s.segment): s for s in scorecard.scores}
    lines = []
    for metric, segment, words in (
        (VALUE, "listing=new", "value DCG@10 of new listings"),
        ("ndcg_at_10", "listing=new", "booking NDCG@10 of new listings"),
        ("graded_ndcg_at_10", "listing=new", "graded NDCG@10 of new listings"),
        ("new_listing_exposure_at_10", "all", "new listings' share of the top 10"),
        ("catalogue_recall_at_100", "listing=new", "retrieval recall@100 of new listings"),
    ):
        told = _beside(named, metric, segment)
        if told:
            lines.append(f"{words}: {told}")
    return lines or ["the log does not say which listings are new"]


def _beside(named: dict[tuple[str, str, str], Score], metric: str, segment: str) -> str:
    models = ("ranker", "lambdarank", "two_tower", "popularity", "random", "oracle_observables")
    found = [(m, named.get((m, metric, segment))) for m in models]
    return ", ".join(f"{model} {figure(score)}" for model, score in found if score is not None)
