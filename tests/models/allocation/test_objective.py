"""The dual: by hand, its gradient against differences, and that it bounds every plan."""

from __future__ import annotations

import numpy as np
import pytest

from models.allocation import AllocationProblem
from models.allocation.listing_nights import contested_nights
from models.allocation.objective import SmoothDual
from tests.models.allocation.worlds import crowded_day, day, exact_bookings

CAPACITY = 0.7


def _dual(problem: AllocationProblem, ridge: float = 0.1) -> SmoothDual:
    nights = contested_nights(problem, CAPACITY)
    return SmoothDual(
        value_GK=problem.value_GK,
        stays=nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G),
        examined_R=problem.examined_R,
        capacity=CAPACITY,
        ridge=ridge,
    )


def test_two_guests_and_one_night_by_hand() -> None:
    dual = _dual(day([[0.6, 0.5], [0.6, 0.2]], [[0, 1], [0, 2]], [(3, 4), (3, 4)]))
    point = dual.at(np.array([0.2]))

    # Worth 0.48 and 0.5 to the first guest: 8 and 8.33 over ridge · 0.6 = 0.06, so that one
    # place is shared as 1/3 and 2/3. The second guest takes listing 0 whole.
    np.testing.assert_allclose(point.examination_GK, [[1 / 3, 2 / 3], [1.0, 0.0]], atol=1e-12)
    assert point.gradient_M == pytest.approx([0.7 - 0.6 * (1 / 3 + 1)])
    first = 0.48 / 3 + 0.5 * 2 / 3 - 0.03 * (1 / 9 + 4 / 9)
    assert point.value == pytest.approx(0.7 * 0.2 + first + 0.48 - 0.03)


def test_feasible_plan_divides_by_the_largest_excess() -> None:
    dual = _dual(day([[0.6], [0.6]], [[0], [0]], [(3, 5), (4, 6)]))
    point = dual.at(np.zeros(1))

    assert point.gradient_M.tolist() == pytest.approx([0.7 - 1.2])
    np.testing.assert_allclose(dual.feasible(point), [[7 / 12], [7 / 12]])


@pytest.mark.parametrize("seed", range(3))
def test_gradient_is_the_slope_of_the_value(seed: int) -> None:
    dual = _dual(crowded_day(seed))
    rng, step = np.random.default_rng(seed), 1e-6
    price_M = rng.random(dual.stays.nights) * 0.4
    slopes = []
    for night in range(dual.stays.nights):
        shift = np.zeros_like(price_M)
        shift[night] = step
        rise = dual.at(price_M + shift).value - dual.at(price_M - shift).value
        slopes.append(rise / (2 * step))

    np.testing.assert_allclose(dual.at(price_M).gradient_M, slopes, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_any_prices_bound_every_plan_within_the_capacity(seed: int) -> None:
    problem = crowded_day(seed)
    dual, rng = _dual(problem), np.random.default_rng(seed)
    best = exact_bookings(problem, CAPACITY)
    for _ in range(20):
        point = dual.at(rng.random(dual.stays.nights) * rng.random())
        plan_GK = dual.feasible(point)
        use_M = dual.stays.totals(problem.value_GK * plan_GK)

        assert use_M.max() <= CAPACITY * (1 + 1e-12)
        assert dual.worth(plan_GK) <= point.value
        assert dual.bookings(plan_GK) <= best + 1e-9
        assert best <= dual.most_bookings(point.price_M) + 1e-9


def test_guest_to_whom_nothing_is_worth_anything_examines_nothing() -> None:
    problem = day([[0.9, 0.1], [0.9, 0.0], [0.0, 0.0]], [[0, 1], [0, -1], [0, 1]], [(0, 1)] * 3)

    assert _dual(problem).at(np.zeros(1)).examination_GK[2].tolist() == [0.0, 0.0]
