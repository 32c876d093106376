"""Small days of guests, and the exact plan of one by a linear program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import linprog

from models.allocation import AllocationProblem


def day(
    value: list[list[float]],
    listing: list[list[int]],
    stays: list[tuple[int, int]],
    *,
    examined: tuple[float, ...] = (1.0,),
    nights: int = 30,
) -> AllocationProblem:
    """Guests written out: values and listings per guest, (check-in, check-out) per guest."""
    first, end = zip(*stays, strict=True)
    return AllocationProblem(
        value_GK=np.array(value, dtype=np.float64),
        listing_GK=np.array(listing, dtype=np.int64),
        first_night_G=np.array(first),
        end_night_G=np.array(end),
        examined_R=np.array(examined),
        nights=nights,
    )


def crowded_day(
    seed: int,
    *,
    guests: int = 30,
    candidates: int = 6,
    listings: int = 9,
    nights: int = 8,
    examined: tuple[float, ...] = (1.0, 0.7, 0.4),
) -> AllocationProblem:
    """Random guests with stays of 0 to 5 nights, for whom the best listings do not suffice."""
    rng = np.random.default_rng(seed)
    appeal = rng.uniform(0.05, 0.5, listings)
    listing_GK = np.array([rng.choice(listings, candidates, replace=False) for _ in range(guests)])
    value_GK = appeal[listing_GK] * rng.uniform(0.5, 1.0, listing_GK.shape)
    is_absent = rng.random(listing_GK.shape) < 0.1
    first = rng.integers(0, nights, guests)
    return AllocationProblem(
        value_GK=np.where(is_absent, 0.0, value_GK),
        listing_GK=np.where(is_absent, -1, listing_GK),
        first_night_G=first,
        end_night_G=first + rng.integers(0, 6, guests),
        examined_R=np.array(examined),
        nights=nights,
    )


def of_guests(problem: AllocationProblem, guests: np.ndarray) -> AllocationProblem:
    """The same day with the guests in another order, or with some of them."""
    return replace(
        problem,
        value_GK=problem.value_GK[guests],
        listing_GK=problem.listing_GK[guests],
        first_night_G=problem.first_night_G[guests],
        end_night_G=problem.end_night_G[guests],
    )


def pairs_by_night(problem: AllocationProblem) -> dict[tuple[int, int], list[int]]:
    """The pairs, as guest · K + candidate, that hold each night of a listing."""
    held: dict[tuple[int, int], list[int]] = {}
    guests, candidates = problem.listing_GK.shape
    for guest in range(guests):
        stay = range(problem.first_night_G[guest], problem.end_night_G[guest])
        for candidate in range(candidates):
            listing = int(problem.listing_GK[guest, candidate])
            for night in stay:
                if listing >= 0 and 0 <= night < problem.nights:
                    held.setdefault((listing, night), []).append(guest * candidates + candidate)
    return held


def exact_bookings(problem: AllocationProblem, capacity: float) -> float:
    """Most expected bookings of a plan; HiGHS finds the chance z of each pair at each place."""
    guests, candidates = problem.value_GK.shape
    value, examined = problem.value_GK.ravel(), problem.examined_R
    places, pairs = len(examined), guests * candidates
    z = np.arange(pairs * places).reshape(guests, candidates, places)
    limits: list[tuple[np.ndarray, np.ndarray, float]] = []
    for held in pairs_by_night(problem).values():
        rows = z.reshape(pairs, places)[held]
        limits.append((rows.ravel(), np.outer(value[held], examined).ravel(), capacity))
    limits += [(of_pair, np.ones(places), 1.0) for of_pair in z.reshape(pairs, places)]
    of_places = z.transpose(0, 2, 1).reshape(-1, candidates)
    limits += [(of_place, np.ones(candidates), 1.0) for of_place in of_places]
    matrix = np.zeros((len(limits), z.size))
    for row, (columns, factors, _) in enumerate(limits):
        matrix[row, columns] = factors
    most = [limit for _, _, limit in limits]
    found = linprog(-np.kron(value, examined), A_ub=matrix, b_ub=most, method="highs")
    assert found.status == 0, found.message
    return float(-found.fun)


def exact_box_bookings(problem: AllocationProblem, capacity: float, sum_of_list: float) -> float:
    """The same where a pair's examination is from 0 to 1 and a guest's sum is bounded."""
    guests, candidates = problem.value_GK.shape
    value = problem.value_GK.ravel()
    held_by = list(pairs_by_night(problem).values())
    matrix = np.zeros((len(held_by) + guests, value.size))
    for row, held in enumerate(held_by):
        matrix[row, held] = value[held]
    matrix[len(held_by) :] = np.kron(np.eye(guests), np.ones(candidates))
    most = np.concatenate([np.full(len(held_by), capacity), np.full(guests, sum_of_list)])
    found = linprog(-value, A_ub=matrix, b_ub=most, bounds=(0, 1), method="highs")
    assert found.status == 0, found.message
    return float(-found.fun)
