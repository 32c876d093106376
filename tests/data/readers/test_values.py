"""Cells to values: what is read, what is null, what is unreadable."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import polars as pl
import pytest

from data.readers.values import (
    null_spelled,
    read_booleans,
    read_numbers,
    read_text,
    read_words,
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


def test_further_null_spellings_hold_for_text_and_for_numbers() -> None:
    assert null_spelled(pl.Series(["-1", " -1 ", "1"]), ("-1",)).to_list() == [None, None, "1"]
    assert null_spelled(pl.Series([-1, 1]), ("-1",)).to_list() == [None, 1]


def test_equal_numbers_are_null_too_whatever_the_type_of_the_column() -> None:
    text = null_spelled(pl.Series(["0", "0.0", "-0.00", "00", "10", "0.01"]), ("0",))
    assert text.to_list() == [None, None, None, "00", "10", "0.01"]
    assert null_spelled(pl.Series([0.0, -0.0, 1.0]), ("0",)).to_list() == [None, None, 1.0]
    decimals = pl.Series([Decimal("0.00"), Decimal("1.50")])
    assert null_spelled(decimals, ("0", "1.5")).to_list() == [None, None]
    fractions = pl.Series(["9.5", "9.50", "19.5"])
    assert null_spelled(fractions, ("9.50",)).to_list() == [None, None, "19.5"]
    day = datetime(1900, 1, 1)  # noqa: DTZ001  local clock
    assert null_spelled(pl.Series([day]), ("1900-01-01",)).to_list() == [None]
    assert null_spelled(pl.Series([True, False]), ("false",)).to_list() == [True, None]


@pytest.mark.parametrize(
    "spelling",
    [
        *("", "NA", "na", "N/A", "<NA>", "#N/A", "NaN", "nAn", "-nan", "NaT", "null", "NULL"),
        *("None", "\\N", "undefined", "(null)", "-"),
    ],
)
def test_one_list_of_null_spellings_for_text_numbers_booleans_and_words(spelling: str) -> None:
    raw = pl.Series([f" {spelling} "])
    assert read_text(raw).to_list() == [None]
    assert read_words(raw, {"a": 1}.get, pl.Int8()).is_unreadable.to_list() == [False]
    for read in (read_numbers, read_booleans):
        parsed = read(raw)
        assert (parsed.values.to_list(), parsed.is_unreadable.to_list()) == ([None], [False])


def test_nan_of_a_float_column_is_null() -> None:
    raw = pl.Series([float("nan"), 1.0])
    assert read_text(raw).to_list() == [None, "1"]
    assert read_numbers(raw).values.to_list() == [None, 1.0]
    assert read_booleans(raw).values.to_list() == [None, True]


def test_one_text_whatever_type_a_number_had() -> None:
    columns = [
        pl.Series(["20", "20.0", "20.00", " 20 "]),
        pl.Series([20.0, 20.0]),
        pl.Series([20], dtype=pl.UInt8),
        pl.Series([Decimal("20.00")], dtype=pl.Decimal(20, 2)),
    ]
    assert {text for column in columns for text in read_text(column)} == {"20"}
    assert read_text(pl.Series(["-0.0", "-0"])).to_list() == ["0", "0"]
    assert read_text(pl.Series([-0.0, 2.5])).to_list() == ["0", "2.5"]
    assert read_text(pl.Series(["007", "７", "20.50"])).to_list() == ["007", "７", "20.50"]


def test_a_word_that_has_a_meaning_is_not_null() -> None:
    parsed = read_words(pl.Series(["none", "NULL", "x"]), {"none": 0}.get, pl.Int8())
    assert parsed.values.to_list() == [0, None, None]
    assert parsed.is_unreadable.to_list() == [False, False, True]


def test_a_date_is_no_number() -> None:
    parsed = read_numbers(pl.Series([date(2018, 2, 5), None]))
    assert parsed.values.to_list() == [None, None]
    assert parsed.is_unreadable.to_list() == [True, False]
