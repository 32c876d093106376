"""Sums over the nights of a stay and over the stays of a night, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from models.allocation.listing_nights import ListingNights, Stays, contested_nights
from tests.models.allocation.worlds import crowded_day, day, pairs_by_night


def _all_nights(problem) -> tuple[ListingNights, Stays, dict[tuple[int, int], list[int]]]:
    held = pairs_by_night(problem)
    listing_M, night_M = np.array(sorted(held)).T
    nights = ListingNights(listing_M=listing_M, night_M=night_M)
    stays = nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G)
    return nights, stays, held


@pytest.mark.parametrize("seed", range(4))
def test_sums_and_maxima_are_over_the_nights_of_each_stay(seed: int) -> None:
    problem = crowded_day(seed)
    nights, stays, held = _all_nights(problem)
    of_night = np.random.default_rng(seed).random(len(nights))
    per_pair: dict[int, list[float]] = {}
    for amount, key in zip(of_night, sorted(held), strict=True):
        for pair in held[key]:
            per_pair.setdefault(pair, []).append(amount)
    pairs = range(problem.value_GK.size)

    sums = [sum(per_pair.get(pair, [0.0])) for pair in pairs]
    np.testing.assert_allclose(stays.sums(of_night).ravel(), sums, atol=1e-12)
    largest = [max(per_pair.get(pair, [0.0])) for pair in pairs]
    np.testing.assert_array_equal(stays.maxima(of_night).ravel(), largest)


def test_totals_are_over_the_stays_that_hold_each_night() -> None:
    problem = crowded_day(5)
    _, stays, held = _all_nights(problem)
    expected = [problem.value_GK.ravel()[held[key]].sum() for key in sorted(held)]

    np.testing.assert_allclose(stays.totals(problem.value_GK), expected, atol=1e-12)


def test_maximum_over_a_stay_of_28_nights() -> None:
    nights = ListingNights(listing_M=np.zeros(40, dtype=int), night_M=np.arange(40))
    amounts = np.random.default_rng(0).random(40)
    stays = nights.stays(np.array([[0], [0]]), np.array([3, 5]), np.array([31, 40]))

    assert stays.maxima(amounts).ravel().tolist() == [amounts[3:31].max(), amounts[5:40].max()]


def test_night_of_another_listing_is_not_held() -> None:
    nights = ListingNights(listing_M=np.array([0, 0, 1]), night_M=np.array([4, 9, 0]))
    stays = nights.stays(np.array([[0, 1, 2, -1]]), np.array([9]), np.array([40]))

    assert (stays.end_GK - stays.begin_GK).tolist() == [[1, 0, 0, 0]]


def test_only_nights_that_could_be_overbooked_are_contested() -> None:
    problem = day(
        [[0.4, 0.4], [0.4, 0.2], [0.4, 0.4]],
        [[0, 1], [0, 1], [0, 1]],
        [(2, 5), (4, 6), (4, 5)],
    )
    contested = contested_nights(problem, capacity=1.0)

    # Listing 0 in night 4: 3 · 0.4 = 1.2. Listing 1: 1.0, which is the capacity.
    assert contested.listing_M.tolist() == [0]
    assert contested.night_M.tolist() == [4]


def test_nights_beyond_the_last_and_before_the_first_are_not_contested() -> None:
    problem = day([[0.9], [0.9]], [[0], [0]], [(-3, 2), (-1, 40)], nights=3)
    contested = contested_nights(problem, capacity=1.0)

    assert contested.night_M.tolist() == [0, 1]


def test_contest_is_judged_by_the_first_places_examination() -> None:
    problem = day([[0.9], [0.9]], [[0], [0]], [(0, 1), (0, 1)], examined=(0.5, 0.1))

    assert len(contested_nights(problem, capacity=0.91)) == 0
    assert len(contested_nights(problem, capacity=0.89)) == 1
