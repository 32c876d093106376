"""Ids: which are exact, which have lost digits."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

from data.readers.ids import read_ids


@pytest.mark.parametrize(
    "text",
    [
        *("1.23457E+15", "1,23457E+15", "1e+16", "1E+15", "-1.5e+20", "1.0E7", "12.3E+15"),
        *("1234567890123456768.0", " 9007199254740994.0"),
    ],
)
def test_scientific_notation_and_a_written_out_float_are_inexact(text: str) -> None:
    _, is_inexact = read_ids(pl.Series([text]))
    assert is_inexact.to_list() == [True]


@pytest.mark.parametrize("text", ["12e5", "1E10", "4e12ab", "e5", "1.5", "E+15", "a1.5E+3", ""])
def test_text_that_only_looks_like_it_is_an_id(text: str) -> None:
    _, is_inexact = read_ids(pl.Series([text]))
    assert is_inexact.to_list() == [False]


@pytest.mark.parametrize(("dtype", "exact"), [(pl.Float64, 2.0**53), (pl.Float32, 2.0**24)])
def test_float_is_exact_up_to_what_its_type_holds(dtype: type[pl.DataType], exact: float) -> None:
    raw = pl.Series([exact, exact * 2, float("inf"), float("nan"), None, -0.0, 2.5], dtype=dtype)
    ids, is_inexact = read_ids(raw)
    assert ids.to_list()[:1] + ids.to_list()[3:] == [str(int(exact)), None, None, "0", "2.5"]
    assert is_inexact.to_list() == [False, True, True, False, False, False, False]


def test_written_out_float_is_exact_up_to_2_53() -> None:
    ids, is_inexact = read_ids(pl.Series(["9007199254740992.0"]))
    assert (ids.to_list(), is_inexact.to_list()) == (["9007199254740992"], [False])


def test_long_whole_numbers_and_decimals_are_exact() -> None:
    for raw in (
        pl.Series([9223372036854775807]),
        pl.Series([Decimal("9223372036854775807.00")], dtype=pl.Decimal(22, 2)),
        pl.Series(["9223372036854775807"]),
        pl.Series(["9223372036854775807.00"]),
    ):
        ids, is_inexact = read_ids(raw)
        assert (ids.to_list(), is_inexact.to_list()) == (["9223372036854775807"], [False])
