"""A finished home for notebooks to read: its log, its latest run, its figures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import polars as pl
import polars.selectors as cs

from data.errors import DataError
from data.schema.feature_set import FeatureSet
from data.schema.tables import FEATURES, IMPRESSIONS, QUALITY, RECOMMENDATIONS
from models.evaluation.scorecard import Scorecard
from models.recommender import Recommender
from pipelines.config.console import Console
from pipelines.config.home import DEFAULT_HOME, Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.diagnostics import read_diagnostic
from pipelines.evaluation.scorecard_view import figure, read_scorecard
from pipelines.feature_table.build_table import feature_set_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import RunRecord, load_one, read_record

__all__ = ["FinishedHome", "open_home", "rounded"]

CHECKOUT = Path(__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class FinishedHome:
    """What a notebook reads of a home.

    Attributes:
        context: home and settings.
        record: of the latest run.
        scorecard: its figures.
    """

    context: RunContext
    record: RunRecord
    scorecard: Scorecard

    @property
    def impressions(self) -> pl.LazyFrame:
        """One row per listing shown in a search."""
        return self.context.lake.scan(IMPRESSIONS.name)

    @property
    def feature_rows(self) -> pl.LazyFrame:
        """The same rows with every feature."""
        return self.context.lake.scan(FEATURES.name)

    @property
    def features(self) -> FeatureSet:
        """What the feature columns mean."""
        return feature_set_of(self.context)

    @property
    def recommendations(self) -> pl.LazyFrame:
        """One row per listing recommended to a guest."""
        return self.context.lake.scan(RECOMMENDATIONS.name)

    @property
    def quality(self) -> pl.DataFrame:
        """The ``quality`` table: one row per market, day and measure."""
        return self.context.lake.scan(QUALITY.name).collect()

    @property
    def test_days(self) -> tuple[int, int]:
        """First and last day of the test window, days since 1970."""
        return self.record.windows["test"]

    def diagnostic(self, name: str) -> pl.DataFrame:
        """A diagnostic of the run, such as ``ablation``; raises ``DataError`` where it has none."""
        frame = read_diagnostic(self.context.home, self.record.name, name)
        if frame is None:
            raise DataError(f"run {self.record.name} has no {name}; evaluate it: stayrank evaluate")
        return frame

    def model(self, name: str) -> Recommender:
        """A model of the run as it was saved."""
        return load_one(self.context, self.record, name)

    def figures(
        self, metrics: Sequence[str], segments: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Figures with their intervals: a row per segment and model, a column per metric."""
        rows = self.scorecard.table(tuple(metrics), segments=segments)
        return pd.DataFrame(
            [
                {"segment": row["segment"], "model": row["model"], "searches": row["searches"]}
                | {metric: figure(row[metric]) for metric in metrics}
                for row in rows
            ]
        )


def open_home(folder: Path | str | None = None) -> FinishedHome:
    """Open the home at ``folder``, else at ``STAYRANK_HOME``, else the default one.

    Raises ``DataError`` when it holds no finished run, saying how to make one.
    """
    root = folder or os.environ.get("STAYRANK_HOME") or CHECKOUT / DEFAULT_HOME
    context = RunContext(home=Home(Path(root)), settings=load_settings(), console=Console())
    record = read_record(context.home, context.home.latest_run().name)
    if not (context.home.report / "scorecard.json").is_file():
        raise DataError(
            f"{root} holds no scorecard yet; make one: stayrank evaluate {context.home.option}"
        )
    return FinishedHome(context=context, record=record, scorecard=read_scorecard(context.home))


def rounded(frame: pl.DataFrame, digits: int = 3) -> pd.DataFrame:
    """The frame as pandas, which notebooks print, its floats rounded."""
    return frame.with_columns(cs.float().round(digits)).to_pandas()
