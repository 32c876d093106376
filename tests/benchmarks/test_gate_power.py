"""The gate's rates: challengers of the worth that was asked for, guests drawn with all they did."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Day = Any


@pytest.fixture(scope="module")
def gate_power(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("gate_power")


@pytest.fixture(scope="module")
def day(gate_power: ModuleType) -> Day:
    return gate_power.test_day(1_500, 3, 1)


@pytest.mark.parametrize("factor", [1.0, 1.05])
def test_challenger_has_the_worth_that_was_asked_for(
    gate_power: ModuleType, day: Day, factor: float
) -> None:
    noise = np.random.default_rng(0).normal(size=len(day.known))
    best = gate_power.expected_bookings(day, day.known)
    worth = 0.8 * best * factor
    scores = gate_power.scores_of_worth(day, noise, worth)
    # as near as one swap of two rows
    assert gate_power.expected_bookings(day, scores) == pytest.approx(worth, rel=0.005)


def test_guests_are_drawn_with_all_their_searches_and_rows(
    gate_power: ModuleType, day: Day
) -> None:
    window = gate_power.drawn_window(day, np.random.default_rng(0))
    of_row = np.repeat(day.guest, day.sizes)
    rows_of_guest = np.bincount(of_row, minlength=day.guests)
    drawn = np.asarray(window.rows["id_user"].cast("int64"))
    assert len(np.unique(drawn)) == day.guests
    for number in np.unique(drawn)[:20]:
        guests = np.unique(of_row[window.drawn[drawn == number]])
        assert len(guests) == 1
        assert (drawn == number).sum() == rows_of_guest[guests[0]]


def test_outcomes_come_as_often_as_the_truth_says(gate_power: ModuleType, day: Day) -> None:
    rng = np.random.default_rng(0)
    everything = np.tile(np.arange(len(day.known)), 200)
    stage = gate_power._stages(day, everything, rng)
    for reached, name in ((1, "click"), (3, "book")):
        expected = 200 * float(day.chances[name] @ day.examined)
        assert (stage >= reached).sum() == pytest.approx(expected, abs=5 * expected**0.5)


def test_runs_of_rows_stand_one_after_the_other(gate_power: ModuleType) -> None:
    assert gate_power._ranges(np.array([5, 0]), np.array([2, 3])).tolist() == [5, 6, 0, 1, 2]
