"""Intervals and tests: the bootstrap clustered by guest, paired differences, Holm, jackknife.

A guest's searches are alike, so guests are drawn, not searches or rows. A replicate gives
each guest a weight (how often it was drawn); a matrix product of the weights and the sums
per guest yields a thousand replicates of hundreds of figures at once. A worked example
stands at the top of :mod:`models.evaluation.segment_intervals`.

Legend: R replicates, r replicates of one chunk, C clusters (guests), S searches, M figures,
G guests of one segment.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from models.evaluation.arrays import Floats, Integers

__all__ = [
    "FEWEST_CLUSTERS",
    "UNIT_INTERVAL",
    "Draws",
    "Interval",
    "bootstrap_sums",
    "difference_test",
    "draw_weights",
    "holm",
    "jackknife_interval",
    "percentile_interval",
    "ratio",
    "sums_by_cluster",
]

UNIT_INTERVAL = (0.0, 1.0)
"""Bounds of a share."""

FEWEST_CLUSTERS = 2
"""Guests that an interval needs: one guest drawn again and again is always the same guest."""

# Replicates that differ by less, beside a figure of 1, differ by the rounding of their sums.
_ROUNDING = 1e-10

# Most weights in one chunk of replicates (as 64-bit numbers in the product: 64 MiB), and most
# in all chunks together (one byte each: 256 MiB) for them to be cached for the next segment.
_CHUNK_WEIGHTS = 2**23
_CACHED_WEIGHTS = 2**28


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with the ends of its interval: ``low <= value <= high``, or both ends NaN."""

    value: float
    low: float
    high: float


class Draws:
    """How often each guest is drawn in each replicate: the same for every segment.

    Multinomial: each replicate draws C guests with replacement (Efron 1979). The weights
    are cached as bytes where they fit, else drawn again from the same seed.
    """

    def __init__(self, *, clusters: int, replicates: int, seed: int) -> None:
        self.clusters = clusters
        self.replicates = replicates
        self._seed = seed
        self._chunks: list[np.ndarray[Any, np.dtype[np.uint8]]] = []

    def __iter__(self) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
        """Chunks of replicates, each of shape (r, C)."""
        if self._chunks:
            yield from self._chunks
            return
        rng = np.random.default_rng(self._seed)
        chunks = draw_weights(rng, clusters=self.clusters, replicates=self.replicates)
        if self.clusters * self.replicates <= _CACHED_WEIGHTS:
            self._chunks = list(chunks)
            yield from self._chunks
        else:
            yield from chunks

    def sums(self, columns_GM: Floats, guests: Integers) -> Floats:
        """Replicates of the sums over these guests' rows; (G, M) → (R, M).

        ``guests`` are codes 0..C-1. A guest who is not among them would add nothing, so its
        weights are left out of the product; the others keep theirs.
        """
        everyone = len(guests) == self.clusters
        return np.vstack(
            [
                (chunk if everyone else chunk[:, guests]).astype(np.float64) @ columns_GM
                for chunk in self
            ]
        )


def draw_weights(
    rng: np.random.Generator, *, clusters: int, replicates: int
) -> Iterator[np.ndarray[Any, np.dtype[np.uint8]]]:
    """How often each cluster is drawn, in chunks of replicates; each of shape (r, C).

    Of three guests a replicate may draw 2, 0 and 2, which is the row (1, 0, 2).
    """
    per_chunk = max(1, min(replicates, _CHUNK_WEIGHTS // max(clusters, 1)))
    for first in range(0, replicates, per_chunk):
        count = min(per_chunk, replicates - first)
        drawn = rng.integers(0, clusters, size=(count, clusters), dtype=np.int32)
        # one count over all replicates at once: replicate i counts in the cells from i · C on
        drawn += (np.arange(count, dtype=np.int32) * clusters)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * clusters)
        # a weight has mean 1; one of 256 does not occur
        yield weights.reshape(count, clusters).astype(np.uint8)


def sums_by_cluster(
    values_SM: Floats, cluster: Integers, clusters: int, chosen: Integers | None = None
) -> Floats:
    """Sums over the searches of each cluster; (S, M) → (C, M).

    With ``chosen``, over these searches only; ``cluster`` then has one code for each.
    """
    searches = np.arange(len(values_SM)) if chosen is None else chosen
    # a sparse product picks the searches without a copy of the wide table
    belongs = sparse.csr_matrix(
        (np.ones(len(searches)), (cluster, searches)), shape=(clusters, len(values_SM))
    )
    return np.asarray(belongs @ values_SM)


def bootstrap_sums(
    numerators_CM: Floats, denominators_CD: Floats, *, replicates: int, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Replicates of the sums over clusters; (C, M), (C, D) → (R, M), (R, D).

    For one set of sums; where several segments share the draws, :class:`Draws`.
    """
    columns = np.hstack([numerators_CM, denominators_CD])
    parts = [
        weights.astype(np.float64) @ columns
        for weights in draw_weights(rng, clusters=len(columns), replicates=replicates)
    ]
    sums = np.vstack(parts)
    count = numerators_CM.shape[1]
    return sums[:, :count], sums[:, count:]


def ratio(numerators: Floats, denominators: Floats) -> Floats:
    """The quotient element by element, NaN where the denominator is 0."""
    undefined = np.full(np.shape(numerators), np.nan)
    return np.asarray(np.divide(numerators, denominators, out=undefined, where=denominators != 0))


def percentile_interval(value: float, replicates: Floats, *, confidence: float) -> Interval:
    """The central percentiles of the replicates, stretched to hold the value.

    NaN replicates (no scored search was drawn) are left out. The ends are NaN when none is
    left, and when the replicates do not vary: one guest, or guests who are all alike, say
    nothing about how far the figure of other guests would lie. An interval of zero width
    would say that it is exactly this.

    >>> percentile_interval(0.05, np.array([0.05, 0.05, np.nan]), confidence=0.95)
    Interval(value=0.05, low=nan, high=nan)
    """
    known = replicates[np.isfinite(replicates)]
    if not np.isfinite(value) or not _do_vary(known):
        return Interval(value=value, low=np.nan, high=np.nan)
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Interval(value=value, low=float(min(low, value)), high=float(max(high, value)))


def _do_vary(known: Floats) -> bool:
    """Whether finite values differ by more than the rounding of their sums."""
    if not len(known):
        return False
    return bool(np.ptp(known) > _ROUNDING * max(1.0, float(np.abs(known).max())))


def difference_test(
    difference: float, replicates: Floats, *, confidence: float
) -> tuple[Interval, float]:
    """A paired difference with its interval, and the two-sided p of no difference.

    ``replicates`` are differences of two models under the same draws. The p-value is
    2 · Φ(−|difference| / standard deviation of the replicates): unlike a count of
    replicates it has no floor of 1/R, which Holm over many comparisons would run into.

    Where the replicates do not vary there is neither interval nor p (NaN), with one
    exception: two models that are alike on every scored search differ by exactly 0, from 0
    to 0, with p = 1. That is no estimate but what the log shows.

    A difference of 0.02 in replicates that vary by 0.01 is two standard errors: p = 0.0455.

    >>> _, p = difference_test(0.02, np.array([0.01, 0.02, 0.03]), confidence=0.95)
    >>> round(p, 4)
    0.0455
    >>> difference_test(0.05, np.array([0.05, 0.05, 0.05]), confidence=0.95)
    (Interval(value=0.05, low=nan, high=nan), nan)
    """
    known = replicates[np.isfinite(replicates)]
    if _do_vary(known):
        spread = float(np.std(known, ddof=1))
        interval = percentile_interval(difference, known, confidence=confidence)
        return interval, float(2 * ndtr(-abs(difference) / spread))
    if len(known) and abs(difference) <= _ROUNDING:
        return Interval(value=difference, low=difference, high=difference), 1.0
    return Interval(value=difference, low=np.nan, high=np.nan), np.nan


def holm(p_values: Floats) -> Floats:
    """Holm's step-down adjusted p-values, in the given order (Holm 1979); NaN stays NaN.

    Of three, the smallest is multiplied by 3, the next by 2, the last by 1, and none
    may fall below one before it.

    >>> holm(np.array([0.04, 0.01, 0.03])).round(4).tolist()
    [0.06, 0.03, 0.06]
    """
    adjusted = np.full(len(p_values), np.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    stepped = p_values[order] * (len(order) - np.arange(len(order)))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def jackknife_interval(
    value: float,
    left_out: Floats,
    *,
    confidence: float,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Interval:
    """The value ± a normal interval from G values, each with one group of guests left out.

    For figures of the whole list (coverage, Gini, calibration error), which resampling
    with replacement biases: a guest drawn twice shows no new listing. The ends are cut at
    ``bounds``, between which the figure must lie; they are NaN with fewer than two groups, or
    where leaving out a group changes nothing.

    Leaving out each of 4 groups gives 1, 3, 1, 3: the standard error is √(3/4 · 4) = 1.732;
    times 1.96 it is 3.395.

    >>> interval = jackknife_interval(2.0, np.array([1.0, 3.0, 1.0, 3.0]), confidence=0.95)
    >>> round(interval.high - interval.value, 3)
    3.395
    """
    known = left_out[np.isfinite(left_out)]
    groups = len(known)
    if groups < 2 or not np.isfinite(value) or not _do_vary(known):
        return Interval(value=value, low=np.nan, high=np.nan)
    error = np.sqrt((groups - 1) / groups * np.sum((known - known.mean()) ** 2))
    reach = float(ndtri((1 + confidence) / 2) * error)
    return Interval(
        value=value, low=max(value - reach, bounds[0]), high=min(value + reach, bounds[1])
    )
