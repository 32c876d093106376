"""The nearest examinations, against a quadratic program and against what defines a projection."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.optimize import minimize

from models.allocation.projection import onto_examinations


def _onto(wish: list[float], examined: list[float]) -> list[float]:
    projected = onto_examinations(np.array([wish]), np.array(examined))
    return projected[0].round(12).tolist()


def test_wishes_that_a_list_can_give_stay() -> None:
    assert _onto([0.2, 0.9, 0.4], [1.0, 0.5]) == [0.2, 0.9, 0.4]


def test_wishes_far_apart_get_the_places_in_their_order() -> None:
    assert _onto([3.0, 9.0, 6.0], [1.0, 0.5]) == [0.0, 1.0, 0.5]


def test_equal_wishes_share_the_places() -> None:
    assert _onto([5.0, 5.0, -1.0, 5.0], [1.0, 0.5]) == [0.5, 0.5, 0.0, 0.5]


def test_wish_below_zero_gets_nothing_and_takes_nothing() -> None:
    assert _onto([-2.0, 0.6], [1.0, 0.5]) == [0.0, 0.6]


def test_places_examined_for_sure_are_a_box_with_a_bounded_sum() -> None:
    # 0 ≤ x ≤ 1 and a sum of 2.5: each less 0.3, which keeps the first at its bound.
    assert _onto([1.4, 1.1, 1.0, 0.3, 0.2], [1.0, 1.0, 0.5]) == [1.0, 0.8, 0.7, 0.0, 0.0]


def test_fewer_candidates_than_places() -> None:
    assert _onto([4.0], [0.9, 0.5, 0.1]) == [0.9]


@pytest.mark.parametrize("seed", range(6))
def test_same_as_the_quadratic_program_over_all_subsets(seed: int) -> None:
    rng = np.random.default_rng(seed)
    wish = rng.normal(0.5, 1.0, 4)
    examined = np.sort(rng.random(3))[::-1]
    most = np.cumsum(np.append(examined, 0.0))
    subsets = [
        {"type": "ineq", "fun": lambda x, s=s: most[len(s) - 1] - x[list(s)].sum()}
        for size in range(1, 5)
        for s in combinations(range(4), size)
    ]
    program = minimize(
        lambda x: ((x - wish) ** 2).sum(),
        np.zeros(4),
        method="SLSQP",
        bounds=[(0, None)] * 4,
        constraints=subsets,
        options={"ftol": 1e-14, "maxiter": 500},
    )

    np.testing.assert_allclose(_onto(wish.tolist(), examined.tolist()), program.x, atol=1e-6)


@pytest.mark.parametrize("spread", [0.3, 3.0, 100.0])
def test_no_list_lies_further_in_the_direction_of_the_wish(spread: float) -> None:
    rng = np.random.default_rng(7)
    # More guests than a block has, many candidates beyond twice the places, and ties.
    wish = np.round(rng.normal(1.0, spread, (1_500, 60)), 1)
    examined = np.array([1.0, 0.8, 0.8, 0.3, 0.05])
    found = onto_examinations(wish, examined)

    falling = -np.sort(-found, axis=1)
    most = np.cumsum(np.append(examined, np.zeros(55)))
    assert found.min() >= 0
    assert (np.cumsum(falling, axis=1) <= most + 1e-9).all()
    # (y − x) · v is largest, among all v of the set, at v = x: that is what nearest means.
    beyond = wish - found
    furthest = (-np.sort(-np.maximum(beyond, 0.0), axis=1)[:, :5] * examined).sum(axis=1)
    np.testing.assert_allclose((beyond * found).sum(axis=1), furthest, rtol=1e-9, atol=1e-9)


def test_guest_does_not_depend_on_the_others_of_the_call() -> None:
    rng = np.random.default_rng(3)
    wish, examined = rng.normal(0, 50, (1_100, 30)), np.array([1.0, 0.6, 0.2])
    together = onto_examinations(wish, examined)
    alone = np.vstack([onto_examinations(wish[[guest]], examined) for guest in range(0, 1_100, 90)])

    np.testing.assert_allclose(together[::90], alone, atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_nobody_and_nothing(shape: tuple[int, int]) -> None:
    assert onto_examinations(np.zeros(shape), np.array([1.0])).shape == shape
