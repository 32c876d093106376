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
    found = label_maturity(rows, observed_through=FIRST + DAYS - 1)
    truth = np.cumsum(DELAYS)[::-1]
    assert [day.completeness for day in found] == pytest.approx(truth, abs=0.03)
    per_day = np.bincount(np.asarray(rows["search_day"]) - FIRST)
    assert [day.expected for day in found] == pytest.approx(per_day, rel=0.06)


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
    found = label_maturity(rows, observed_through=FIRST + 30)
    assert all(day.completeness == pytest.approx(1.0) for day in found)
    assert maturity_warning(found, (FIRST + 6, FIRST + 6)) is None


def test_immature_window_is_warned_about_and_an_old_one_is_not(rng):
    found = label_maturity(_log(rng))
    warning = maturity_warning(found, (FIRST + 6, FIRST + 6))
    assert warning is not None
    assert "45%" in warning or "44%" in warning or "46%" in warning
    assert maturity_warning(found, (FIRST, FIRST + 1)) is None
    assert window_maturity(found, (FIRST, FIRST)) == pytest.approx(1.0)


def test_log_without_any_booking_has_no_maturity():
    rows = pa.table(
        {
            "search_day": pa.array([FIRST, FIRST + 1], pa.int32()),
            "book_day": pa.array([None, None], pa.int32()),
        }
    )
    found = label_maturity(rows)
    assert [day.observed for day in found] == [0, 0]
    assert window_maturity(found, (FIRST, FIRST + 1)) is None
    assert maturity_warning(found, (FIRST, FIRST + 1)) is None


def test_outcome_before_its_search_is_refused():
    with pytest.raises(ValueError, match="before its search"):
        delay_distribution(np.array([-1]), np.array([2]), 2)
