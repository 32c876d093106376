"""The guest to erase: by which ids, columns and searches the home knows one person."""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from data.readers.values import read_text

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
    """

    ids: frozenset[str]
    searches: frozenset[str] = field(default_factory=frozenset)
    columns: frozenset[str] = frozenset({CONTRACT_COLUMN})

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
    return read_text(pl.Series([text], dtype=pl.String))[0] or ""


def _is_among(column: pl.Series, ids: frozenset[str]) -> pl.Series:
    if not ids or column.dtype.is_nested() or column.dtype == pl.Boolean:
        return pl.repeat(value=False, n=len(column), dtype=pl.Boolean, eager=True)
    if column.dtype == pl.Binary:  # as data.readers.parquet reads it
        column = column.cast(pl.String, strict=False)
    return read_text(column).is_in(list(ids)).fill_null(value=False)
