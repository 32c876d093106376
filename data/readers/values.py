"""Raw cells to typed values, a whole column at a time.

Each reader takes a column of any type (text from a delimited file, native types from
Parquet) and returns the values and a mask of the cells that are not empty but could not be
read. Null spellings are null, not unreadable. Words are read once per distinct text
and joined back: a log repeats few markets and labels millions of times. Dates and times:
``data.readers.times``; ids, which must not lose a digit: ``data.readers.ids``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import polars as pl

from data.readers.words import word_key

__all__ = [
    "NULL_SPELLINGS",
    "ParsedColumn",
    "is_spelled_null",
    "joined",
    "looked_up",
    "nowhere",
    "null_spelled",
    "plain_text",
    "read_booleans",
    "read_numbers",
    "read_text",
    "read_words",
]

# How languages, databases and spreadsheets write "no value", in lower case.
_NULL_WORDS = (
    *("", "na", "n/a", "<na>", "#n/a", "#na", "#n/a n/a", "nan", "-nan", "+nan"),
    *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan", "nat", "null", "<null>", "(null)", "[null]"),
    *("none", "<none>", "nil", "<nil>", "undefined", "\\n", "-", "--"),
)


def _in_any_case(word: str) -> list[str]:
    return ["".join(signs) for signs in product(*({s, s.upper()} for s in word))]


# Null in every kind of column, in any case: ``nan`` as an id would be one guest or listing
# shared by everybody without one.
NULL_SPELLINGS = tuple(spelling for word in _NULL_WORDS for spelling in _in_any_case(word))
_IS_NULL_SPELLING = frozenset(NULL_SPELLINGS)

_BOOLEANS = dict.fromkeys(("1", "true", "t", "yes", "y"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n"), False
)
# beyond this a whole number has no place in Int64
_WHOLE_LIMIT = 2.0**62


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


def is_spelled_null(text: str) -> bool:
    """Whether a trimmed text means "no value"."""
    return text in _IS_NULL_SPELLING


def read_text(raw: pl.Series) -> pl.Series:
    """The cells as trimmed text, null spellings as null; whole numbers without a fraction.

    The one normaliser of ids and words: ``219.0`` in a CSV, ``219.0`` in a float column,
    ``219.00`` in a decimal column and ``219`` are one id. Otherwise text stays as it is:
    ``007`` is not ``7``.
    """
    text = plain_text(raw).str.strip_chars()
    is_null = text.is_in(NULL_SPELLINGS).fill_null(value=False)
    if is_null.any():
        text = text.set(is_null, None)
    # an id column with a null in it was a float column to whatever wrote the log
    if text.str.contains(".0", literal=True).any():
        text = text.str.replace(r"^(-?\d+)\.0+$", "$1")
    if text.str.starts_with("-0").any():
        text = text.str.replace(r"^-0$", "0")
    return text


def plain_text(raw: pl.Series) -> pl.Series:
    """Each cell as a CSV would hold it, whole floats as integers; NaN is null."""
    if raw.dtype == pl.String:
        return raw
    if raw.dtype.is_float():
        return _text_of_floats(raw.fill_nan(None))
    if isinstance(raw.dtype, pl.Duration):
        return raw.dt.to_string("iso")
    return raw.cast(pl.String)


def _text_of_floats(raw: pl.Series) -> pl.Series:
    is_whole = ((raw == raw.floor()) & (raw.abs() < _WHOLE_LIMIT)).fill_null(value=True)
    whole = raw.set(~is_whole, None).cast(pl.Int64).cast(pl.String)
    return whole if is_whole.all() else whole.zip_with(is_whole, raw.cast(pl.String))


def read_numbers(raw: pl.Series) -> ParsedColumn:
    """The cells as float64; NaN is null, as in every kind of column."""
    if raw.dtype.is_temporal():
        # as a number it would be days or microseconds, which no mapping can mean
        return ParsedColumn(
            values=pl.Series(raw.name, [None], dtype=pl.Float64).new_from_index(0, len(raw)),
            is_unreadable=raw.is_not_null(),
        )
    values = raw.cast(pl.Float64, strict=False)
    failed = values.is_null() & raw.is_not_null()
    if raw.dtype == pl.String and failed.any():
        # the slow way, only for a column with a cell that the plain cast does not read
        cleaned = raw.str.strip_chars()
        values = cleaned.cast(pl.Float64, strict=False)
        is_filled = raw.is_not_null() & ~cleaned.is_in(NULL_SPELLINGS)
        failed = (values.is_null() & is_filled).fill_null(value=False)
    return ParsedColumn(values=values.fill_nan(None), is_unreadable=failed)


def read_booleans(raw: pl.Series) -> ParsedColumn:
    """The cells as booleans: 0/1, true/false, t/f, yes/no in any case."""
    if raw.dtype == pl.Boolean:
        return ParsedColumn(values=raw, is_unreadable=nowhere(raw))
    return read_words(raw, lambda word: _BOOLEANS.get(word_key(word)), pl.Boolean())


def read_words(
    raw: pl.Series, meaning: Callable[[str], object | None], dtype: pl.DataType
) -> ParsedColumn:
    """Each distinct cell, trimmed, through ``meaning`` (``None``: unknown).

    A word that has a meaning has it: a mapping may list ``none`` as a label. A null spelling
    without one is null.
    """
    text = plain_text(raw)
    distinct = text.unique().drop_nulls()
    words = [word.strip() for word in distinct.to_list()]
    values = [meaning(word) for word in words]
    lookup = pl.DataFrame(
        {
            "raw": distinct,
            "values": pl.Series(values, dtype=dtype),
            "unreadable": [
                value is None and not is_spelled_null(word)
                for word, value in zip(words, values, strict=True)
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
    """``raw`` with these spellings, and numbers equal to them, as null.

    ``0`` is also ``0.0`` and ``0.00``, in text as in a column of floats; ``007`` is not ``7``.
    """
    if not spellings:
        return raw
    text = plain_text(raw).str.strip_chars()
    if isinstance(raw.dtype, pl.Datetime):
        # the spelling of a day also means its midnight
        text = text.str.replace(r"\.0+$", "").str.replace(r" 00:00:00$", "")
    is_null = text.is_in([spelling.strip() for spelling in spellings])
    patterns = [_equal_numbers(spelling) for spelling in spellings if _is_number(spelling)]
    if patterns:
        is_null = is_null | text.str.contains(f"^(?:{'|'.join(patterns)})$")
    return raw.set(is_null.fill_null(value=False), None)


def _is_number(spelling: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d*)?", spelling.strip(), flags=re.ASCII) is not None


def _equal_numbers(spelling: str) -> str:
    """A pattern of the decimal texts of the same value: zeros may follow the fraction.

    >>> _equal_numbers("0.0"), _equal_numbers("-9.50")
    ('-?0(?:\\\\.0*)?', '-9\\\\.50*')
    """
    whole, _, fraction = spelling.strip().partition(".")
    if fraction.strip("0"):
        return rf"{whole}\.{fraction.rstrip('0')}0*"
    sign = "" if whole.strip("-0") else "-?"
    return rf"{sign}{whole.removeprefix('-') if sign else whole}(?:\.0*)?"
