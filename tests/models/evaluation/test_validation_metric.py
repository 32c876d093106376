"""The metric of a choice between variants."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.validation_metric import (
    validation_ndcg,
    validation_value,
    worth_weighted_ndcg,
)

# booked at rank 3, clicked at rank 1, nothing done
ROWS = pa.table(
    {
        "id_search": ["a", "a", "a", "b", "b", "c"],
        "id_listing": ["x", "y", "z", "x", "y", "x"],
        "stage": [0, 0, 3, 1, 0, 0],
    }
)
SCORES = np.array([0.9, 0.8, 0.1, 0.9, 0.1, 0.5])


def test_mean_leaves_out_searches_without_a_gain():
    assert validation_ndcg(ROWS, SCORES) == pytest.approx((0.5 + 1.0) / 2)


def test_cut_off_above_the_booking_leaves_only_the_click():
    assert validation_ndcg(ROWS, SCORES, k=2) == pytest.approx((0.0 + 1.0) / 2)


def test_search_weighs_the_worth_of_its_furthest_stage():
    assert worth_weighted_ndcg(ROWS, SCORES) == pytest.approx((0.5 + 0.01 * 1.0) / 1.01)


def test_log_without_any_gain_is_worth_nothing():
    nothing = ROWS.set_column(2, "stage", pa.array([0] * 6))
    assert validation_ndcg(nothing, SCORES) == 0.0
    assert worth_weighted_ndcg(nothing, SCORES) == 0.0
    assert validation_value(nothing, SCORES) == 0.0
    assert validation_value(nothing.slice(0, 0), SCORES[:0]) == 0.0


def test_order_of_the_rows_does_not_change_the_last_bit(rng):
    size = 3_000
    rows = pa.table(
        {
            "id_search": [f"s{i % 300}" for i in range(size)],
            "id_listing": [f"l{i}" for i in range(size)],
            "stage": rng.choice(4, size, p=(0.8, 0.1, 0.05, 0.05)),
        }
    )
    scores, turned = rng.random(size), rng.permutation(size)
    for metric in (validation_ndcg, validation_value, worth_weighted_ndcg):
        assert metric(rows, scores) == metric(rows.take(pa.array(turned)), scores[turned])
