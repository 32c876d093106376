"""The guest to erase: by which ids, columns and searches the home knows one person."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

import polars as pl

from data.readers.arrow_columns import text_of_bytes
from data.readers.ids import read_ids
from data.sources.column_rules import Rule

__all__ = ["CONTRACT_COLUMN", "Guest", "as_read"]

# The guest in every table of the lake.
CONTRACT_COLUMN = "id_user"


@dataclass(frozen=True, kw_only=True)
class Guest:
    """One person, as the tables and logs name them.

    Attributes:
        ids: the id as the reader reads it (:func:`as_read`), and its pseudonym where a key is
            set.
        searches: the guest's searches and nobody else's, for tables that name no guest.
        columns: the names that logs have for the column of the guest, ``id_user`` among them.
        rules: the rules of ``id_user`` that are not simply a column of the log.
    """

    ids: frozenset[str]
    searches: frozenset[str] = field(default_factory=frozenset)
    columns: frozenset[str] = frozenset({CONTRACT_COLUMN})
    rules: tuple[Rule, ...] = ()

    def is_in(self, column: pl.Series) -> pl.Series:
        """Which cells of a column of guests are this guest; shape ``(rows,)``, never null.

        The cells are read as ingest reads them: ``381``, ``381.0`` and `` 381 `` are one guest,
        and a whole number is compared by its digits.

        >>> guest = Guest(ids=frozenset({"381"}))
        >>> guest.is_in(pl.Series([381.0, 3810.0, None])).to_list()
        [True, False, False]
        >>> guest.is_in(pl.Series(["U381", " 381"])).to_list()
        [False, True]
        """
        return _is_among(column, self.ids)

    def may_be(self, column: pl.Series) -> pl.Series:
        """Which cells have lost digits of an id, and may have been this guest's.

        >>> guest = Guest(ids=frozenset({"1234567890123456789"}))
        >>> cells = pl.Series(["1.23457E+18", "1.23999E+18", "1234567890123456789"])
        >>> guest.may_be(cells).to_list()
        [True, False, False]
        """
        texts, is_inexact = read_ids(column)
        if not is_inexact.any():
            return is_inexact
        share = _SPACING.get(type(column.dtype), 2.0**-52)
        inexact = texts.filter(is_inexact).drop_nulls().unique()
        own = [text for text in inexact if any(_may_be(text, name, share) for name in self.ids)]
        return is_inexact & texts.is_in(own).fill_null(value=False)

    def has_search(self, column: pl.Series) -> pl.Series:
        """Which cells of a column of searches are searches of this guest."""
        return _is_among(column, self.searches)

    def is_id(self, value: object) -> bool:
        """Whether a single value, of JSON or of a cell, is one of the ids."""
        if value is None or isinstance(value, bool | dict | list):
            return False
        return as_read(str(value)) in self.ids


def as_read(text: str) -> str:
    """An id as the reader reads it: trimmed, ``219.0`` as ``219``; empty where it reads null.

    >>> as_read(" 219.0 "), as_read("NULL")
    ('219', '')
    """
    return read_ids(pl.Series([text], dtype=pl.String))[0][0] or ""


def _is_among(column: pl.Series, ids: frozenset[str]) -> pl.Series:
    if not ids or column.dtype.is_nested() or column.dtype == pl.Boolean:
        return pl.repeat(value=False, n=len(column), dtype=pl.Boolean, eager=True)
    if column.dtype == pl.Binary:  # as data.readers.arrow_columns reads it
        cells = [None if cell is None else text_of_bytes(cell) for cell in column.to_list()]
        column = pl.Series(column.name, cells, dtype=pl.String)
    texts, _ = read_ids(column)
    return texts.is_in(list(ids)).fill_null(value=False)


# The distance of two neighbouring floats, as a share of their value.
_SPACING: dict[type[pl.DataType], float] = {pl.Float32: 2.0**-23, pl.Float16: 2.0**-10}


def _may_be(text: str, name: str, share: float) -> bool:
    """Whether a number that was rounded may have been this id."""
    try:
        value, whole = Decimal(text.replace(",", ".")), Decimal(name)
    except InvalidOperation:
        return False
    if not (value.is_finite() and whole.is_finite()):
        return False
    exponent = value.as_tuple().exponent
    last_digit = Decimal(10) ** exponent if isinstance(exponent, int) else Decimal(0)
    return abs(value - whole) <= max(last_digit, abs(value) * Decimal(share))
