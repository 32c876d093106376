"""Columns of a frame as arrays, and keys of several columns packed into one integer.

For :mod:`features.history.running_past`. A packed key belongs to this
process: text is coded, and a code is never written out.

Example: the key (guest, listing) of three rows, whose codes are 3, 3, 5 and 7, 9, 7. The first
column has the upper 32 bits, so one integer stands for both and sorting it sorts by guest,
then by listing: 3 · 2³² + 7, 3 · 2³² + 9, 5 · 2³² + 7.

>>> rows = Rows(pl.DataFrame({"guest": [3, 3, 5], "listing": [7, 9, 7]}))
>>> [divmod(int(key), 1 << 32) for key in rows.packed(["guest", "listing"])]
[(3, 7), (3, 9), (5, 7)]
>>> rows.keys(["guest"]).of_row.tolist()  # its place among the different keys
[0, 0, 1]
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from features.history.sorting import sorted_order

__all__ = [
    "Array",
    "Keys",
    "Rows",
    "columns_of_keys",
    "grouped_by_key",
    "is_member",
    "sorted_unique",
    "words_of",
]

Array = np.ndarray[Any, np.dtype[Any]]

_WORDS = pl.Categorical(pl.Categories("stayrank_words", physical=pl.UInt32))
# Polars forgets the codes when no column of theirs is left.
_KEEP_ALIVE = pl.Series([""], dtype=_WORDS)
_KEY_BITS, _FIRST_BITS = 64, 32
# Keys are numbered by a look-up table while it has at most so many entries per row; a sort of
# the keys takes over where the table would no longer fit the processor's caches.
_TABLE_PER_ROW = 16


class Keys(NamedTuple):
    """The keys of a frame's rows.

    Attributes:
        unique: the different keys (uint64), sorted.
        of_row: the place in ``unique`` of each row's key.
        is_known: whether the row has a key at all. Where it has none, ``of_row`` is
            meaningless (a null is packed as 0).
    """

    unique: Array
    of_row: Array
    is_known: Array


class Rows:
    """The columns of one frame as arrays, each made when it is first read."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._integers: dict[str, Array] = {}
        self._keys: dict[tuple[str, ...], Keys] = {}

    def __len__(self) -> int:
        return self.frame.height

    def integers(self, name: str) -> Array:
        """The column as int64, text as its code; 0 where it is null."""
        if name not in self._integers:
            series = self.frame[name]
            if series.dtype == pl.String:
                series = series.cast(_WORDS).to_physical()
            self._integers[name] = series.cast(pl.Int64).fill_null(0).to_numpy()
        return self._integers[name]

    def is_known(self, name: str) -> Array:
        return self.frame[name].is_not_null().to_numpy()

    def keys(self, names: Sequence[str]) -> Keys:
        """The columns packed into one key (:meth:`packed`), and who has all of them."""
        key = tuple(names)
        if key not in self._keys:
            is_known = np.logical_and.reduce([self.is_known(name) for name in key])
            unique, of_row = self._number_by_table(key) or _number_by_sorting(self.packed(key))
            self._keys[key] = Keys(unique, of_row, is_known)
        return self._keys[key]

    def packed(self, names: Sequence[str], rows: Array | None = None) -> Array:
        """One integer (uint64) per row, or those of ``rows``; different values, different keys.

        A single column has all 64 bits; of several the first has 32 and the others share
        the rest. Raises ``ValueError`` where a value needs more.
        """
        columns = [self.integers(name) for name in names]
        columns = [c if rows is None else c[rows] for c in columns]
        if len(columns) == 1:
            return columns[0].astype(np.uint64)
        bits = (_KEY_BITS - _FIRST_BITS) // (len(columns) - 1)
        packed = _checked_bits(columns[0], _FIRST_BITS, names[0])
        for name, column in zip(names[1:], columns[1:], strict=True):
            packed = (packed << np.uint64(bits)) | _checked_bits(column, bits, name)
        return packed

    def _number_by_table(self, names: tuple[str, ...]) -> tuple[Array, Array] | None:
        """Keys and their numbers by a table with an entry per possible key; None if it is large.

        Example: listings 4, 2, 4, 3 (2 is the lowest). ``place`` is 2, 0, 2, 1; ``first`` holds
        for each place one row that has it, then the number of the key: 2 → 0, 3 → 1, 4 → 2.
        """
        columns = [self.integers(name) for name in names]
        spans = [(int(c.min()), int(c.max()) + 1) for c in columns if len(c)]
        possible = prod(end - begin for begin, end in spans)
        if not spans or min(spans)[0] < 0 or possible > _TABLE_PER_ROW * len(self):
            return None
        place = np.zeros(len(self), dtype=np.int64)
        for column, (begin, end) in zip(columns, spans, strict=True):
            place = place * (end - begin) + (column - begin)
        first = np.full(possible, -1)
        first[place] = np.arange(len(self))
        present = np.flatnonzero(first >= 0)
        rows = first[present]
        first[present] = np.arange(len(present))
        return self.packed(names, rows), first[place]


def _number_by_sorting(keys: Array) -> tuple[Array, Array]:
    unique, order, starts = grouped_by_key(keys)
    steps = np.zeros(len(order), dtype=np.int64)
    steps[starts[1:]] = 1
    of_row = np.empty(len(order), dtype=np.int64)
    of_row[order] = np.cumsum(steps)
    return unique, of_row


def columns_of_keys(keys: Array, names: Sequence[str]) -> dict[str, Array]:
    """The columns that :meth:`Rows.packed` packed, as int64; text as its code.

    >>> rows = Rows(pl.DataFrame({"market": ["rio", "rio"], "day": [-3, 5]}))
    >>> columns_of_keys(rows.packed(["market", "day"]), ["market", "day"])["day"].tolist()
    [-3, 5]
    """
    if len(names) == 1:
        return {names[0]: keys.astype(np.int64)}
    bits = (_KEY_BITS - _FIRST_BITS) // (len(names) - 1)
    columns = {}
    for name in reversed(names[1:]):
        value = (keys & np.uint64((1 << bits) - 1)).astype(np.int64)
        columns[name] = np.where(value >> (bits - 1), value - (1 << bits), value)
        keys = keys >> np.uint64(bits)
    return {names[0]: keys.astype(np.int64), **columns}


def words_of(codes: Array) -> pl.Series:
    """The text that :meth:`Rows.integers` gave these codes."""
    coded = pl.Series("word", codes.astype(np.uint32), dtype=pl.UInt32)
    return coded.to_frame().select(pl.col("word").cat.to(_WORDS).cast(pl.String)).to_series()


def grouped_by_key(keys: Array) -> tuple[Array, Array, Array]:
    """The different keys in order, the rows sorted by key, and where each key's rows begin."""
    order = sorted_order(keys)
    in_order = keys[order]
    starts = np.flatnonzero(np.append(True, _differs_from_previous(in_order))[: len(in_order)])
    return in_order[starts], order, starts


def sorted_unique(values: Array) -> Array:
    """The different values in order."""
    in_order = np.sort(values)
    return np.asarray(in_order[np.append(True, _differs_from_previous(in_order))[: len(in_order)]])


def is_member(keys: Array, known: Array) -> Array:
    """Whether each key is one of ``known``, which is sorted and holds none twice."""
    if len(known) == 0:
        return np.zeros(len(keys), dtype=bool)
    # In order of the keys the search goes through memory once: a tenth of the time.
    order = sorted_order(keys)
    in_order = keys[order]
    places = np.minimum(np.searchsorted(known, in_order), len(known) - 1)
    is_present = np.empty(len(keys), dtype=bool)
    is_present[order] = known[places] == in_order
    return is_present


def _differs_from_previous(in_order: Array) -> Array:
    return np.asarray(in_order[1:] != in_order[:-1])


def _checked_bits(column: Array, bits: int, name: str) -> Array:
    # A negative number (a day before 1970) keeps its low bits, which tell it apart.
    if len(column) and (column.max() >= 1 << bits or column.min() < -1 << (bits - 1)):
        raise ValueError(
            f"column {name} holds a value of more than {bits} bits, too long for a key"
        )
    return np.asarray(column.astype(np.uint64) & np.uint64((1 << bits) - 1))
