"""Raw cells to typed values, a whole column at a time.

Each reader takes a column of any type (text from a delimited file, native types from
Parquet) and returns the values and a mask of the cells that are not empty but could not be
read. Null spellings are null, not unreadable. Words are read once per distinct text
and joined back: a log repeats few markets and labels millions of times. Dates and times:
``data.readers.times``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

__all__ = [
    "NULL_SPELLINGS",
    "ParsedColumn",
    "joined",
    "looked_up",
    "nowhere",
    "null_spelled",
    "read_booleans",
    "read_numbers",
    "read_text",
    "read_words",
]

NULL_SPELLINGS = ("", "NA", "N/A", "n/a", "null", "NULL", "Null", "None", "\\N")
_TRUE = ("1", "1.0", "true", "t", "yes", "y")
_FALSE = ("0", "0.0", "false", "f", "no", "n")


@dataclass(frozen=True, kw_only=True)
class ParsedColumn:
    """A column as read: the values, and a mask of the cells that are not empty but unreadable."""

    values: pl.Series
    is_unreadable: pl.Series

    def with_unreadable(self, more: pl.Series | None) -> ParsedColumn:
        """The same, with further cells known to be unreadable."""
        if more is None:
            return self
        return ParsedColumn(values=self.values, is_unreadable=self.is_unreadable | more)


def read_text(raw: pl.Series) -> pl.Series:
    """The cells as trimmed text, null spellings as null; ``219.0`` becomes ``219``."""
    text = raw if raw.dtype == pl.String else raw.cast(pl.String)
    text = text.str.strip_chars()
    is_spelled_null = text.is_in(NULL_SPELLINGS).fill_null(value=False)
    if is_spelled_null.any():
        text = text.set(is_spelled_null, None)
    # an id column with a null in it was a float column to whatever wrote the log
    if text.str.ends_with(".0").any():
        text = text.str.replace(r"^(-?\d+)\.0$", "$1")
    return text


def read_numbers(raw: pl.Series) -> ParsedColumn:
    """The cells as float64. ``NaN`` stays NaN: the caller decides what it means."""
    if raw.dtype != pl.String:
        values = raw.cast(pl.Float64, strict=False)
        return ParsedColumn(values=values, is_unreadable=values.is_null() & raw.is_not_null())
    values = raw.cast(pl.Float64, strict=False)
    failed = values.is_null() & raw.is_not_null()
    if not failed.any():
        return ParsedColumn(values=values, is_unreadable=failed)
    # the slow way, only for a column with a cell that the plain cast does not read
    cleaned = raw.str.strip_chars()
    values = cleaned.cast(pl.Float64, strict=False)
    is_filled = raw.is_not_null() & ~cleaned.is_in(NULL_SPELLINGS)
    return ParsedColumn(
        values=values, is_unreadable=(values.is_null() & is_filled).fill_null(value=False)
    )


def read_booleans(raw: pl.Series) -> ParsedColumn:
    """The cells as booleans: 0/1, true/false, t/f, yes/no in any case."""
    if raw.dtype == pl.Boolean:
        return ParsedColumn(values=raw, is_unreadable=nowhere(raw))
    known = dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False)
    return read_words(raw, known.get, pl.Boolean())


def read_words(
    raw: pl.Series, meaning: Callable[[str], object | None], dtype: pl.DataType
) -> ParsedColumn:
    """Each distinct cell, trimmed and in lower case, through ``meaning`` (``None``: unknown)."""
    text = raw if raw.dtype == pl.String else raw.cast(pl.String)
    distinct = text.unique().drop_nulls()
    words = [word.strip() for word in distinct.to_list()]
    is_null = [word in NULL_SPELLINGS for word in words]
    values = [
        None if null else meaning(word.lower()) for word, null in zip(words, is_null, strict=True)
    ]
    lookup = pl.DataFrame(
        {
            "raw": distinct,
            "values": pl.Series(values, dtype=dtype),
            "unreadable": [
                value is None and not null for value, null in zip(values, is_null, strict=True)
            ],
        },
        schema_overrides={"unreadable": pl.Boolean},
    )
    return looked_up(text, lookup)


def nowhere(raw: pl.Series) -> pl.Series:
    """A mask that is false in every row."""
    return pl.Series("unreadable", [False], dtype=pl.Boolean).new_from_index(0, len(raw))


def joined(text: pl.Series, lookup: pl.DataFrame) -> pl.DataFrame:
    """``lookup``, which has one row per distinct ``raw``, beside each cell of ``text``."""
    return pl.DataFrame({"raw": text}).join(lookup, on="raw", how="left", maintain_order="left")


def looked_up(text: pl.Series, lookup: pl.DataFrame) -> ParsedColumn:
    """The columns ``values`` and ``unreadable`` of ``lookup`` for each cell of ``text``."""
    found = joined(text, lookup)
    return ParsedColumn(
        values=found["values"], is_unreadable=found["unreadable"].fill_null(value=False)
    )


def null_spelled(raw: pl.Series, spellings: tuple[str, ...]) -> pl.Series:
    """``raw`` with these spellings, and numbers equal to them, as null."""
    if not spellings:
        return raw
    if raw.dtype == pl.String:
        return raw.set(raw.str.strip_chars().is_in(spellings).fill_null(value=False), None)
    return raw.set(raw.cast(pl.String).is_in(spellings).fill_null(value=False), None)
