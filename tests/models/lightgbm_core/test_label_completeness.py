"""How much is known of a row's outcomes by now, from the delays of those that arrived."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.lightgbm_core.label_completeness import (
    Completeness,
    estimate_completeness,
    expected_outcomes,
    mature_rows,
    stage_completeness,
)


def _rows(day: list[int], book: list[int | None]) -> pa.Table:
    return pa.table(
        {"search_day": pa.array(day, pa.int32()), "book_day": pa.array(book, pa.int32())}
    )


def test_half_that_come_at_once_are_half_of_the_youngest_day() -> None:
    # Searches of day 1: two bookings at once, two a day later. Of day 2 only those at once.
    rows = _rows([1, 1, 1, 1, 2, 2], [1, 1, 2, 2, 2, 2])
    known = estimate_completeness(rows, ("book_day",), cutoff_day=3)

    assert known is not None
    assert known.of(_rows([2, 1], [None, None])).tolist() == [0.5, 1.0]


def test_outcome_after_the_cutoff_changes_nothing() -> None:
    now = _rows([1, 1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2, None])
    later = _rows([1, 1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2, 3])

    shares = [estimate_completeness(r, ("book_day",), cutoff_day=3).of(r) for r in (now, later)]
    np.testing.assert_array_equal(*shares)


def test_earliest_of_two_outcomes_counts() -> None:
    rows = _rows([1, 1, 2], [3, 1, 2]).append_column("contact_day", pa.array([2, None, None]))
    known = estimate_completeness(rows, ("contact_day", "book_day"), cutoff_day=3)

    assert known.of(rows)[2] == pytest.approx(0.5)


def test_log_that_cannot_tell_is_taken_as_complete() -> None:
    rows = _rows([1, 2], [None, None])

    assert estimate_completeness(rows, ("book_day",), cutoff_day=3) is None
    assert estimate_completeness(rows, ("contact_day",), cutoff_day=3) is None


def test_a_contact_or_a_direct_booking_reaches_the_contact_stage() -> None:
    # Day 1: a contact at once, one a day later, a direct booking a day later. Day 2: two at once.
    days = {
        "search_day": [1, 1, 1, 2, 2],
        "contact_day": [1, 2, None, 2, None],
        "book_day": [None, None, 2, None, 2],
    }
    rows = pa.table({name: pa.array(values, pa.int32()) for name, values in days.items()})
    known = stage_completeness(rows.slice(0, 3), rows.slice(3))

    assert known[2].share_by_age.tolist() == pytest.approx([1 / 3, 1.0])
    # The one booking of day 1 came a day late: that a share of 0 is known cannot be counted with.
    assert known[3].share_by_age.tolist() == [0.0, 1.0]
    assert known[3].of(rows).tolist() == [1.0] * 5
    assert stage_completeness(rows.drop_columns(["book_day"]), rows) == {}


def test_known_outcome_stands_for_those_still_to_come() -> None:
    known = {
        2: Completeness(np.array([0.8, 1.0]), cutoff_day=3),
        3: Completeness(np.array([0.5, 1.0]), cutoff_day=3),
    }
    rows = _rows([2, 2, 1, 1], [None] * 4).append_column("stage", pa.array([3, 2, 3, 2]))

    assert expected_outcomes(rows, 3, known).tolist() == [0.8 / 0.5, 0.0, 1.0, 0.0]
    assert expected_outcomes(rows, 3, {}).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_immature_days_are_left_out_unless_they_hold_most_outcomes() -> None:
    known = Completeness(np.array([0.5, 1.0]), cutoff_day=3)
    rows = _rows([1, 1, 2, 2], [None] * 4)
    old = rows.append_column("stage", pa.array([3, 0, 3, 0]))
    young = rows.append_column("stage", pa.array([0, 0, 3, 0]))

    assert mature_rows(old, 3, known, 0.7)["search_day"].to_pylist() == [1, 1]
    assert mature_rows(young, 3, known, 0.7).num_rows == 4
