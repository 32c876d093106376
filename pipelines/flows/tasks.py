"""The steps as Prefect tasks.

Tasks hand each other names and versions, never frames: Prefect keeps what passes between
tasks in memory. No task result is cached: the steps themselves know what is up to date.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE

from pipelines.batch.in_force import note_main_job
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.memory import release_memory
from pipelines.config.redaction import redacting
from pipelines.config.settings import Settings
from pipelines.evaluation.evaluate_recommendations import evaluate_recommendations
from pipelines.feature_table import build_table
from pipelines.ingestion import ingest_logs as ingestion
from pipelines.ingestion import simulate_log as simulation
from pipelines.monitoring import monitor as monitoring
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.promotion.select_serving_run import run_to_recommend_with
from pipelines.recommendation import recommend as recommendation
from pipelines.reporting import write_report as reporting
from pipelines.run_context import RunContext
from pipelines.training import train as training
from pipelines.verdict.who_recommends import say_who

__all__ = ["build", "evaluate", "ingest", "monitor", "publish", "recommend", "simulate", "train"]

P = ParamSpec("P")
R = TypeVar("R")


def _step(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A step as a task whose result is not cached and whose errors show no password."""

    def as_task(step: Callable[P, R]) -> Callable[P, R]:
        return task(name=name, task_run_name=name, cache_policy=NO_CACHE)(redacting(step))

    return as_task


def _context(home: str, settings: Settings) -> RunContext:
    release_memory()  # of the task before
    return RunContext(home=Home(Path(home)), settings=settings, console=Console())


@_step(name="simulate")
def simulate(home: str, settings: Settings) -> str:
    """The folder of the simulated log."""
    return str(simulation.simulate_log(_context(home, settings)))


@_step(name="ingest")
def ingest(
    home: str, settings: Settings, logs: list[str], source: str, encoding: str | None, redo: bool
) -> int:
    """The version of the impressions after the logs were taken in."""
    context = _context(home, settings)
    return ingestion.ingest_logs(context, [Path(log) for log in logs], source, encoding, redo=redo)


@_step(name="features")
def build(home: str, settings: Settings) -> int:
    """The version of the features table."""
    return build_table.build_features_table(_context(home, settings))


@_step(name="train")
def train(home: str, settings: Settings) -> str:
    """The name of the training run."""
    return training.train(_context(home, settings))


@_step(name="evaluate")
def evaluate(home: str, settings: Settings, run: str) -> str:
    """The scorecard's path."""
    context = _context(home, settings)
    evaluate_and_promote(context, run)
    return str(context.home.report / "scorecard.json")


@_step(name="monitor")
def monitor(home: str, settings: Settings, run: str) -> int:
    """The number of measures that are odd."""
    return monitoring.monitor(_context(home, settings), run)


@_step(name="recommend")
def recommend(home: str, settings: Settings) -> int:
    """The number of rows recommended; what they are worth is measured with them at hand."""
    context = _context(home, settings)
    # the champion: the run that was just trained may have been refused by the gate
    chosen = run_to_recommend_with(context)
    say_who(context, chosen.run, chosen.warnings)
    made = recommendation.write_recommendations(context, chosen.run)
    note_main_job(context)
    evaluate_recommendations(context, chosen.run, made)
    return len(made.lists.place_R)


@_step(name="report")
def publish(home: str, settings: Settings, run: str) -> str:
    """The report's path."""
    return str(reporting.write_report(_context(home, settings), run))
