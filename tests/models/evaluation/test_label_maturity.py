"""Delays with a known distribution, cut off by the end of a log."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.label_maturity import (
    delay_distribution,
    label_maturity,
    maturity_warning,
    window_maturity,
)

FIRST, DAYS = 20_000, 7
DELAYS = np.array([0.45, 0.2, 0.12, 0.09, 0.07, 0.04, 0.03])


def _log(rng, *, per_day=4_000, growth=1.0):
    """Bookings of a 7-day log, those that come after its end unseen."""
    searched = np.concatenate([np.full(int(per_day * growth**i), FIRST + i) for i in range(DAYS)])
    booked = searched + rng.choice(DAYS, len(searched), p=DELAYS)
    seen = booked <= FIRST + DAYS - 1
    return pa.table(
        {
            "search_day": pa.array(searched.astype(np.int32)),
            "book_day": pa.array(booked.astype(np.int32), mask=~seen),
        }
    )


@pytest.mark.parametrize("growth", [1.0, 1.5])
def test_completeness_of_each_day_is_found_though_late_bookings_are_unseen(rng, growth):
    rows = _log(rng, growth=growth)
    maturity = label_maturity(rows, observed_through=FIRST + DAYS - 1)
    truth = np.cumsum(DELAYS)[::-1]
    assert [day.completeness for day in maturity] == pytest.approx(truth, abs=0.03)
    per_day = np.bincount(np.asarray(rows["search_day"]) - FIRST)
    assert [day.expected for day in maturity] == pytest.approx(per_day, rel=0.06)


def test_share_of_seen_delays_alone_would_be_too_high(rng):
    rows = _log(rng)
    seen = rows.filter(rows["book_day"].is_valid())
    delays = np.asarray(seen["book_day"]) - np.asarray(seen["search_day"])
    assert (delays == 0).mean() > DELAYS[0] + 0.05
    last = label_maturity(rows)[-1]
    assert last.low <= DELAYS[0] <= last.high


def test_interval_covers_about_95_times_in_100(rng):
    covered = 0
    for _ in range(100):
        last = label_maturity(_log(rng, per_day=150))[-1]
        covered += last.low <= DELAYS[0] <= last.high
    assert covered >= 88


def test_a_log_taken_long_after_its_searches_is_complete(rng):
    rows = _log(rng)
    maturity = label_maturity(rows, observed_through=FIRST + 30)
    assert all(day.completeness == pytest.approx(1.0) for day in maturity)
    assert maturity_warning(maturity, (FIRST + 6, FIRST + 6)) is None


def test_immature_window_is_warned_about_and_an_old_one_is_not(rng):
    maturity = label_maturity(_log(rng))
    share = window_maturity(maturity, (FIRST + 6, FIRST + 6))
    assert share == pytest.approx(DELAYS[0], abs=0.02)
    assert maturity_warning(maturity, (FIRST + 6, FIRST + 6)) == (
        f"the searches of 2024-10-10..2024-10-10 are immature: the log holds about {share:.0%} "
        "of the bookings that will come; late ones count as no booking"
    )
    assert maturity_warning(maturity, (FIRST, FIRST + 1)) is None
    assert window_maturity(maturity, (FIRST, FIRST)) == pytest.approx(1.0)


def test_log_without_any_booking_has_no_maturity():
    rows = pa.table(
        {
            "search_day": pa.array([FIRST, FIRST + 1], pa.int32()),
            "book_day": pa.array([None, None], pa.int32()),
        }
    )
    maturity = label_maturity(rows)
    assert [day.observed for day in maturity] == [0, 0]
    assert window_maturity(maturity, (FIRST, FIRST + 1)) is None
    assert maturity_warning(maturity, (FIRST, FIRST + 1)) is None


def test_interval_is_greenwoods_on_the_log_of_the_share():
    # day 0: 2 bookings at once, 2 a day later; day 1: 3 at once, so F(0) = 1/2 = 1 − 2/4
    rows = pa.table({"search_day": [0, 0, 0, 0, 1, 1, 1], "book_day": [0, 0, 1, 1, 1, 1, 1]})
    _, last = label_maturity(rows)
    error = np.sqrt(2 / (4 * (4 - 2)))
    assert (last.observed, last.completeness, last.expected) == (3, 0.5, 6.0)
    assert last.low == pytest.approx(0.5 / np.exp(1.959964 * error))
    assert last.high == 1.0


def test_outcome_after_the_given_last_day_is_not_seen():
    rows = pa.table({"search_day": [0, 0, 0], "book_day": [0, 1, 2]})
    (day,) = label_maturity(rows, observed_through=1)
    assert (day.observed, day.completeness) == (2, 1.0)


def test_outcome_before_its_search_is_refused():
    with pytest.raises(ValueError, match="before its search"):
        delay_distribution(np.array([-1]), np.array([2]), 2)
