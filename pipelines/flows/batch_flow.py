"""A batch as a Prefect flow: each stage a task, the log on its page, artifacts at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from pipelines.batch.journal import Batch, BatchKind, BatchStage, run_stage
from pipelines.batch.run_batch import new_id, run_batch, today, unfinished_day
from pipelines.config.console import Console
from pipelines.config.home import home_for
from pipelines.config.redaction import redacting
from pipelines.config.settings import load_settings
from pipelines.config.standard_streams import tolerant_streams
from pipelines.flows.artifacts import show_batch
from pipelines.flows.liveness import end_with_schedule, hold_liveness_lock, mark_crashed_runs
from pipelines.flows.outcome import batch_id
from pipelines.run_context import RunContext

__all__ = ["batch_of", "context_at", "run_as_flow"]

# Longer with every try, for a server that is being restarted.
SECONDS_BEFORE_RETRIES = (5, 30, 120)


def context_at(home: Path | str | None, settings_file: Path | str | None) -> RunContext:
    """The context of a flow run, whose parameters are plain values only."""
    settings = load_settings(None if settings_file is None else Path(settings_file))
    place = home_for(None if home is None else Path(home), "simulated")
    return RunContext(home=place, settings=settings, console=Console())


def batch_of(context: RunContext, kind: BatchKind, day: date | None) -> Batch:
    """The batch of ``day``; without one today's, or the weekly one that was cut off this week."""
    if day is None:
        day = today(context.settings)
        day = unfinished_day(context, kind, day) if kind == "weekly" else day
    return Batch(context=context, kind=kind, day=day, id=batch_id(flow_run.id or new_id()))


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
        show_batch(batch)
    return batch


def _run_as_task(batch: Batch, stage: BatchStage) -> Mapping[str, Any]:
    """Run a stage as a Prefect task; of a day that holds, nothing: it would be shown as done.

    The task takes no arguments, since Prefect would store them: the closure has the batch.
    """

    if batch.is_held:
        return {}

    # What an error says Prefect keeps and shows.
    @redacting
    def work() -> Mapping[str, Any]:
        return run_stage(batch, stage)

    return task(
        name=stage.name,
        task_run_name=stage.name,
        cache_policy=NO_CACHE,
        retries=stage.retries,
        retry_delay_seconds=[*SECONDS_BEFORE_RETRIES[: stage.retries]] or None,
        timeout_seconds=batch.context.settings.batch.stage_limit_s,
    )(work)()
