"""Gather what the report shows, and write the page."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from data.contract import IMPRESSIONS, INGESTS, RECOMMENDATIONS
from pipelines.home import write_whole
from pipelines.report.pictures import funnel_by_market, metric_by_model
from pipelines.report.render import render_report
from pipelines.steps.context import RunContext
from pipelines.steps.run_record import RunRecord, read_record
from pipelines.steps.summary import (
    figure,
    g_shown,
    headline,
    metrics_shown,
    read_scorecard,
    segments_shown,
    table_rows,
)

__all__ = ["write_report"]

EXAMPLES = 3
EXAMPLE_ROWS = 10


def write_report(context: RunContext, run: str) -> Path:
    """Write ``reports/latest/index.html`` for a run, log it to MLflow, return its path."""
    record = read_record(context.home, run)
    page = context.home.report / "index.html"
    with context.console.step("writing the report"):
        write_whole(page, render_report(_content(context, record)))
        context.tracking.log_artifacts(record.parent, page)
    return page


def _content(context: RunContext, record: RunRecord) -> dict[str, Any]:
    scorecard = read_scorecard(context.home)
    segments, metrics = segments_shown(scorecard), metrics_shown(scorecard)
    funnel, records = _funnel(context), scorecard.to_records()
    rows = [
        [segment.removeprefix("market="), model, *map(figure, scores)]
        for segment in segments
        for model, scores in table_rows(scorecard, segment)
    ]
    return {
        "run": record.name,
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        "markets": [market["market"] for market in funnel][:8],
        "days": _days(context),
        "is_simulated": scorecard.honesty.provenance.is_simulated,
        "headline": headline(scorecard),
        "ndcg_picture": metric_by_model(
            records,
            metric=list(metrics)[1],
            title=f"{list(metrics.values())[1]}, 95% interval",
            segments=segments,
        ),
        "g_pictures": [
            metric_by_model(records, metric=metric, title=heading, segments=segments)
            for metric, heading in g_shown(scorecard).items()
        ],
        "table": {"header": ["searches", "model", *metrics.values()], "rows": rows},
        "honesty": [f"{heading}: {text}" for heading, text in scorecard.honesty.facts()],
        "funnel_picture": funnel_by_market(funnel[:6]),
        **_data_section(context),
        "training_lines": _training_lines(record),
        "examples": _examples(context),
    }


def _funnel(context: RunContext) -> list[dict[str, Any]]:
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


def _days(context: RunContext) -> str:
    first, last = (
        context.lake.scan(IMPRESSIONS.name)
        .select(pl.col("ds_search").min(), pl.col("ds_search").max().alias("last"))
        .collect()
        .row(0)
    )
    return f"{first} to {last}"


def _data_section(context: RunContext) -> dict[str, Any]:
    ledger = context.lake.scan(INGESTS.name).collect()
    lines = []
    reasons: dict[str, int] = {}
    for row in ledger.sort("ingested_at", "source_file").iter_rows(named=True):
        lines.append(
            f"{Path(row['source_file']).name}: {row['rows_in']:,} rows = "
            f"{row['rows_accepted']:,} accepted + {row['rows_quarantined']:,} quarantined"
        )
        for reason, count in json.loads(row["report"]).get("quarantined", {}).items():
            reasons[reason] = reasons.get(reason, 0) + int(count)
    return {
        "data_lines": lines[-20:],
        "quarantine": sorted(reasons.items(), key=lambda item: -item[1]),
    }


def _training_lines(record: RunRecord) -> list[str]:
    lines = [f"models: {', '.join(record.models)}"]
    lines += [f"{name} left out: {why}" for name, why in record.left_out.items()]
    lines += [f"table {name}: version {version}" for name, version in record.tables.items()]
    return [*lines, f"seed {record.seed}", f"MLflow run {record.parent}"]


def _examples(context: RunContext) -> list[dict[str, Any]]:
    """The first listings recommended to a few guests."""
    scan = context.lake.scan(RECOMMENDATIONS.name)
    latest = scan.filter(pl.col("ds") == pl.col("ds").max())
    chosen = latest.select("id_search").unique().sort("id_search").head(EXAMPLES)
    rows = latest.join(chosen, on="id_search", how="semi").filter(pl.col("rank") <= EXAMPLE_ROWS)
    found = rows.collect().sort("id_search", "rank")
    return [_example(group) for group in found.partition_by("id_search", maintain_order=True)]


def _example(group: pl.DataFrame) -> dict[str, Any]:
    guest = group["id_user"][0] or "a guest without an id"
    header = ["rank", "listing", "estimated price of the stay", "shown before", "score"]
    rows = [
        [
            row["rank"],
            row["id_listing"],
            _amount(row["estimated_total_price"]),
            "yes" if row["was_shown"] else "no",
            f"{row['score']:.3f}",
        ]
        for row in group.iter_rows(named=True)
    ]
    title = f"{guest}, search {group['id_search'][0]} in {group['market'][0]}"
    return {"title": title, "header": header, "rows": rows}


def _amount(price: float | None) -> str:
    return "–" if price is None else f"{price:,.0f}"
