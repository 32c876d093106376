"""Popularity, on counts that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.fit_record import RowsUsed
from models.baselines.popularity import Popularity, PopularityConfig
from models.evaluation.validation_metric import validation_value


def _rows(**columns: list) -> pa.Table:
    n = len(columns["id_listing"])
    rows = {"id_search": ["s"] * n, "stage": pa.array([0] * n, pa.int8())} | columns
    return pa.table(rows)


def test_popularity_counts_the_utilities_of_both_windows() -> None:
    train = _rows(id_listing=["a", "b", "c"], stage=pa.array([1, 3, 0], pa.int8()))
    valid = _rows(id_listing=["a", "d"], stage=pa.array([1, 2], pa.int8()))
    model = Popularity(PopularityConfig(priors=())).fit(train, valid)

    assert model.variant == "utility_count"
    scored = _rows(id_listing=["a", "b", "c", "d", "unseen"])
    np.testing.assert_allclose(model.score(scored), [0.02, 1.0, 0.0, 0.25, 0.0])


def test_variant_is_chosen_by_what_the_training_window_alone_taught() -> None:
    """The counts of both windows would put the booked b first; those of ``train`` do not."""
    train = _rows(
        id_listing=["a", "b"], stage=pa.array([1, 0], pa.int8()), listing_num_books_90day=[9, 0]
    )
    valid = _rows(
        id_listing=["a", "b"], stage=pa.array([0, 3], pa.int8()), listing_num_books_90day=[9, 0]
    )
    model = Popularity().fit(train, valid)

    b_first = validation_value(valid, np.array([0.0, 1.0]))
    assert all(value < b_first for value in model.validation.values())
    assert model.score(valid)[1] > model.score(valid)[0]


def test_saved_popularity_says_what_it_was_chosen_and_fitted_on(tmp_path) -> None:
    train, valid = (
        _rows(
            id_listing=["a", "b"],
            stage=pa.array([3, 0], pa.int8()),
            search_day=pa.array([day] * 2, pa.int32()),
            id_search=[f"s{day}"] * 2,
        )
        for day in (5, 6)
    )
    model = Popularity().fit(train, valid)
    model.save(tmp_path)
    record = Popularity.load(tmp_path).record

    assert record == model.record
    assert record.learnt_on == RowsUsed(rows=2, searches=1, first_day=5, last_day=5)
    assert record.chosen_on == RowsUsed(rows=2, searches=1, first_day=6, last_day=6)
    assert record.fitted_on == RowsUsed(rows=4, searches=2, first_day=5, last_day=6)
    assert record.values == model.validation


def test_popularity_rate_is_smoothed_by_the_mean() -> None:
    train = _rows(id_listing=["a", "b", "b", "b"], stage=pa.array([3, 3, 0, 0], pa.int8()))
    model = Popularity(PopularityConfig(priors=(2.0,))).fit(train, train.slice(0, 0))
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
    assert model.validation["books_90day"] == validation_value(valid, np.array([0.0, 1.0]))


def test_absent_90day_count_leaves_the_variant_out() -> None:
    rows = _rows(id_listing=["a", "b"], stage=pa.array([3, 0], pa.int8()))

    assert "books_90day" not in Popularity().fit(rows, rows).validation


def test_utilities_that_fall_are_refused() -> None:
    with pytest.raises(ValueError, match="worth no less"):
        PopularityConfig(utilities=(0.0, 1.0, 0.5, 1.0))
