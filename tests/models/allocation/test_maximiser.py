"""The search for the prices: where it ends, and when it stops."""

from __future__ import annotations

import numpy as np
import pytest

from models.allocation.listing_nights import contested_nights
from models.allocation.maximiser import best_prices
from models.allocation.objective import DualPoint, SmoothDual
from tests.models.allocation.worlds import crowded_day


def _dual() -> SmoothDual:
    problem = crowded_day(11)
    nights = contested_nights(problem, 0.7)
    return SmoothDual(
        value_GK=problem.value_GK,
        stays=nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G),
        examined_R=problem.examined_R,
        capacity=0.7,
        ridge=0.1,
    )


def _never(point: DualPoint) -> bool:
    return False


def test_at_the_end_no_night_would_be_priced_otherwise() -> None:
    dual = _dual()
    start_M = np.zeros(dual.stays.nights)
    point, _ = best_prices(dual, start_M, most_iterations=500, is_close=_never)
    is_priced, excess_M = point.price_M > 0, -point.gradient_M

    assert is_priced.any()
    # A night with a price is used up to its capacity, one without at most to it.
    np.testing.assert_allclose(excess_M[is_priced], 0.0, atol=1e-5)
    assert excess_M[~is_priced].max() <= 1e-5


def test_end_does_not_depend_on_the_start() -> None:
    dual = _dual()
    ends = [
        best_prices(dual, start_M, most_iterations=500, is_close=_never)[0].value
        for start_M in (np.zeros(dual.stays.nights), np.ones(dual.stays.nights))
    ]

    assert ends[0] == pytest.approx(ends[1], rel=1e-9)


def test_bound_on_the_iterations_is_kept_and_each_one_helps() -> None:
    dual = _dual()
    start_M = np.zeros(dual.stays.nights)
    values = [dual.at(start_M).value]
    for most in (1, 2, 4, 8):
        point, iterations = best_prices(dual, start_M, most_iterations=most, is_close=_never)
        assert iterations == most
        assert point.value < values[-1]
        values.append(point.value)


def test_start_that_is_close_needs_no_iteration() -> None:
    dual = _dual()
    start_M = np.full(dual.stays.nights, 0.25)
    point, iterations = best_prices(dual, start_M, most_iterations=9, is_close=lambda _: True)

    assert iterations == 0
    assert point.price_M.tolist() == start_M.tolist()


def test_search_ends_at_the_first_point_that_is_close() -> None:
    dual = _dual()
    start_M = np.zeros(dual.stays.nights)
    asked: list[float] = []

    def is_close(point: DualPoint) -> bool:
        asked.append(point.value)
        return len(asked) == 4

    point, iterations = best_prices(dual, start_M, most_iterations=99, is_close=is_close)

    assert iterations == 3
    assert point.value == asked[-1]
