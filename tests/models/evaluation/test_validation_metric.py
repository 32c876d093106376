"""The metric of a choice between variants."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.validation_metric import ndcg_per_search, validation_value
from models.stage_utilities import UTILITIES

# booked at rank 3, clicked at rank 1, nothing done
ROWS = pa.table(
    {
        "id_search": ["a", "a", "a", "b", "b", "c"],
        "id_listing": ["x", "y", "z", "x", "y", "x"],
        "stage": [0, 0, 3, 1, 0, 0],
    }
)
SCORES = np.array([0.9, 0.8, 0.1, 0.9, 0.1, 0.5])


def test_a_search_without_a_gain_has_no_ndcg() -> None:
    each = ndcg_per_search(ROWS, SCORES, utilities=UTILITIES, k=10)
    np.testing.assert_allclose(each, [0.5, 1.0, np.nan])


def test_cut_off_above_the_booking_leaves_only_the_click() -> None:
    each = ndcg_per_search(ROWS, SCORES, utilities=UTILITIES, k=2)
    np.testing.assert_allclose(each, [0.0, 1.0, np.nan])


def test_value_is_a_mean_over_the_searches_of_several_results() -> None:
    # the booking at rank 3 and the click at rank 1; the third search shows one result
    assert validation_value(ROWS, SCORES) == pytest.approx((0.5 + 1.0) / 2)


def test_log_without_any_click_is_worth_nothing() -> None:
    nothing = ROWS.set_column(2, "stage", pa.array([0] * 6))
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
    moved = validation_value(rows.take(pa.array(turned)), scores[turned])
    assert validation_value(rows, scores) == moved
