"""The calendar: a night has one guest, and leaves the results the day after its booking."""

from __future__ import annotations

import numpy as np
import pytest

from data.simulator import SimulationConfig
from data.simulator.availability import Calendar
from data.simulator.listings import draw_catalogue

CONFIG = SimulationConfig(searches=10, listings=200)
DAY = CONFIG.first_day


@pytest.fixture
def calendar() -> Calendar:
    return Calendar(CONFIG, draw_catalogue(CONFIG))


@pytest.fixture
def free(calendar: Calendar) -> int:
    """A listing whose first thirty nights nobody has booked before the log."""
    return int(np.flatnonzero(calendar.busy_before[:, 30] == 0)[0])


def _shown(calendar: Calendar, listing: int, checkin: int, nights: int) -> bool:
    stay = (np.array([listing]), np.array([checkin]), np.array([nights]))
    return bool(calendar.is_shown_free(*stay)[0])


def test_overlapping_stay_is_refused_and_adjoining_ones_are_not(
    calendar: Calendar, free: int
) -> None:
    assert calendar.try_to_book(free, (DAY + 5, DAY + 8), DAY)
    assert not calendar.try_to_book(free, (DAY + 7, DAY + 9), DAY)
    assert calendar.try_to_book(free, (DAY + 8, DAY + 9), DAY)
    assert calendar.try_to_book(free, (DAY + 3, DAY + 5), DAY)


def test_booking_leaves_the_results_from_the_day_after_it(calendar: Calendar, free: int) -> None:
    assert calendar.try_to_book(free, (DAY + 5, DAY + 8), DAY + 1)
    calendar.start_day(DAY + 1)
    assert _shown(calendar, free, DAY + 6, 1)
    assert calendar.new_bookings[free] == 0
    calendar.start_day(DAY + 2)
    assert not _shown(calendar, free, DAY + 6, 1)
    assert not _shown(calendar, free, DAY + 3, 3)
    assert _shown(calendar, free, DAY + 3, 2)
    assert _shown(calendar, free, DAY + 8, 2)
    assert calendar.new_bookings[free] == 1


def test_stay_over_a_night_taken_before_the_log_is_refused(calendar: Calendar) -> None:
    listing = int(np.flatnonzero(calendar.busy_before[:, 10] > 0)[0])
    assert not calendar.try_to_book(listing, (DAY, DAY + 10), DAY)
    assert not _shown(calendar, listing, DAY, 10)
