"""The listing prior, and the settings of the retriever."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import polars.testing
import pyarrow as pa
import pytest

from data.schema.tables import SCORES
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.recommendation.candidate_retrieval import listing_prior, read_prior, retriever_config
from pipelines.run_context import RunContext

Finished = tuple[RunContext, str]


def test_the_prior_of_a_listing_is_its_mean_score() -> None:
    rows = pa.table({"id_listing": ["b", "a", "b"]})
    prior = listing_prior(rows, np.array([1.0, 5.0, 2.0]))
    assert prior.rows() == [("a", 5.0, 1), ("b", 1.5, 2)]


def test_evaluation_keeps_the_rankers_mean_score_of_each_listing(finished: Finished) -> None:
    context, run = finished
    prior = read_prior(context.home, run)
    assert prior is not None
    ranker = context.lake.scan(SCORES.name).filter(model="ranker")
    expected = ranker.group_by("id_listing").agg(
        prior=pl.col("score").mean(), impressions=pl.len().cast(pl.Int64)
    )
    pl.testing.assert_frame_equal(prior, expected.sort("id_listing").collect())


def test_a_run_that_was_never_evaluated_has_no_prior(tmp_path: Path) -> None:
    assert read_prior(Home(tmp_path), "2026-01-01") is None


def test_an_unknown_retrieval_setting_is_refused(tmp_path: Path) -> None:
    settings = load_settings(retrieval={"new_bonuses": 1.0})
    context = RunContext(home=Home(tmp_path), settings=settings, console=Console())
    with pytest.raises(SettingsError, match="new_bonuses"):
        retriever_config(context)
