"""Simulated weeks as the main job has them: every feature, no places, labels as known then.

Beside the rows lies what orders of the test day are measured by: the worth of its clicks, as
the judge learns it from the days before, and the converged truth.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from data.schema.feature_set import FeatureSet
from models.recommender import Scores
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.row_truth import row_truth
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.feature_table.judged_rows import judge_test, with_click_worth
from pipelines.feature_table.training_rows import (
    SplitRows,
    load_rows,
    training_rows,
    windows_of,
)
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.run_context import RunContext

__all__ = ["MainJobWorld", "main_job_world"]


@dataclass(frozen=True, kw_only=True)
class MainJobWorld:
    """The rows of one simulated week, and the measures of its last day.

    Attributes:
        features: of the rows.
        rows: of the three windows, all with every feature; those of the validation day also with
            the worth of their clicks, by which models choose their variants.
        worth: what a click on each test row is worth, 0 where none came.
        truth: P(book) of each test row under every ceiling.
    """

    features: FeatureSet
    rows: SplitRows
    worth: Scores
    truth: dict[str, Scores]


def main_job_world(seed: int, searches: int, scenario: str = "default") -> MainJobWorld:
    """Simulate, ingest and build a week, in a folder that is gone afterwards."""
    settings = load_settings(seed=seed, simulation={"searches": searches, "scenario": scenario})
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(Home(Path(folder)), settings, Console())
        ingest_logs(context, [simulate_log(context)])
        build_features_table(context)
        features, rows = feature_set_of(context), _rows_of(context)
        worth, truth = judge_test(context, rows), row_truth(context, rows.test)
    if worth is None or truth is None:
        raise ValueError(f"nothing to measure orders by: {searches:,} searches are too few")
    return MainJobWorld(features=features, rows=rows, worth=worth.worth, truth=truth)


def _rows_of(context: RunContext) -> SplitRows:
    windows = windows_of(context)
    train, valid = training_rows(context, windows)
    return SplitRows(
        windows=windows,
        train=train,
        valid=with_click_worth(context, train, valid, windows),
        test=load_rows(context, windows.test),
    )
