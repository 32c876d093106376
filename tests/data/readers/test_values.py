"""Cells to values: what is read, what is null, what is unreadable."""

from __future__ import annotations

from datetime import date, datetime

import polars as pl
import pytest

from data.readers.values import (
    null_spelled,
    read_booleans,
    read_dates,
    read_numbers,
    read_text,
    read_times,
)


def test_text_is_trimmed_null_spellings_are_null_and_float_ids_are_whole() -> None:
    raw = pl.Series([" a ", "NA", "", "\\N", "219.0", "2.50", None])
    assert read_text(raw).to_list() == ["a", None, None, None, "219", "2.50", None]
    assert read_text(pl.Series([7.0, None])).to_list() == ["7", None]


def test_numbers_that_are_given_and_unreadable_are_marked_and_nulls_are_not() -> None:
    parsed = read_numbers(pl.Series(["1.5", " 2 ", "NA", "dear", "1e3", None]))
    assert parsed.values.to_list() == [1.5, 2.0, None, None, 1000.0, None]
    assert parsed.is_unreadable.to_list() == [False, False, False, True, False, False]


def test_booleans_are_read_in_any_spelling_and_case() -> None:
    parsed = read_booleans(pl.Series(["T", "no", "1.0", "0", "Yes", "maybe", "", None]))
    assert parsed.values.to_list() == [True, False, True, False, True, None, None, None]
    assert parsed.is_unreadable.to_list() == [False] * 5 + [True, False, False]


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


def test_further_null_spellings_hold_for_text_and_for_numbers() -> None:
    assert null_spelled(pl.Series(["-1", " -1 ", "1"]), ("-1",)).to_list() == [None, None, "1"]
    assert null_spelled(pl.Series([-1, 1]), ("-1",)).to_list() == [None, 1]
