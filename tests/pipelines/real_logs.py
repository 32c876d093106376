"""Real logs of ``../shared/data`` through every step, for tests that look at what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.recommendation.recommend import recommend
from pipelines.reporting.write_report import write_report
from pipelines.run_context import RunContext
from pipelines.training.train import train

__all__ = ["SHARED", "judged_home"]

SHARED = Path(__file__).parents[3] / "shared" / "data"


def judged_home(
    folder: Path, settings: Settings, sample: Path, source: str
) -> tuple[RunContext, str]:
    """A home from the ingest of ``sample`` to its report, and its run; skips without the sample."""
    if not sample.is_file():
        pytest.skip(f"the sample is not here: ../shared/data/{sample.parent.name} is absent")
    context = RunContext(home=Home(folder), settings=settings, console=Console())
    ingest_logs(context, [sample], source)
    build_features_table(context)
    run = train(context)
    evaluate_and_promote(context, run)
    recommend(context, run)
    write_report(context, run)
    return context, run
