"""The steps as Prefect tasks.

Tasks hand each other names and versions, never frames: Prefect keeps what passes between
tasks in memory. No task result is cached: the steps themselves know what is up to date.
"""

from __future__ import annotations

from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.memory import release_memory
from pipelines.config.settings import Settings
from pipelines.evaluation.evaluate_recommendations import evaluate_recommendations
from pipelines.feature_table import build_table
from pipelines.ingestion import ingest_logs as ingestion
from pipelines.ingestion import simulate_log as simulation
from pipelines.monitoring import monitor as monitoring
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.recommendation import recommend as recommendation
from pipelines.reporting import write_report as reporting
from pipelines.run_context import RunContext
from pipelines.training import train as training

__all__ = ["build", "evaluate", "ingest", "monitor", "publish", "recommend", "simulate", "train"]


def _context(home: str, settings: Settings) -> RunContext:
    release_memory()  # of the task before
    return RunContext(home=Home(Path(home)), settings=settings, console=Console())


@task(name="simulate", cache_policy=NO_CACHE)
def simulate(home: str, settings: Settings) -> str:
    """The folder of the simulated log."""
    return str(simulation.simulate_log(_context(home, settings)))


@task(name="ingest", cache_policy=NO_CACHE)
def ingest(
    home: str, settings: Settings, logs: list[str], source: str, encoding: str | None, redo: bool
) -> int:
    """The version of the impressions after the logs were taken in."""
    context = _context(home, settings)
    return ingestion.ingest_logs(context, [Path(log) for log in logs], source, encoding, redo=redo)


@task(name="features", cache_policy=NO_CACHE)
def build(home: str, settings: Settings) -> int:
    """The version of the features table."""
    return build_table.build_features_table(_context(home, settings))


@task(name="train", cache_policy=NO_CACHE)
def train(home: str, settings: Settings) -> str:
    """The name of the training run."""
    return training.train(_context(home, settings))


@task(name="evaluate", cache_policy=NO_CACHE)
def evaluate(home: str, settings: Settings, run: str) -> str:
    """The scorecard's path."""
    context = _context(home, settings)
    evaluate_and_promote(context, run)
    return str(context.home.report / "scorecard.json")


@task(name="monitor", cache_policy=NO_CACHE)
def monitor(home: str, settings: Settings, run: str) -> int:
    """The number of measures that are odd."""
    return monitoring.monitor(_context(home, settings), run)


@task(name="recommend", cache_policy=NO_CACHE)
def recommend(home: str, settings: Settings, run: str) -> int:
    """The number of rows recommended; what they are worth is measured with them at hand."""
    context = _context(home, settings)
    made = recommendation.write_recommendations(context, run)
    evaluate_recommendations(context, run, made)
    return len(made.lists.place_R)


@task(name="report", cache_policy=NO_CACHE)
def publish(home: str, settings: Settings, run: str) -> str:
    """The report's path."""
    return str(reporting.write_report(_context(home, settings), run))
