"""Results of the same search compared as arrays: no window, no pairs in memory. Polars only.

Searches with equally many results make one matrix, so that a comparison with the n-th
result of every search is one operation. Tests hold all of it equal to the same features
written as windows and joins, which other engines compute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property, reduce
from operator import and_, or_

import numpy as np
import polars as pl

from features.arrays import Array

__all__ = ["RESOLUTION", "Results", "Standings", "as_array"]

RESOLUTION = 1_000_000
"""Places between the lowest and the highest value of a search are counted in millionths."""


def as_array(values: pl.Series) -> Array:
    """The numbers as float64, NaN where they are null."""
    return np.asarray(values.cast(pl.Float64).to_numpy())


class Results:
    """The rows of one frame, by search."""

    def __init__(self, searches: pl.Series) -> None:
        self.rows = len(searches)
        self._order = searches.arg_sort().to_numpy()
        lengths = searches[self._order].rle().struct.field("len").to_numpy().astype(np.int64)
        self._starts = np.cumsum(lengths) - lengths
        self._lengths = lengths

    @cached_property
    def by_size(self) -> list[Array]:
        """Row numbers, results × searches, of the searches with equally many results."""
        return [*self._sizes()]

    def _sizes(self) -> Iterator[Array]:
        for length in np.unique(self._lengths):
            places = np.arange(length)[:, None] + self._starts[self._lengths == length]
            yield self._order[places]

    def dominated_by(self, values: Collection[Array]) -> Array:
        """Per row, how many results of its search are better; low is good, NaN is nobody's better.

        Better means: no worse in any of the values, and better in one.
        """
        counts = np.zeros(self.rows, dtype=np.int32)
        for places in self.by_size:
            counts[places] = _dominating([value[places] for value in values])
        return counts

    def alike(self, codes: Array) -> Array:
        """Per row, how many results of its search have the same code, itself included."""
        counts = np.zeros(self.rows, dtype=np.uint32)
        for places in self.by_size:
            chosen = codes[places]
            counts[places] = sum((chosen == other).astype(np.uint32) for other in chosen)
        return counts

    def standings(self, values: Array, *, low_is_good: bool) -> Standings:
        """Rank, place and ratios of these values (NaN where unknown) in their searches."""
        found = Standings.empty(self.rows)
        for places in self.by_size:
            found.fill(places, values[places], low_is_good=low_is_good)
        return found


class Standings:
    """Per row, how its value stands among those of its search; NaN where that is unknown."""

    def __init__(self, rank: Array, z: Array, to_median: Array, to_best: Array) -> None:
        self.rank, self.z, self.to_median, self.to_best = rank, z, to_median, to_best

    @classmethod
    def empty(cls, rows: int) -> Standings:
        rank = np.zeros(rows, dtype=np.uint32)
        return cls(rank, *(np.full(rows, np.nan) for _ in range(3)))

    def fill(self, places: Array, values: Array, *, low_is_good: bool) -> None:
        """Of searches with equally many results; both are results × searches."""
        ordered = np.sort(values, axis=0)  # unknown ones go last
        known = len(values) - np.isnan(values).sum(axis=0)
        lowest, highest = ordered[0], _nth(ordered, np.maximum(known - 1, 0))
        middle = _nth(ordered, np.maximum(known - 1, 0) // 2), _nth(ordered, known // 2)
        median = (middle[0] + middle[1]) * 0.5
        best = lowest if low_is_good else highest
        self.rank[places] = _ranks(values, ordered, known, low_is_good=low_is_good)
        self.z[places] = _z(values, lowest, highest, known)
        with np.errstate(divide="ignore", invalid="ignore"):
            self.to_median[places] = np.where(median > 0, values / median, np.nan)
            self.to_best[places] = np.where(best > 0, values / best, np.nan)


def _nth(ordered: Array, place: Array) -> Array:
    last = np.minimum(place, len(ordered) - 1)
    return np.asarray(np.take_along_axis(ordered, last[None], axis=0)[0])


def _ranks(values: Array, ordered: Array, known: Array, *, low_is_good: bool) -> Array:
    """1 for the best; ties share the better rank; 0 where unknown."""
    ranks = np.zeros(values.shape, dtype=np.uint32)
    results, searches = values.shape
    if results <= searches:
        for other in values:
            ranks += other < values if low_is_good else other > values
        return (ranks + 1) * ~np.isnan(values)
    for search in range(searches):
        shown = ordered[: known[search], search]
        side = "left" if low_is_good else "right"
        below = np.searchsorted(shown, values[:, search], side=side)
        ranks[:, search] = (below if low_is_good else len(shown) - below) + 1
    return ranks * ~np.isnan(values)


def _z(values: Array, lowest: Array, highest: Array, known: Array) -> Array:
    # Places are integers from 0 at the lowest value to a million at the highest, so that
    # their sums are exact, at a scale that suits every column.
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (values - lowest) / (highest - lowest)
        is_placed = (highest > lowest) & ~np.isnan(share)
        place = np.where(is_placed, np.floor(share * RESOLUTION + 0.5), 0).astype(np.int64)
        total, squares = place.sum(axis=0), (place * place).sum(axis=0)
        spread = np.sqrt((known * squares - total * total).astype(np.float64))
        away = (known * place - total).astype(np.float64)
        return np.where(is_placed & (spread > 0), away / spread, np.nan)


def _dominating(values: list[Array]) -> Array:
    counts = np.zeros(values[0].shape, dtype=np.int32)
    for other in range(len(counts)):
        rivals = [value[other] for value in values]
        no_worse = reduce(and_, (r <= v for r, v in zip(rivals, values, strict=True)))
        better = reduce(or_, (r < v for r, v in zip(rivals, values, strict=True)))
        counts += no_worse & better
    return counts
