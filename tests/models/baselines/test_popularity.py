"""Popularity, on counts that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.popularity import Popularity, PopularityConfig


def _rows(**columns: list) -> pa.Table:
    n = len(columns["id_listing"])
    rows = {"id_search": ["s"] * n, "stage": pa.array([0] * n, pa.int8())} | columns
    return pa.table(rows)


def test_popularity_counts_the_utilities_of_the_training_window() -> None:
    train = _rows(id_listing=["a", "a", "b", "c"], stage=pa.array([1, 1, 3, 0], pa.int8()))
    model = Popularity(PopularityConfig(priors=())).fit(train, train)

    assert model.variant == "utility_count"
    np.testing.assert_allclose(model.score(train), [0.02, 0.02, 1.0, 0.0])


def test_popularity_rate_is_smoothed_by_the_mean() -> None:
    train = _rows(id_listing=["a", "b", "b", "b"], stage=pa.array([3, 3, 0, 0], pa.int8()))
    model = Popularity(PopularityConfig(priors=(2.0,))).fit(train, train)
    model.variant = "utility_rate_2"
    unseen = _rows(id_listing=["a", "b", "unseen"])

    np.testing.assert_allclose(model.score(unseen), [2 / 3, 2 / 5, 0.5])


def test_popularity_keeps_the_variant_that_is_best_on_validation() -> None:
    train = _rows(
        id_listing=["a", "b"], stage=pa.array([3, 0], pa.int8()), listing_num_books_90day=[0, 9]
    )
    valid = _rows(
        id_listing=["a", "b"], stage=pa.array([0, 3], pa.int8()), listing_num_books_90day=[0, 9]
    )
    model = Popularity().fit(train, valid)

    assert model.variant == "books_90day"
    assert model.validation["books_90day"] == 1.0


def test_absent_90day_count_leaves_the_variant_out() -> None:
    rows = _rows(id_listing=["a", "b"], stage=pa.array([3, 0], pa.int8()))

    assert "books_90day" not in Popularity().fit(rows, rows).validation


def test_utilities_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="worth no less"):
        PopularityConfig(utilities=(0.0, 1.0, 0.5, 1.0))
