"""Ids, and the ways in which a file may have lost their digits.

A spreadsheet shows a long id as ``1.23457E+15`` and saves what it shows; a column of floats
holds no whole number beyond 2^53 exactly. Either way different ids become one, and none of them
is equal to its spelling elsewhere. Such an id is never taken.
"""

from __future__ import annotations

import polars as pl

from data.readers.values import read_text

__all__ = ["SCIENTIFIC", "inexact_floats", "is_scientific", "read_ids"]

# Whole numbers up to here are exact. Below it a float id and its integer spelling are one id.
_EXACT_UP_TO: dict[type[pl.DataType], float] = {
    pl.Float16: 2.0**11,
    pl.Float32: 2.0**24,
    pl.Float64: 2.0**53,
}
# A fraction or a plus sign tells it from a hexadecimal id such as 12e5.
SCIENTIFIC = r"^[+-]?\d{1,3}(?:[.,]\d+[eE][+-]?|[eE]\+)\d{1,3}$"


def read_ids(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The ids as text, trimmed and otherwise as they are, and a mask of those without all digits.

    Empty cells and null spellings are null.
    """
    ids = read_text(raw)
    return ids, is_scientific(ids) | inexact_floats(raw) | _inexact_float_texts(raw)


def is_scientific(text: pl.Series) -> pl.Series:
    """Cells such as ``1.23457E+15``; false for null."""
    return text.str.contains(SCIENTIFIC).fill_null(value=False)


def inexact_floats(raw: pl.Series) -> pl.Series:
    """Cells of a float column beyond its exact whole numbers, infinite ones too."""
    limit = _EXACT_UP_TO.get(type(raw.dtype))
    if limit is None:
        return pl.Series([False]).new_from_index(0, len(raw))
    return (raw.fill_nan(None).abs() > limit).fill_null(value=False)


def _inexact_float_texts(raw: pl.Series) -> pl.Series:
    """Cells such as ``1234567890123456768.0``: a float beyond 2^53, written out.

    With two zeros it is a decimal column's, which keeps all digits.
    """
    if raw.dtype != pl.String:
        return pl.Series([False]).new_from_index(0, len(raw))
    is_long = raw.str.contains(r"^\s*-?\d{16,}\.0\s*$").fill_null(value=False)
    if not is_long.any():
        return is_long
    return is_long & inexact_floats(raw.str.strip_chars().cast(pl.Float64, strict=False))
