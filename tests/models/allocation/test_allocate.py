"""Lists for all guests together: on days that can be checked by hand, and beside HiGHS."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.allocation import (
    Allocation,
    AllocationConfig,
    AllocationProblem,
    NightPrices,
    allocate,
)
from models.allocation.listing_nights import contested_nights
from tests.models.allocation.worlds import (
    crowded_day,
    day,
    exact_bookings,
    exact_box_bookings,
    of_guests,
)

EXACT = AllocationConfig(tolerance=1e-6, most_iterations=1_000)
FINE = replace(EXACT, ridge=0.002, tolerance=1e-5)


def _orders(allocation: Allocation) -> list[list[int]]:
    return np.argsort(-allocation.worth_GK, axis=1, kind="stable").tolist()


def _use_of_lists(problem: AllocationProblem, worth_GK: np.ndarray) -> np.ndarray:
    """Expected bookings of each contested night when lists are in the order of worth."""
    order = np.argsort(-worth_GK, axis=1, kind="stable")[:, : len(problem.examined_R)]
    examination_GK = np.zeros(worth_GK.shape)
    np.put_along_axis(examination_GK, order, problem.examined_R[None, :], axis=1)
    stays = contested_nights(problem, EXACT.capacity).stays(
        problem.listing_GK, problem.first_night_G, problem.end_night_G
    )
    return stays.totals(problem.value_GK * examination_GK)


def test_guest_with_a_good_alternative_leaves_the_night_to_the_other() -> None:
    problem = day([[0.6, 0.5], [0.6, 0.2]], [[0, 1], [0, 2]], [(3, 4), (3, 4)])

    assert _orders(allocate(problem, EXACT)) == [[1, 0], [0, 1]]


def test_guest_who_shares_only_one_night_of_several_is_moved_as_well() -> None:
    problem = day([[0.6, 0.55], [0.6, 0.2]], [[0, 1], [0, 2]], [(0, 6), (5, 9)])
    allocation = allocate(problem, EXACT)

    assert allocation.prices.night_M.tolist() == [5]
    assert _orders(allocation) == [[1, 0], [0, 1]]


def test_long_stay_pays_for_every_contested_night_it_holds() -> None:
    # Each of four nights is wanted by one guest alone, and all of them by the guest of 28 nights.
    short = [(night, night + 1) for night in (2, 9, 16, 23)]
    problem = day([[0.5]] * 4 + [[0.5]], [[0]] * 5, [*short, (0, 28)])
    allocation = allocate(problem, EXACT)

    assert allocation.prices.night_M.tolist() == [2, 9, 16, 23]
    assert allocation.worth_GK[4, 0] < allocation.worth_GK[:4].min()
    assert allocation.worth_GK[4, 0] == pytest.approx(0.5 * (1 - allocation.prices.price_M.sum()))


def test_stay_that_takes_more_than_it_brings_has_worth_below_zero_and_stands_last() -> None:
    nights = range(5)
    rivals = [[0.7, 0.0]] * 10
    problem = day(
        [*rivals, [0.6, 0.01]],
        [[0, -1]] * 10 + [[0, 1]],
        [(night, night + 1) for night in nights for _ in range(2)] + [(0, 5)],
    )
    allocation = allocate(problem, EXACT)

    assert allocation.worth_GK[10, 0] < 0
    assert _orders(allocation)[10] == [1, 0]


def test_without_a_contest_worth_is_the_own_value() -> None:
    problem = day([[0.3, 0.2], [0.3, 0.1]], [[0, 1], [0, 2]], [(3, 6), (3, 6)], examined=(1.0, 0.5))
    allocation = allocate(problem, EXACT)

    assert len(allocation.prices) == 0
    np.testing.assert_array_equal(allocation.worth_GK, problem.value_GK)
    assert allocation.certificate.iterations == 0
    assert allocation.certificate.gap == 0
    # 0.3 + 0.2 / 2, and 0.3 + 0.1 / 2.
    assert allocation.certificate.bookings == pytest.approx(0.75)
    assert allocation.certificate.most_bookings == pytest.approx(0.75)


def test_guests_without_dates_take_no_night_and_pay_none() -> None:
    dated = [[0.6, 0.5], [0.6, 0.2]]
    problem = day(
        [*dated, [0.9, 0.1], [0.9, 0.1]],
        [[0, 1], [0, 2], [0, 1], [0, 1]],
        [(3, 4), (3, 4), (3, 3), (0, 0)],
    )
    allocation = allocate(problem, EXACT)
    without = allocate(of_guests(problem, np.array([0, 1])), EXACT)

    np.testing.assert_array_equal(allocation.worth_GK[2:], problem.value_GK[2:])
    np.testing.assert_allclose(allocation.prices.price_M, without.prices.price_M, atol=1e-4)


def test_stay_longer_than_the_horizon_holds_the_nights_within_it() -> None:
    problem = day([[0.6, 0.5], [0.6, 0.2]], [[0, 1], [0, 2]], [(-5, 90), (2, 28)], nights=4)
    allocation = allocate(problem, EXACT)

    assert set(allocation.prices.night_M.tolist()) <= {2, 3}
    assert _orders(allocation) == [[1, 0], [0, 1]]


def test_night_that_everybody_wants_equally_is_not_oversold_by_the_plan() -> None:
    problem = day([[0.5, 0.4]] * 6, [[0, 1]] * 6, [(1, 3)] * 6)
    certificate = allocate(problem, FINE).certificate

    # Both listings are full: twice the capacity.
    assert certificate.bookings == pytest.approx(1.4, rel=1e-4)
    assert certificate.most_bookings == pytest.approx(1.4, rel=1e-2)


def test_one_guest_with_one_candidate() -> None:
    allocation = allocate(day([[0.9]], [[4]], [(0, 2)]), EXACT)

    # Even a single guest may not book one night with more than the capacity of 0.7.
    assert allocation.certificate.bookings == pytest.approx(0.7, abs=1e-5)
    assert set(allocation.prices.listing_M.tolist()) == {4}


@pytest.mark.parametrize(
    "problem",
    [
        of_guests(crowded_day(0), np.zeros(0, dtype=np.int64)),
        replace(
            crowded_day(0),
            value_GK=np.zeros((30, 0)),
            listing_GK=np.zeros((30, 0), dtype=np.int64),
        ),
        day([[0.0, 0.0]], [[-1, -1]], [(0, 3)]),
        day([[0.0, 0.0]], [[0, 1]], [(0, 3)]),
    ],
    ids=["no guest", "no column", "no candidate", "no value"],
)
def test_nothing_to_allocate(problem: AllocationProblem) -> None:
    allocation = allocate(problem, EXACT)

    assert allocation.worth_GK.shape == problem.value_GK.shape
    assert not allocation.worth_GK.any()
    assert len(allocation.prices) == 0
    assert allocation.certificate.bookings == 0
    assert allocation.certificate.gap == 0


@pytest.mark.parametrize("seed", range(6))
def test_plan_is_as_near_the_linear_program_as_the_ridge_allows(seed: int) -> None:
    problem = crowded_day(seed)
    exact = exact_bookings(problem, FINE.capacity)
    found = allocate(problem, FINE).certificate

    assert found.bookings <= exact * (1 + 1e-9)
    assert exact <= found.most_bookings * (1 + 1e-9)
    # The linear program's plan pays a ridge of at most ridge/2 · Σ s_i |examined|².
    squares = (problem.examined_R**2).sum()
    ridge = FINE.ridge / 2 * problem.value_GK.max(axis=1).sum() * squares
    assert found.bookings >= exact - ridge - found.gap * found.dual
    assert ridge < 0.005 * exact
    assert found.gap <= FINE.tolerance


def test_smaller_ridge_comes_nearer_to_the_linear_program() -> None:
    problem = crowded_day(2)
    exact = exact_bookings(problem, EXACT.capacity)
    short = [
        exact - allocate(problem, replace(EXACT, ridge=ridge)).certificate.bookings
        for ridge in (1.0, 0.1, 0.01)
    ]

    assert short[0] > short[1] > short[2] >= -1e-9


@pytest.mark.parametrize("seed", range(3))
def test_places_examined_for_sure_give_the_box_with_a_bounded_sum(seed: int) -> None:
    problem = crowded_day(seed, examined=(1.0, 1.0, 0.5))
    exact = exact_box_bookings(problem, FINE.capacity, sum_of_list=2.5)

    assert allocate(problem, FINE).certificate.bookings == pytest.approx(exact, rel=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_lists_by_worth_ask_less_of_the_most_wanted_night(seed: int) -> None:
    problem = crowded_day(seed, guests=200, candidates=12, listings=40, nights=20)
    allocation = allocate(problem, replace(EXACT, ridge=0.05))
    by_value = _use_of_lists(problem, problem.value_GK)
    by_worth = _use_of_lists(problem, allocation.worth_GK)

    assert np.maximum(by_worth - 0.7, 0).sum() < 0.2 * np.maximum(by_value - 0.7, 0).sum()


def test_prices_of_the_last_search_need_fewer_iterations_for_the_same_value() -> None:
    problem = crowded_day(4, guests=120, listings=20)
    changed = replace(problem, value_GK=problem.value_GK * 0.99)
    before = allocate(problem, EXACT)
    cold, warm = allocate(changed, EXACT), allocate(changed, EXACT, before.prices)

    assert 0 < warm.certificate.iterations < cold.certificate.iterations
    assert warm.certificate.dual == pytest.approx(cold.certificate.dual, rel=2e-6)


def test_the_same_prices_again_need_no_iteration() -> None:
    problem = crowded_day(4)
    first = allocate(problem, EXACT)
    again = allocate(problem, EXACT, first.prices)

    assert first.certificate.iterations > 0
    assert again.certificate.iterations == 0
    np.testing.assert_array_equal(again.worth_GK, first.worth_GK)


def test_prices_by_way_of_the_table_serve_the_next_day() -> None:
    today, ids = crowded_day(4), pa.array([f"l{i}" for i in range(9)])
    # The same nights, counted from a first day that was a day earlier.
    yesterday = replace(
        today,
        first_night_G=today.first_night_G + 1,
        end_night_G=today.end_night_G + 1,
        nights=today.nights + 1,
    )
    table = allocate(yesterday, EXACT).prices.to_table(ids)
    known = NightPrices.from_table(table, ids, days_later=1)

    assert allocate(today, EXACT).certificate.iterations > 0
    assert allocate(today, EXACT, known).certificate.iterations == 0


def test_start_prices_of_other_nights_do_no_harm() -> None:
    problem = crowded_day(4)
    other = NightPrices(
        listing_M=np.array([3, 77]), night_M=np.array([900, 0]), price_M=np.array([9.0, 0.5])
    )
    assert allocate(problem, EXACT, other).certificate == allocate(problem, EXACT).certificate


def test_start_price_above_1_counts_as_1() -> None:
    problem = day([[0.6, 0.5], [0.6, 0.2]], [[0, 1], [0, 2]], [(3, 4), (3, 4)])
    at = {"listing_M": np.array([0]), "night_M": np.array([3])}
    high, one = (
        allocate(problem, EXACT, NightPrices(**at, price_M=np.array([price])))
        for price in (9.0, 1.0)
    )
    assert high.certificate == one.certificate


def test_order_of_the_guests_does_not_matter() -> None:
    problem = crowded_day(8, guests=80)
    shuffled = np.random.default_rng(0).permutation(80)
    first, second = allocate(problem, EXACT), allocate(of_guests(problem, shuffled), EXACT)

    assert second.certificate.dual == pytest.approx(first.certificate.dual, rel=2e-6)
    np.testing.assert_allclose(second.worth_GK, first.worth_GK[shuffled], atol=1e-3)


def test_order_of_the_candidates_does_not_matter() -> None:
    problem = crowded_day(8)
    back = replace(
        problem, value_GK=problem.value_GK[:, ::-1], listing_GK=problem.listing_GK[:, ::-1]
    )
    first, second = allocate(problem, EXACT), allocate(back, EXACT)

    np.testing.assert_allclose(second.worth_GK[:, ::-1], first.worth_GK, atol=1e-3)


def test_same_input_gives_the_same_bits() -> None:
    problem = crowded_day(9, guests=100)
    first, second = allocate(problem, EXACT), allocate(problem, EXACT)

    np.testing.assert_array_equal(first.worth_GK, second.worth_GK)
    assert first.certificate == second.certificate


def test_bound_on_the_iterations_leaves_an_honest_gap() -> None:
    problem = crowded_day(2)
    short = allocate(problem, replace(EXACT, most_iterations=2)).certificate
    whole = allocate(problem, EXACT).certificate

    assert short.iterations == 2
    assert short.gap > EXACT.tolerance >= whole.gap
    assert short.primal <= whole.dual
    assert whole.primal <= short.dual


@pytest.mark.parametrize(
    "setting",
    [
        {"capacity": 0.0},
        {"capacity": float("nan")},
        {"ridge": 0.0},
        {"ridge": float("inf")},
        {"most_iterations": 0},
        {"tolerance": 1.0},
        {"tolerance": -0.1},
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"AllocationConfig: \w+ = .*: must be "):
        AllocationConfig(**setting)
