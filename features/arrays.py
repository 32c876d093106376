"""Columns of a frame as arrays, and keys of several columns packed into one integer.

Polars only, for the books (:mod:`features.books`). A packed key belongs to this process:
text is coded, and a code is never written out.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np
import polars as pl

__all__ = ["Array", "Keys", "Numbered", "Rows", "among", "grouped_by_key"]

Array = np.ndarray[Any, np.dtype[Any]]

_WORDS = pl.Categorical(pl.Categories("stayrank_words", physical=pl.UInt32))
# Polars forgets the codes when no column of theirs is left.
_KEPT = pl.Series([""], dtype=_WORDS)
_KEY_BITS, _FIRST_BITS = 64, 32
_TABLE_PER_ROW = 16


class Keys(NamedTuple):
    """One packed key (uint64) per row, and whether all of its columns are known there."""

    values: Array
    is_known: Array


class Numbered(NamedTuple):
    """The different keys in order, and of each row the number of its key among them."""

    unique: Array
    of_row: Array


class Rows:
    """The columns of one frame as arrays, each made when it is first asked for."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame
        self._integers: dict[str, Array] = {}
        self._keys: dict[tuple[str, ...], Keys] = {}
        self._numbered: dict[tuple[str, ...], Numbered] = {}

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
        """The columns packed into one key: different values give different keys.

        A single column has all 64 bits; of several the first has 32 and the others share
        the rest. Raises ``ValueError`` where a value needs more.
        """
        key = tuple(names)
        if key not in self._keys:
            is_known = np.logical_and.reduce([self.is_known(name) for name in key])
            self._keys[key] = Keys(self._packed(key), is_known)
        return self._keys[key]

    def numbered(self, names: Sequence[str]) -> Numbered:
        """The packed keys of all rows, known or not, numbered."""
        key = tuple(names)
        if key not in self._numbered:
            self._numbered[key] = self._in_table(key) or _sorted_out(self.keys(key).values)
        return self._numbered[key]

    def _in_table(self, names: tuple[str, ...]) -> Numbered | None:
        """Numbered by looking each key up in a table of all that are possible, if it is small."""
        if not len(self):
            return None
        columns = [self.integers(name) for name in names]
        lowest, highest = [int(c.min()) for c in columns], [int(c.max()) for c in columns]
        if min(lowest) < 0 or _TABLE_PER_ROW * len(self) < _possible(lowest, highest):
            return None
        place = np.zeros(len(self), dtype=np.int64)
        for column, low, high in zip(columns, lowest, highest, strict=True):
            place = place * (high - low + 1) + (column - low)
        table = np.zeros(_possible(lowest, highest), dtype=np.int64)
        table[place] = 1
        present = np.flatnonzero(table)
        table[present] = np.arange(len(present))
        first = np.empty(len(present), dtype=np.int64)
        of_row = table[place]
        first[of_row] = np.arange(len(self))
        return Numbered(self.keys(names).values[first], of_row)

    def _packed(self, names: tuple[str, ...]) -> Array:
        values = self.integers(names[0]).astype(np.uint64)
        if len(names) == 1:
            return values
        bits = (_KEY_BITS - _FIRST_BITS) // (len(names) - 1)
        packed = _within(values, _FIRST_BITS, names[0])
        for name in names[1:]:
            more = _within(self.integers(name).astype(np.uint64), bits, name)
            packed = (packed << np.uint64(bits)) | more
        return packed


def _possible(lowest: Sequence[int], highest: Sequence[int]) -> int:
    return prod(high - low + 1 for low, high in zip(lowest, highest, strict=True))


def _sorted_out(keys: Array) -> Numbered:
    unique, order, starts = grouped_by_key(keys)
    steps = np.zeros(len(order), dtype=np.int64)
    steps[starts[1:]] = 1
    of_row = np.empty(len(order), dtype=np.int64)
    of_row[order] = np.cumsum(steps)
    return Numbered(unique, of_row)


def grouped_by_key(keys: Array) -> tuple[Array, Array, Array]:
    """The different keys in order, the rows sorted by key, and where each key's rows begin."""
    order = np.argsort(keys)
    in_order = keys[order]
    starts = np.flatnonzero(np.concatenate([in_order[:1] == in_order[:1], _changes(in_order)]))
    return in_order[starts], order, starts


def among(keys: Array, known: Array) -> Array:
    """Whether each key is one of ``known``, which is sorted and holds none twice."""
    if len(known) == 0:
        return np.zeros(len(keys), dtype=bool)
    # In order of the keys the search goes through memory once: a tenth of the time.
    order = np.argsort(keys)
    in_order = keys[order]
    places = np.minimum(np.searchsorted(known, in_order), len(known) - 1)
    found = np.empty(len(keys), dtype=bool)
    found[order] = known[places] == in_order
    return found


def _changes(in_order: Array) -> Array:
    return np.asarray(in_order[1:] != in_order[:-1])


def _within(values: Array, bits: int, name: str) -> Array:
    # A negative number (a day before 1970) keeps its low bits, which tell it apart.
    low = values & np.uint64((1 << bits) - 1)
    lost = values >> np.uint64(bits)
    is_negative = lost == np.uint64((1 << (_KEY_BITS - bits)) - 1)
    if not ((lost == 0) | is_negative).all():
        raise ValueError(
            f"column {name} holds a value of more than {bits} bits, too long for a key"
        )
    return low
