"""What each row has, and what the others of its list have: what sentences compare.

One list of three homes, rated 4.9, 4.5 and not at all:

>>> rows = pa.table({"id_search": ["s", "s", "s"], "rating": [4.9, 4.5, None]})
>>> listed = ListedRows(rows)
>>> listed.others("rating").tolist()  # the median of the others that are rated
[4.5, 4.9, 4.7]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["ListedRows", "Mask", "Numbers"]

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


class ListedRows:
    """The rows of whole lists (equal ``id_search``), in any order.

    Numbers are float64, NaN where the value is null or the column is absent.
    """

    def __init__(self, rows: pa.Table) -> None:
        self.rows = rows
        self._kept: dict[tuple[str, str], Numbers] = {}

    def number(self, name: str) -> Numbers:
        """The values of a number or a boolean (0 and 1); NaN for a category."""
        return self._once("own", name, self._number)

    def others(self, name: str) -> Numbers:
        """Median of the other rows of the list that have the value; NaN where none has."""
        return self._once("others", name, lambda name: self._others_median(self.number(name)))

    def words(self, name: str) -> list[str | None]:
        """The values of a category; null throughout where the column is absent."""
        if name not in self.rows.column_names:
            return [None] * self.rows.num_rows
        words: list[str | None] = self.rows[name].cast(pa.string()).to_pylist()
        return words

    def share_alike(self, name: str) -> Numbers:
        """Share of the other rows of the list that have the same value; NaN in a list of one.

        >>> rows = pa.table({"id_search": ["s", "s", "s"], "has_pool": [True, True, None]})
        >>> ListedRows(rows).share_alike("has_pool").tolist()
        [0.5, 0.5, 0.0]
        """
        return self._once("alike", name, self._share_alike)

    def _once(self, what: str, name: str, compute: Callable[[str], Numbers]) -> Numbers:
        if (what, name) not in self._kept:
            self._kept[what, name] = compute(name)
        return self._kept[what, name]

    def _number(self, name: str) -> Numbers:
        unknown = np.full(self.rows.num_rows, np.nan)
        if name not in self.rows.column_names:
            return unknown
        column = self.rows[name].combine_chunks()
        if not (pa.types.is_boolean(column.type) or _is_number(column.type)):
            return unknown
        return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False))

    @cached_property
    def _list(self) -> np.ndarray[Any, Any]:
        return _codes(self.rows["id_search"])

    @cached_property
    def _place_in_list(self) -> np.ndarray[Any, Any]:
        """Of each row within its list, from 0."""
        order = np.argsort(self._list, kind="stable")
        sizes = np.bincount(self._list)
        place_N = np.empty(len(order), dtype=np.int64)
        place_N[order] = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return place_N

    def _others_median(self, value_N: Numbers) -> Numbers:
        if not len(value_N):
            return value_N
        at = (self._list, self._place_in_list)
        value_LP = np.full((self._list.max() + 1, self._place_in_list.max() + 1), np.nan)
        value_LP[at] = value_N
        # Without the row itself: from its own place on, the sorted values move up by one.
        own_LP = np.argsort(np.argsort(value_LP, axis=1, kind="stable"), axis=1, kind="stable")
        sorted_LP = np.sort(value_LP, axis=1)  # unknown ones (NaN) go last
        known_L = (~np.isnan(value_LP)).sum(axis=1)
        own_N = own_LP[at]
        others_N = known_L[self._list] - ~np.isnan(value_N)
        middle = [
            self._sorted_at(sorted_LP, place + (place >= own_N))
            for place in (np.maximum(others_N - 1, 0) // 2, others_N // 2)
        ]
        return np.where(others_N > 0, (middle[0] + middle[1]) / 2, np.nan)

    def _sorted_at(self, sorted_LP: Numbers, place_N: np.ndarray[Any, Any]) -> Numbers:
        return np.asarray(sorted_LP[self._list, np.minimum(place_N, sorted_LP.shape[1] - 1)])

    def _share_alike(self, name: str) -> Numbers:
        if name not in self.rows.column_names or not self.rows.num_rows:
            return np.full(self.rows.num_rows, np.nan)
        value_N = _codes(self.rows[name])
        pairs = self._list * (value_N.max() + 1) + value_N
        _, pair_N, counts = np.unique(pairs, return_inverse=True, return_counts=True)
        others_N = np.bincount(self._list)[self._list] - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(others_N > 0, (counts[pair_N] - 1) / others_N, np.nan)


def _codes(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    encoded = pc.dictionary_encode(column.combine_chunks(), null_encoding="encode")
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    return np.asarray(encoded.indices, dtype=np.int64)


def _is_number(of: pa.DataType) -> bool:
    return bool(pa.types.is_integer(of) or pa.types.is_floating(of))
