"""Compares the results of each search with NumPy, without windows or joins.

Searches with the same number of results form one matrix (results × searches), so that
comparing all of them with their n-th result is one operation.

One search with four results, nightly prices and distances in km, where low is good:

>>> results = ResultsBySearch(pl.Series([7, 7, 7, 7]))
>>> price = np.array([100.0, 200.0, 200.0, 400.0])
>>> kinds = ("rank", "to_median", "to_best", "z")
>>> compared = results.comparisons(price, kinds, low_is_good=True)
>>> compared["rank"].tolist()  # the two at 200 share the better rank
[1, 2, 2, 4]
>>> compared["to_median"].tolist()  # the median is 200
[0.5, 1.0, 1.0, 2.0]
>>> compared["to_best"].tolist()  # the best is the lowest: 100
[1.0, 2.0, 2.0, 4.0]

The z-score uses the prices' positions between 100 and 400 in whole millionths: 0, 333333,
333333, 1000000. Their mean is 416666.5, their standard deviation 363241.6.

>>> compared["z"].round(3).tolist()
[-1.147, -0.229, -0.229, 1.606]

The third result is worse than the first and the second in both values; the fourth is dearer
than the second and no nearer.

>>> results.dominated_by([price, np.array([2.0, 1.0, 3.0, 1.0])]).tolist()
[0, 0, 2, 1]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property, reduce
from operator import and_, or_
from typing import Any

import numpy as np
import polars as pl

__all__ = ["RESOLUTION", "ResultsBySearch", "as_array"]

Array = np.ndarray[Any, np.dtype[Any]]

RESOLUTION = 1_000_000
"""A value's position between the lowest and highest of its search, in whole millionths."""


def as_array(values: pl.Series) -> Array:
    """The numbers as float64, NaN where they are null."""
    return np.asarray(values.cast(pl.Float64).to_numpy())


class ResultsBySearch:
    """The rows of one frame, grouped by the search that they are results of."""

    def __init__(self, searches: pl.Series) -> None:
        """``searches``: the search of each row; rows of one search need not be adjacent."""
        self.rows = len(searches)
        self._order = searches.arg_sort().to_numpy()
        lengths = searches[self._order].rle().struct.field("len").to_numpy().astype(np.int64)
        self._starts = np.cumsum(lengths) - lengths
        self._lengths = lengths

    @cached_property
    def row_numbers(self) -> list[Array]:
        """One matrix of row numbers (results × searches) per number of results.

        >>> results = ResultsBySearch(pl.Series(["b", "a", "b", "c"]))
        >>> [matrix.tolist() for matrix in results.row_numbers]  # a and c have one, b has two
        [[[1, 3]], [[0], [2]]]
        """
        return [*self._matrices()]

    def _matrices(self) -> Iterator[Array]:
        for length in np.unique(self._lengths):
            places = np.arange(length)[:, None] + self._starts[self._lengths == length]
            yield self._order[places]

    def dominated_by(self, values: Collection[Array]) -> Array:
        """Per row, how many results of its search are better; int32.

        Better means: no worse in any of the values, and better in one. Low is good. A row
        with a NaN is not better than any other, and none is better than it.
        """
        counts = np.zeros(self.rows, dtype=np.int32)
        for rows in self.row_numbers:
            counts[rows] = _dominating_counts([value[rows] for value in values])
        return counts

    def result_counts(self) -> Array:
        """Per row, the number of results of its search; uint32."""
        counts = np.zeros(self.rows, dtype=np.uint32)
        for rows in self.row_numbers:
            counts[rows] = len(rows)
        return counts

    def same_code_counts(self, codes: Array) -> Array:
        """Per row, how many results of its search have its code, itself included; uint32."""
        counts = np.zeros(self.rows, dtype=np.uint32)
        for rows in self.row_numbers:
            matrix = codes[rows]
            counts[rows] = sum((matrix == other).astype(np.uint32) for other in matrix)
        return counts

    def comparisons(
        self, values: Array, kinds: Collection[str], *, low_is_good: bool
    ) -> dict[str, Array]:
        """Each row's value (NaN where unknown) compared with those of its search.

        ``kinds`` among ``rank`` (uint32, 0 where unknown), ``z``, ``to_median`` and
        ``to_best`` (float64, NaN where unknown).
        """
        dtypes = {kind: np.uint32 if kind == "rank" else np.float64 for kind in kinds}
        columns: dict[str, Array] = {k: np.empty(self.rows, dtype=d) for k, d in dtypes.items()}
        for rows in self.row_numbers:
            matrix = _ValueMatrix(values[rows], low_is_good=low_is_good)
            for kind, column in columns.items():
                column[rows] = getattr(matrix, kind)()
        return columns


class _ValueMatrix:
    """The values (results × searches) of all searches with the same number of results."""

    def __init__(self, values: Array, *, low_is_good: bool) -> None:
        self.values, self.low_is_good = values, low_is_good
        self.ordered = np.sort(values, axis=0)  # unknown ones (NaN) go last
        self.known_counts = len(values) - np.isnan(values).sum(axis=0)
        self.lowest = self.ordered[0]
        self.highest = _ordered_at(self.ordered, np.maximum(self.known_counts - 1, 0))

    def rank(self) -> Array:
        """1 for the best; ties share the better rank; 0 where unknown."""
        # Python loops over the shorter side of the matrix.
        results, searches = self.values.shape
        ranks = self._rank_result_by_result() if results <= searches else self._rank_by_search()
        return ranks * ~np.isnan(self.values)

    def z(self) -> Array:
        """Less the mean, in standard deviations of the search."""
        return _z(self.values, self.lowest, self.highest, self.known_counts)

    def to_median(self) -> Array:
        """As a multiple of the median; NaN where that is not positive."""
        last = np.maximum(self.known_counts - 1, 0)
        lower = _ordered_at(self.ordered, last // 2)
        upper = _ordered_at(self.ordered, self.known_counts // 2)
        return _multiple_of_positive(self.values, (lower + upper) * 0.5)

    def to_best(self) -> Array:
        """As a multiple of the best value; NaN where that is not positive."""
        best = self.lowest if self.low_is_good else self.highest
        return _multiple_of_positive(self.values, best)

    def _rank_result_by_result(self) -> Array:
        ranks = np.ones(self.values.shape, dtype=np.uint32)
        for other in self.values:
            ranks += other < self.values if self.low_is_good else other > self.values
        return ranks

    def _rank_by_search(self) -> Array:
        ranks = np.empty(self.values.shape, dtype=np.uint32)
        for search, known_count in enumerate(self.known_counts):
            ordered, own = self.ordered[:known_count, search], self.values[:, search]
            if self.low_is_good:
                ranks[:, search] = np.searchsorted(ordered, own, side="left") + 1
            else:
                ranks[:, search] = known_count - np.searchsorted(ordered, own, side="right") + 1
        return ranks


def _multiple_of_positive(values: Array, of: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(of > 0, values / of, np.nan)


def _ordered_at(ordered: Array, places: Array) -> Array:
    """The value of each search (column) at its own place in the order."""
    within = np.minimum(places, len(ordered) - 1)
    return np.asarray(np.take_along_axis(ordered, within[None], axis=0)[0])


def _z(values: Array, lowest: Array, highest: Array, known_counts: Array) -> Array:
    # Positions are integers from 0 at the lowest value to a million at the highest: their
    # sums are exact, so that the order of the rows cannot change the last bit.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (values - lowest) / (highest - lowest)
        has_position = (highest > lowest) & ~np.isnan(share)
        position = np.floor(share * RESOLUTION + 0.5)
        position = np.where(has_position, position, 0).astype(np.int64)
        total, squares = position.sum(axis=0), (position * position).sum(axis=0)
        # n²·variance and n·(position - mean), so that no division comes before the last one.
        spread = np.sqrt((known_counts * squares - total * total).astype(np.float64))
        away = (known_counts * position - total).astype(np.float64)
        return np.where(has_position & (spread > 0), away / spread, np.nan)


def _dominating_counts(values: list[Array]) -> Array:
    """Per result, how many of the same column are better; each of ``values`` is one matrix."""
    counts = np.zeros(values[0].shape, dtype=np.int32)
    for other in range(len(counts)):
        rivals = [value[other] for value in values]
        no_worse = reduce(and_, (r <= v for r, v in zip(rivals, values, strict=True)))
        better = reduce(or_, (r < v for r, v in zip(rivals, values, strict=True)))
        counts += no_worse & better
    return counts
