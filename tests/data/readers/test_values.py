"""Cells to values: what is read, what is null, what is unreadable."""

from __future__ import annotations

import polars as pl

from data.readers.values import (
    null_spelled,
    read_booleans,
    read_numbers,
    read_text,
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
