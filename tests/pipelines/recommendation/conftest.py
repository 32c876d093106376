"""One small trained home for all tests of the recommendations."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.schema.tables import IMPRESSIONS
from data.simulator import SimulationConfig, write_simulation
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.recommendation.recommend import recommended_on
from pipelines.run_context import RunContext
from pipelines.training.train import train
from tests.pipelines.recommendation.worlds import Trained, Unlike, unlike_the_others

# The smallest models that every stage still does its real work with.
SMALLEST = {
    "recommendation": {"top": 5, "candidates": 20},
    "two_tower": {"epochs": 1, "dimension": 8, "hidden": 16},
    "ranker": {"max_rounds": 10, "patience": 5},
}
WORLD = SimulationConfig(searches=600, listings=200, seed=7)


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A home with features and the two models that recommend."""
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
def unlike(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Unlike:
    """The same home with a guest for each edge case, and the lists of the morning."""
    root = Path(tmp_path_factory.mktemp("unlike")) / "home"
    context = trained.with_log(root, unlike_the_others(trained), exposure=False)
    return Unlike(context=context, made=recommended_on(context, trained.run, trained.morning))
