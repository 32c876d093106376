"""What a run leaves on Prefect's page: sentences, figures, scorecard, quarantine, a link to MLflow.

The keys begin with the kind of the run (``daily-scorecard``, ``run-scorecard``), so that Prefect
shows one figure over all runs of a kind. Import it only after ``prepare_prefect``.
"""

from __future__ import annotations

from typing import Any

import polars as pl
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)

from data.counted import counted
from data.plain_text import as_markdown_text
from data.schema.market_names import market_in_words
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE, RECOMMENDATIONS
from pipelines.batch.batch_log import as_markdown
from pipelines.batch.journal import Batch
from pipelines.config.home import Home
from pipelines.config.redaction import redact
from pipelines.evaluation.scorecard_view import (
    figure,
    metrics_shown,
    read_scorecard,
    segments_shown,
    table_rows,
)
from pipelines.flows.served_pages import mlflow_address
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from pipelines.verdict.verdict import verdict_of

__all__ = ["show_batch", "show_run"]

RUN = "run"
MARKETS_NAMED = 10


def show_batch(batch: Batch) -> None:
    """Create the artifacts of a batch, from its journal and the latest scorecard."""
    context, kind = batch.context, batch.kind
    create_markdown_artifact(as_markdown(batch), key=f"{kind}-figures", description=batch.name)
    # the weekly's own run; else the one that recommends. A day that holds has neither.
    run = {**batch.results.get("models", {}), **batch.results.get("train", {})}.get("run")
    if run is not None:
        _show_sentences(context, kind, str(run))
    _show_scorecard(context.home, kind)
    _show_quarantine(context, kind)
    run_id = str(batch.results.get("log", {}).get("mlflow_run", ""))
    log = as_markdown_text(str(batch.journal().get("log", "")))
    _link_to_mlflow(context, kind, run_id, f"the batch's run in MLflow; its log file is {log}")


def show_run(context: RunContext, run: str, odd_measures: int) -> None:
    """Create the artifacts of the main job that trained ``run``.

    ``odd_measures``: how many measures of the log are out of their limits.
    """
    create_markdown_artifact(
        _figures(context, run, odd_measures), key=f"{RUN}-figures", description=f"run {run}"
    )
    _show_sentences(context, RUN, run)
    _show_scorecard(context.home, RUN)
    _show_quarantine(context, RUN)
    parent = read_record(context.home, run).parent
    _link_to_mlflow(context, RUN, parent, "the training in MLflow, a child for every model")


def _figures(context: RunContext, run: str, odd_measures: int) -> str:
    """What the job took in and made, as a table in Markdown."""
    lake = context.lake
    days = sorted(day for _, day in lake.market_days(IMPRESSIONS.name))
    files = lake.scan(INGESTS.name).select(pl.len()).collect().item()
    quarantined = lake.rows(QUARANTINE.name) if lake.exists(QUARANTINE.name) else 0
    recommended = lake.scan(RECOMMENDATIONS.name)
    newest = recommended.filter(pl.col("ds") == pl.col("ds").max())
    day, rows, guests = (
        newest.select(pl.col("ds").max(), pl.len(), pl.col("id_user").n_unique()).collect().row(0)
    )
    slugs = sorted({market for market, _ in lake.market_days(IMPRESSIONS.name)})
    markets = [market_in_words(slug) for slug in slugs[:MARKETS_NAMED]]
    more = f" and {len(slugs) - MARKETS_NAMED} more" if len(slugs) > MARKETS_NAMED else ""
    cells = {
        "log": f"{days[0]} to {days[-1]}, {counted(files, 'file')}",
        "markets": ", ".join(markets) + more,
        "impressions": f"{lake.rows(IMPRESSIONS.name):,}",
        "rows in quarantine": f"{quarantined:,}",
        "training run": run,
        "recommendations": f"{rows:,} for {counted(guests, 'guest')}, for {day}",
        "measures out of their limits": f"{odd_measures:,}",
        "report": str((context.home.report / "index.html").resolve()),
    }
    lines = [f"| {name} | {as_markdown_text(value)} |" for name, value in cells.items()]
    return "\n".join([f"# run {run}", "", "| what | value |", "|---|---|", *lines]) + "\n"


def _show_sentences(context: RunContext, kind: str, run: str) -> None:
    """Who recommends, and the five sentences of a run, where it was evaluated."""
    folders = (context.home.run_folder(run), context.home.report)
    if any((folder / "honesty.json").is_file() for folder in folders):
        create_markdown_artifact(
            redact(verdict_of(context, run).markdown()),
            key=f"{kind}-sentences",
            description="who recommends, how good, where, at what cost, what changed, what to mind",
        )


def _show_scorecard(home: Home, kind: str) -> None:
    """The latest scorecard, a row for every market and model, figures as they are shown."""
    if not (home.report / "scorecard.json").is_file():
        return
    scorecard = read_scorecard(home)
    headings = tuple(metrics_shown(scorecard).values())
    rows = [
        {
            "market": "all" if segment == "all" else _market(segment),
            "model": model,
            **{name: figure(score) for name, score in zip(headings, scores, strict=True)},
        }
        for segment in segments_shown(scorecard)
        for model, scores in reversed(table_rows(scorecard, segment))
    ]
    is_simulated = scorecard.honesty.provenance.is_simulated
    note = "; simulated data, not real guests" if is_simulated else ""
    if rows:
        create_table_artifact(
            rows, key=f"{kind}-scorecard", description=f"the latest scorecard, best first{note}"
        )


def _market(segment: str) -> str:
    return market_in_words(segment.removeprefix("market="))


def _show_quarantine(context: RunContext, kind: str) -> None:
    if not context.lake.exists(QUARANTINE.name):
        return
    counts = context.lake.scan(QUARANTINE.name).group_by("reasons").agg(rows=pl.len())
    rows: list[dict[str, Any]] = counts.sort("rows", descending=True).collect().to_dicts()
    if rows:
        description = "rows that were not taken in, by reason"
        create_table_artifact(rows, key=f"{kind}-quarantine", description=description)


def _link_to_mlflow(context: RunContext, kind: str, run_id: str, description: str) -> None:
    address = mlflow_address(context.home, context.settings.tracking_uri)
    experiment = f"{address}/#/experiments/{context.tracking.experiment_id}"
    create_link_artifact(
        f"{experiment}/runs/{run_id}" if run_id else f"{address}{context.tracking.runs_page()}",
        link_text="MLflow (stayrank dashboards)",
        key=f"{kind}-mlflow",
        description=description,
    )
