"""One small home, made once: a simulated week through every step of the main job."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings, load_settings
from pipelines.run_context import RunContext

SMALL = {
    "simulation": {"searches": 4_000},
    "evaluation": {"replicates": 200},
    "recommendation": {"top": 10, "candidates": 40},
    "als": {"factors": 8, "iterations": 3},
    "two_tower": {"epochs": 1, "dimension": 16, "hidden": 32},
    "lambdarank": {"max_rounds": 30, "patience": 10},
    "ranker": {"max_rounds": 20, "patience": 10},
}


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
