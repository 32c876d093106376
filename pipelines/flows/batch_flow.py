"""A batch as a Prefect flow: each stage a task, the log on its page, artifacts at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from prefect import get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_table_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from data.plain_text import as_markdown_text
from data.schema.tables import QUARANTINE
from pipelines.batch.batch_log import as_markdown
from pipelines.batch.journal import Batch, BatchKind, BatchStage, run_stage
from pipelines.batch.run_batch import new_id, run_batch, today, unfinished_day
from pipelines.config.console import Console
from pipelines.config.home import Home, home_for
from pipelines.config.redaction import redacting, split_credentials
from pipelines.config.settings import load_settings
from pipelines.config.standard_streams import tolerant_streams
from pipelines.flows.liveness import end_with_schedule, hold_liveness_lock, mark_crashed_runs
from pipelines.run_context import RunContext

__all__ = ["batch_of", "context_at", "run_as_flow", "show"]

# Longer with every try, for a server that is being restarted.
SECONDS_BEFORE_RETRIES = (5, 30, 120)
SCORECARD_COLUMNS = ("model", "segment", "metric", "value", "low", "high", "searches")


def context_at(home: Path | None, settings_file: Path | None) -> RunContext:
    """The context of a flow run, whose parameters are plain values only."""
    settings = load_settings(settings_file)
    return RunContext(home=home_for(home, "simulated"), settings=settings, console=Console())


def batch_of(context: RunContext, kind: BatchKind, day: date | None) -> Batch:
    """The batch of ``day``; without one today's, or the weekly one that was cut off this week."""
    if day is None:
        day = today(context.settings)
        day = unfinished_day(context, kind, day) if kind == "weekly" else day
    return Batch(context=context, kind=kind, day=day, id=str(flow_run.id or new_id())[-12:])


def run_as_flow(batch: Batch, stages: Sequence[BatchStage], *, again: bool) -> Batch:
    """Run the batch's stages as tasks of the flow run that this is called in."""
    home, logger = batch.context.home, get_run_logger()
    home.prepare()
    end_with_schedule()
    for name in mark_crashed_runs(home):
        batch.context.console.say(f"flow run {name} had ended without a word: marked as crashed")
    # A worker starts the flow without the command line, which takes care of this elsewhere.
    with tolerant_streams(), hold_liveness_lock(home, str(flow_run.id)):
        batch = run_batch(
            batch, stages, again=again, stage_runner=_run_as_task, on_line=logger.info
        )
        show(batch)
    return batch


def _run_as_task(batch: Batch, stage: BatchStage) -> Mapping[str, Any]:
    """Run a stage as a Prefect task.

    The task takes no arguments, since Prefect would store them: the closure has the batch.
    """

    # What an error says Prefect keeps and shows.
    @redacting
    def work() -> Mapping[str, Any]:
        return run_stage(batch, stage)

    return task(
        name=stage.name,
        cache_policy=NO_CACHE,
        retries=stage.retries,
        retry_delay_seconds=[*SECONDS_BEFORE_RETRIES[: stage.retries]] or None,
        timeout_seconds=batch.context.settings.batch.stage_limit_s,
    )(work)()


def show(batch: Batch) -> None:
    """Create the run's artifacts: figures, scorecard, quarantine, and a link to MLflow."""
    home, kind = batch.context.home, batch.kind
    create_markdown_artifact(as_markdown(batch), key=f"{kind}-figures", description=batch.name)
    if rows := _scorecard(home):
        create_table_artifact(rows, key=f"{kind}-scorecard", description="the latest scorecard")
    if rows := _quarantine(batch.context):
        create_table_artifact(rows, key=f"{kind}-quarantine", description="rows by reason")
    link = _mlflow_page(batch.context.settings.tracking_uri)
    run_id = batch.results.get("log", {}).get("mlflow_run", "")
    log = as_markdown_text(str(batch.journal().get("log", "")))
    page = f"{link}/#/experiments/{batch.context.tracking.experiment_id}"
    create_link_artifact(
        f"{page}/runs/{run_id}" if run_id else page,
        link_text="MLflow (stayrank dashboards)",
        key=f"{kind}-mlflow",
        description=f"the batch's run in MLflow; its log file is {log}",
    )


def _mlflow_page(store: str) -> str:
    """Where a browser finds MLflow: at its server, or where ``stayrank dashboards`` serves it."""
    is_server = store.startswith(("http://", "https://"))
    return split_credentials(store)[0].rstrip("/") if is_server else "http://127.0.0.1:5000"


def _scorecard(home: Home) -> list[dict[str, Any]]:
    path = home.report / "scorecard.json"
    if not path.is_file():
        return []
    return [
        {name: score.get(name) for name in SCORECARD_COLUMNS}
        for score in json.loads(path.read_text())
        if score["metric"] == "ndcg_at_10" and score["segment"] == "all"
    ]


def _quarantine(context: RunContext) -> list[dict[str, Any]]:
    if not context.lake.exists(QUARANTINE.name):
        return []
    counted = context.lake.scan(QUARANTINE.name).group_by("reasons").agg(rows=pl.len())
    return counted.sort("rows", descending=True).collect().to_dicts()
