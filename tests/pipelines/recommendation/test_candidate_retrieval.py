"""The listing prior, the retriever of a day, and its settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.feature_table.arrow_conversion import arrow, frame_of
from pipelines.recommendation.candidate_retrieval import (
    listing_prior,
    retriever_config,
    retriever_of,
)
from pipelines.run_context import RunContext
from tests.pipelines.recommendation.worlds import Unlike


def test_the_prior_of_a_listing_is_its_mean_score() -> None:
    rows = pa.table({"id_listing": ["b", "a", "b"]})
    prior = listing_prior(rows, np.array([1.0, 5.0, 2.0]))
    assert prior.rows() == [("a", 5.0, 1), ("b", 1.5, 2)]


def test_what_a_listing_is_worth_brings_it_forward(unlike: Unlike) -> None:
    source = unlike.made.source
    # So heavy that the towers have no say.
    heavy = unlike.context.settings.model_copy(
        update={"retrieval": {"prior_weight": 1_000.0, "new_bonus": 0.0}}
    )
    context = replace(unlike.context, settings=heavy)
    value_L = np.random.default_rng(0).permutation(source.catalogue.height).astype(float)
    values = dict(zip(source.catalogue["id_listing"], value_L, strict=True))
    # Two markets have listings of one id here, whose prior is that of the first.
    twice = source.catalogue["id_listing"].is_duplicated()
    retriever = retriever_of(context, source, unlike.made.serving, value_L)
    queries = source.queries.filter(pl.col("market") == "rio_de_janeiro")
    found = frame_of(retriever.retrieve(arrow(queries), 5))
    assert found["id_search"].n_unique() > 20
    order = found.with_columns(value=pl.col("id_listing").replace_strict(values))
    for (_, *_), of_search in order.group_by("id_search"):
        assert of_search.sort("rank")["value"].is_sorted(descending=True)
    assert twice.any()


def test_an_unknown_retrieval_setting_is_refused(tmp_path: Path) -> None:
    settings = load_settings(retrieval={"new_bonuses": 1.0})
    context = RunContext(home=Home(tmp_path), settings=settings, console=Console())
    with pytest.raises(SettingsError, match="new_bonuses"):
        retriever_config(context)
