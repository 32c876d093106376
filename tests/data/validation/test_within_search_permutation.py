"""The permutation test: figures to check by hand, and p-values that are those of chance."""

from __future__ import annotations

import numpy as np
import pytest

from data.validation import within_search_permutation
from data.validation.within_search_permutation import earlier_than_chance


def _log(*searches: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """The rows of these searches, each a list of 0 (shown) and 1 (acted on)."""
    code = np.repeat(np.arange(len(searches)), [len(s) for s in searches])
    return code, np.concatenate([np.array(s, dtype=bool) for s in searches])


def test_mean_place_is_among_the_rows_below_the_first() -> None:
    # places of two rows below the first: 1/4 and 3/4; of four: 1/8, 3/8, 5/8, 7/8
    test = earlier_than_chance(*_log([0, 1, 0], [0, 0, 1, 1, 0]))
    assert (test.searches, test.acted) == (2, 3)
    assert test.mean_place == pytest.approx((1 / 4 + 3 / 8 + 5 / 8) / 3)


@pytest.mark.parametrize(
    "search",
    [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1], [0, 1], [0]],
    ids=["first acted", "first two", "none", "all below", "nothing to compare", "one row"],
)
def test_search_that_cannot_tell_is_set_aside(search: list[int]) -> None:
    test = earlier_than_chance(*_log(search))
    assert (test.searches, test.p_value) == (0, 1.0)
    both = earlier_than_chance(*_log(search, [0, 1, 0]))
    assert (both.searches, both.mean_place) == (1, 0.25)


def test_no_rows() -> None:
    assert earlier_than_chance(*_log([])).searches == 0


@pytest.mark.parametrize("drawn_searches", [30, 0], ids=["drawn", "normal"])
def test_p_value_is_near_the_exact_one(monkeypatch, drawn_searches: int) -> None:
    monkeypatch.setattr(within_search_permutation, "DRAWN_SEARCHES", drawn_searches)
    # three searches with one of four below the first: 4³ equally likely sums of places
    places = (np.arange(4) + 0.5) / 4
    sums = np.add.outer(np.add.outer(places, places), places).ravel()
    test = earlier_than_chance(*_log([0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 1, 0, 0, 0]))
    exact = (sums <= 3 * test.mean_place + 1e-9).mean()
    assert exact == 4 / 64
    # the normal one has no correction for the steps of a sum so short
    assert test.p_value == pytest.approx(exact, abs=0.015 if drawn_searches else 0.04)


def test_same_rows_give_the_same_p_value() -> None:
    log = _log(*[[0, 0, 1, 0, 0, 1]] * 30)
    assert earlier_than_chance(*log) == earlier_than_chance(*log)


@pytest.mark.parametrize("searches", [20, 260], ids=["drawn", "normal"])
def test_p_values_of_shuffled_rows_are_those_of_chance(searches: int) -> None:
    rng = np.random.default_rng(11)
    p_values = []
    for _ in range(200):
        rows = [rng.permutation([1] * int(rng.integers(1, 4)) + [0] * 5) for _ in range(searches)]
        p_values.append(earlier_than_chance(*_log(*rows)).p_value)
    for level in (0.05, 0.25, 0.5, 0.75):
        share = float(np.mean(np.array(p_values) <= level))
        # four standard deviations of a share of 200
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 200)
