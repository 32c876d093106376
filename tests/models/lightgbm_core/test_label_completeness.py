"""What is known of a row's outcomes by now, from the delays of those that arrived."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.lightgbm_core.label_completeness import completeness_of


def _rows(day: list[int], book: list[int | None]) -> pa.Table:
    return pa.table(
        {"search_day": pa.array(day, pa.int32()), "book_day": pa.array(book, pa.int32())}
    )


def test_half_that_come_at_once_are_half_of_the_youngest_day() -> None:
    # Searches of day 1: two bookings at once, two a day later. Of day 2 only those at once.
    rows = _rows([1, 1, 1, 1, 2, 2], [1, 1, 2, 2, 2, 2])
    known = completeness_of(rows, ("book_day",), cutoff_day=3)

    assert known is not None
    assert known.of(_rows([2, 1], [None, None])).tolist() == [0.5, 1.0]


def test_outcome_after_the_cutoff_changes_nothing() -> None:
    now = _rows([1, 1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2, None])
    later = _rows([1, 1, 1, 1, 2, 2, 2], [1, 1, 2, 2, 2, 2, 3])

    shares = [completeness_of(r, ("book_day",), cutoff_day=3).of(r) for r in (now, later)]
    np.testing.assert_array_equal(*shares)


def test_earliest_of_two_outcomes_counts() -> None:
    rows = _rows([1, 1, 2], [3, 1, 2]).append_column("contact_day", pa.array([2, None, None]))
    known = completeness_of(rows, ("contact_day", "book_day"), cutoff_day=3)

    assert known.of(rows)[2] == pytest.approx(0.5)


def test_log_that_cannot_tell_is_taken_as_complete() -> None:
    rows = _rows([1, 2], [None, None])

    assert completeness_of(rows, ("book_day",), cutoff_day=3) is None
    assert completeness_of(rows, ("contact_day",), cutoff_day=3) is None
