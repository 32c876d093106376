"""Dates and times: which spellings are read, with which offset, and what cannot be a time."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from data.readers.times import read_dates, read_times


@pytest.mark.parametrize(
    ("text", "time_format", "expected", "offset_minutes"),
    [
        ("2018-02-05 10:30", "auto", datetime(2018, 2, 5, 10, 30), None),  # noqa: DTZ001
        ("2/5/18 10:30", "auto", datetime(2018, 2, 5, 10, 30), None),  # noqa: DTZ001
        ("2/5/18 10:30", "day_first", datetime(2018, 5, 2, 10, 30), None),  # noqa: DTZ001
        ("2018-02-05 12:30 AM", "auto", datetime(2018, 2, 5, 0, 30), None),  # noqa: DTZ001
        ("2018-02-05T10:30:05.25Z", "auto", datetime(2018, 2, 5, 10, 30, 5), 0),  # noqa: DTZ001
        ("2018-02-05 10:30-03:30", "auto", datetime(2018, 2, 5, 10, 30), -210),  # noqa: DTZ001
        ("1517826600", "epoch_seconds", datetime(2018, 2, 5, 10, 30), 0),  # noqa: DTZ001
        ("4102444799", "epoch_seconds", datetime(2099, 12, 31, 23, 59, 59), 0),  # noqa: DTZ001
    ],
)
def test_time_and_its_offset(
    text: str, time_format: str, expected: datetime, offset_minutes: int | None
) -> None:
    parsed, offset = read_times(pl.Series([text, None]), time_format)
    assert parsed.values.to_list() == [expected, None]
    assert offset.to_list() == [offset_minutes, None]
    assert parsed.is_unreadable.to_list() == [False, False]


@pytest.mark.parametrize(
    ("text", "time_format"),
    [
        ("2018-02-30 10:00", "auto"),
        ("2018-02-05 13:00 PM", "auto"),
        ("2018-02-05", "auto"),
        ("1989-12-31 23:59", "auto"),
        ("4102444800", "epoch_seconds"),
    ],
)
def test_time_that_cannot_be_is_unreadable(text: str, time_format: str) -> None:
    parsed, _ = read_times(pl.Series([text]), time_format)
    assert (parsed.values.to_list(), parsed.is_unreadable.to_list()) == ([None], [True])


def test_dates_ignore_a_time_of_day() -> None:
    parsed = read_dates(pl.Series(["2018-02-05", "2018-02-05 23:59", "soon", ""]), "auto")
    assert parsed.values.to_list() == [date(2018, 2, 5), date(2018, 2, 5), None, None]
    assert parsed.is_unreadable.to_list() == [False, False, True, False]
