"""Homes made once: a small one after every step, and a smallest one that recommends."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from data.schema.tables import IMPRESSIONS, INGESTS
from data.simulator import SimulationConfig, write_simulation
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings, load_settings
from pipelines.run_context import RunContext

if TYPE_CHECKING:
    from tests.pipelines.recommendation.worlds import Trained

SMALL = {
    "simulation": {"searches": 4_000},
    "evaluation": {"replicates": 200},
    "recommendation": {"top": 10, "candidates": 40},
    "als": {"factors": 8, "iterations": 3},
    "two_tower": {"epochs": 1, "dimension": 16, "hidden": 32},
    "lambdarank": {"max_rounds": 30, "patience": 10},
    "ranker": {"max_rounds": 20, "patience": 10},
}

# The smallest models that every stage still does its real work with.
SMALLEST = {
    "recommendation": {"top": 5, "candidates": 20},
    "two_tower": {"epochs": 1, "dimension": 8, "hidden": 16},
    "ranker": {"max_rounds": 10, "patience": 5},
}
WORLD = SimulationConfig(searches=600, listings=200, seed=7)


@pytest.fixture(scope="session")
def small_settings() -> Settings:
    return load_settings(seed=7, **SMALL)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, small_settings: Settings
) -> tuple[RunContext, str]:
    """The context of a home after every step, and the name of its run."""
    from pipelines.feature_table.build_table import build_features_table
    from pipelines.ingestion.ingest_logs import ingest_logs
    from pipelines.ingestion.simulate_log import simulate_log
    from pipelines.monitoring.monitor import monitor
    from pipelines.promotion.promote import evaluate_and_promote
    from pipelines.recommendation.recommend import recommend
    from pipelines.reporting.write_report import write_report
    from pipelines.training.train import train

    home = Home(Path(tmp_path_factory.mktemp("home")))
    context = RunContext(home=home, settings=small_settings, console=Console())
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    run = train(context)
    evaluate_and_promote(context, run)
    monitor(context, run)
    recommend(context, run)
    write_report(context, run)
    return context, run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A home with features and the two models that recommend."""
    from pipelines.feature_table.build_table import build_features_table
    from pipelines.ingestion.ingest_logs import ingest_logs
    from pipelines.training.train import train
    from tests.pipelines.recommendation.worlds import Trained

    root = Path(tmp_path_factory.mktemp("trained"))
    write_simulation(WORLD, root / "week", "parquet")
    settings = load_settings(seed=7, **SMALLEST)
    context = RunContext(home=Home(root / "home"), settings=settings, console=Console())
    ingest_logs(context, sorted((root / "week" / "log").glob("*.parquet")))
    build_features_table(context)
    run = train(context, ("two_tower", "ranker"))
    impressions = context.lake.scan(IMPRESSIONS.name).collect()
    morning = int(impressions["search_day"].max()) + 1
    return Trained(context=context, run=run, impressions=impressions, morning=morning)


@pytest.fixture(scope="session")
def recommended(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> RunContext:
    """The trained home with the lists of the morning in its table, and with MLflow's records."""
    from pipelines.recommendation.recommend import recommend
    from pipelines.tracking.relocate_home import relocate_if_moved

    context = trained.with_log(
        Path(tmp_path_factory.mktemp("recommended")) / "home", trained.impressions
    )
    # A copy: what is looked up may ask the registry, and none but the trained home's is theirs.
    shutil.copy(trained.context.home.mlflow_database, context.home.mlflow_database)
    # Copies of its models: a home may not lead out of itself, as the link to them would.
    context.home.runs.unlink()
    shutil.copytree(trained.context.home.runs, context.home.runs)
    ingests = Path("lake") / INGESTS.name
    (context.home.root / ingests).symlink_to(trained.context.home.root / ingests)
    relocate_if_moved(context.home)
    recommend(context, trained.run)
    return context
