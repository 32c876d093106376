"""Ranking metrics, one value per search, over all searches at once.

Every metric reads :class:`Hits`: the rows that carry gain and the rank that a model gave
them. Rows without gain matter only through those ranks. A search without any hit has no
value (NaN): it must be left out of the mean and counted, not scored 0 or 1.

Two searches of three rows, booked or not, in the order of a model; the second has no booking:

    search   rank 1   rank 2   rank 3        Hits: search (0, 0), rank (1, 3), gain (1, 1)
      0      booked      –     booked
      1        –         –       –           NDCG (1 + 1/2) / (1 + 1/log2(3)), then NaN

Legend: S searches, P hits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.evaluation.arrays import Floats, Integers

__all__ = [
    "Hits",
    "auc_within_search",
    "average_precision",
    "dcg",
    "hit_rate",
    "ideal_dcg",
    "ndcg",
    "precision",
    "recall",
    "reciprocal_rank",
]


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The rows with gain of all searches, and where one model ranked them.

    Attributes:
        search: search of each hit, 0..S-1, ascending; shape (P,).
        rank: rank of each hit in its search, from 1; shape (P,).
        gain: gain of each hit, above 0 (1 in the binary metrics); shape (P,).
        searches: S, with and without hits.
    """

    search: Integers
    rank: Integers
    gain: Floats
    searches: int

    @property
    def counts(self) -> Floats:
        """Hits of each search; shape (S,)."""
        return np.bincount(self.search, minlength=self.searches).astype(np.float64)

    def summed(self, values: Floats) -> Floats:
        """Sum of a value per hit over each search; shape (S,)."""
        return np.bincount(self.search, weights=values, minlength=self.searches).astype(np.float64)


def _divided(numerator: Floats, denominator: Floats) -> Floats:
    """The quotient, NaN where the denominator is 0."""
    undefined = np.full(len(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=undefined, where=denominator > 0))


def _place(groups: Integers, values: Floats | Integers) -> Integers:
    """Place of each value in its group, 1 for the smallest; ``groups`` ascend.

    >>> _place(np.array([0, 0, 0, 1]), np.array([7, 3, 5, 9])).tolist()
    [3, 1, 2, 1]
    """
    order = np.lexsort((values, groups))
    starts = np.searchsorted(groups[order], groups[order], side="left")
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(len(order)) - starts + 1
    return places


def dcg(hits: Hits, k: int) -> Floats:
    """Discounted cumulative gain, Σ gain / log2(rank + 1) over the top k; shape (S,).

    Järvelin & Kekäläinen (2002), with the logarithm of the rank plus one.

    Booked at rank 1 and at rank 3: 1/1 + 1/2.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([1, 3]), gain=np.ones(2), searches=1)
    >>> dcg(hits, 5).tolist(), dcg(hits, 2).tolist()
    ([1.5], [1.0])
    """
    discounts = np.where(hits.rank <= k, 1 / np.log2(hits.rank + 1.0), 0.0)
    return hits.summed(hits.gain * discounts)


def ideal_dcg(hits: Hits, k: int) -> Floats:
    """The highest DCG that any order reaches: hits first, by falling gain; shape (S,).

    Gains 0.25 and 1 at best stand at ranks 2 and 1: 1 + 0.25 / log2(3).

    >>> hits = Hits(
    ...     search=np.zeros(2, int), rank=np.array([4, 9]), gain=np.array([0.25, 1]), searches=1
    ... )
    >>> bool(np.isclose(ideal_dcg(hits, 5)[0], 1 + 0.25 / np.log2(3)))
    True
    """
    best = Hits(
        search=hits.search,
        rank=_place(hits.search, -hits.gain),
        gain=hits.gain,
        searches=hits.searches,
    )
    return dcg(best, k)


def ndcg(hits: Hits, k: int) -> Floats:
    """DCG over the ideal DCG, both cut at k; NaN without hits; shape (S,).

    The one booking stands at rank 3: (1 / log2 4) / 1 = 1/2. The second search has none.

    >>> hits = Hits(search=np.array([0]), rank=np.array([3]), gain=np.ones(1), searches=2)
    >>> ndcg(hits, 5).tolist()
    [0.5, nan]
    """
    return _divided(dcg(hits, k), ideal_dcg(hits, k))


def reciprocal_rank(hits: Hits) -> Floats:
    """1 / rank of the first hit (its mean is the MRR); NaN without hits; shape (S,).

    Hits at ranks 2 and 4: 1/2.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([4, 2]), gain=np.ones(2), searches=1)
    >>> reciprocal_rank(hits).tolist()
    [0.5]
    """
    best = np.zeros(hits.searches)
    np.maximum.at(best, hits.search, 1.0 / hits.rank)
    return _divided(best, (best > 0).astype(np.float64))


def recall(hits: Hits, k: int) -> Floats:
    """Share of the search's hits in the top k; NaN without hits; shape (S,).

    One of two in the top 3: 1/2.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([4, 2]), gain=np.ones(2), searches=1)
    >>> recall(hits, 3).tolist()
    [0.5]
    """
    return _divided(hits.summed((hits.rank <= k).astype(np.float64)), hits.counts)


def hit_rate(hits: Hits, k: int) -> Floats:
    """1 when any hit is in the top k, else 0; NaN without hits; shape (S,).

    >>> hits = Hits(
    ...     search=np.array([0, 0, 1]), rank=np.array([4, 2, 4]), gain=np.ones(3), searches=2
    ... )
    >>> hit_rate(hits, 3).tolist()
    [1.0, 0.0]
    """
    in_top = hits.summed((hits.rank <= k).astype(np.float64))
    return _divided((in_top > 0).astype(np.float64), (hits.counts > 0).astype(np.float64))


def precision(hits: Hits, k: int) -> Floats:
    """Hits in the top k over k, also where fewer than k rows exist; NaN without hits.

    Two hits in the top 4: 2/4.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([4, 2]), gain=np.ones(2), searches=1)
    >>> precision(hits, 4).tolist()
    [0.5]
    """
    in_top = hits.summed((hits.rank <= k).astype(np.float64))
    return _divided(in_top / k, (hits.counts > 0).astype(np.float64))


def average_precision(hits: Hits) -> Floats:
    """Mean over the hits of the precision at their ranks (its mean is the MAP); shape (S,).

    Hits at ranks 1 and 4: (1/1 + 2/4) / 2 = 3/4.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([4, 1]), gain=np.ones(2), searches=1)
    >>> average_precision(hits).tolist()
    [0.75]
    """
    return _divided(hits.summed(_place(hits.search, hits.rank) / hits.rank), hits.counts)


def auc_within_search(hits: Hits, sizes: Integers) -> Floats:
    """Share of the search's (hit, other row) pairs with the hit above; shape (S,).

    NaN without hits, or where every row is a hit. A tied pair counts as the tie was broken.

    Ranks 1 and 3 of 4 rows: of four pairs, three are in order.

    >>> hits = Hits(search=np.array([0, 0]), rank=np.array([1, 3]), gain=np.ones(2), searches=1)
    >>> auc_within_search(hits, np.array([4])).tolist()
    [0.75]
    """
    counts = hits.counts
    below = hits.summed((sizes[hits.search] - hits.rank).astype(np.float64))
    # of the rows below the hits, counts · (counts − 1) / 2 are hits themselves
    return _divided(below - counts * (counts - 1) / 2, counts * (sizes - counts))
