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

from features.history.packed_keys import Array

__all__ = ["RESOLUTION", "Results", "as_array"]

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

    def alike(self, codes: Array | None) -> Array:
        """Per row, how many results of its search have its code; without codes, all of them."""
        counts = np.zeros(self.rows, dtype=np.uint32)
        for places in self.by_size:
            if codes is None:
                counts[places] = len(places)
            else:
                shown = codes[places]
                counts[places] = sum((shown == other).astype(np.uint32) for other in shown)
        return counts

    def standings(
        self, values: Array, kinds: Collection[str], *, low_is_good: bool
    ) -> dict[str, Array]:
        """How these values (NaN where unknown) stand in their searches.

        ``kinds`` among ``rank`` (uint32, 0 where unknown), ``z``, ``to_median`` and
        ``to_best`` (float64, NaN where unknown).
        """
        dtypes = {kind: np.uint32 if kind == "rank" else np.float64 for kind in kinds}
        found: dict[str, Array] = {k: np.empty(self.rows, dtype=d) for k, d in dtypes.items()}
        for places in self.by_size:
            shown = _Shown(values[places], low_is_good=low_is_good)
            for kind, held in found.items():
                held[places] = getattr(shown, kind)()
        return found


class _Shown:
    """Values (results × searches) of searches with equally many results."""

    def __init__(self, values: Array, *, low_is_good: bool) -> None:
        self.values, self.low_is_good = values, low_is_good
        self.ordered = np.sort(values, axis=0)  # unknown ones go last
        self.known = len(values) - np.isnan(values).sum(axis=0)
        self.lowest = self.ordered[0]
        self.highest = _nth(self.ordered, np.maximum(self.known - 1, 0))

    def rank(self) -> Array:
        """1 for the best; ties share the better rank; 0 where unknown."""
        results, searches = self.values.shape
        ranks = self._among_few() if results <= searches else self._among_many()
        return ranks * ~np.isnan(self.values)

    def z(self) -> Array:
        """Less the mean, in standard deviations of the search."""
        return _z(self.values, self.lowest, self.highest, self.known)

    def to_median(self) -> Array:
        last = np.maximum(self.known - 1, 0)
        middle = _nth(self.ordered, last // 2), _nth(self.ordered, self.known // 2)
        return _multiple(self.values, (middle[0] + middle[1]) * 0.5)

    def to_best(self) -> Array:
        return _multiple(self.values, self.lowest if self.low_is_good else self.highest)

    def _among_few(self) -> Array:
        ranks = np.ones(self.values.shape, dtype=np.uint32)
        for other in self.values:
            ranks += other < self.values if self.low_is_good else other > self.values
        return ranks

    def _among_many(self) -> Array:
        ranks = np.empty(self.values.shape, dtype=np.uint32)
        for search, known in enumerate(self.known):
            shown, own = self.ordered[:known, search], self.values[:, search]
            if self.low_is_good:
                ranks[:, search] = np.searchsorted(shown, own, side="left") + 1
            else:
                ranks[:, search] = known - np.searchsorted(shown, own, side="right") + 1
        return ranks


def _multiple(values: Array, of: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(of > 0, values / of, np.nan)


def _nth(ordered: Array, place: Array) -> Array:
    last = np.minimum(place, len(ordered) - 1)
    return np.asarray(np.take_along_axis(ordered, last[None], axis=0)[0])


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
