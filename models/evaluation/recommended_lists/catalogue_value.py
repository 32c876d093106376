"""G and the expected DCG of recommended lists, over all listings that a search allows.

As :mod:`models.evaluation.oracle`, but the random and the best order are of the whole
catalogue, not of what a search showed:

    G = (model − random) / (oracle − random)        of Σ P(book) / log2(place + 1)

A taken listing is worth 0. Over the listings known to be free (``…_known_free``) random and
oracle choose among these alone, which asks how well a model orders what can be booked at all.

One guest, whose search allows listings worth 0.4, 0.2 and 0 (taken), k = 2. The model gives the
second, then the taken one:

    random   mean 0.2 · (1 + 1/log2(3))     = 0.2 · 1.6309    = 0.3262
    oracle   0.4 / 1 + 0.2 / log2(3)                          = 0.5262
    model    0.2 / 1 + 0                                      = 0.2
    G        (0.2 − 0.3262) / (0.5262 − 0.3262)               = −0.631

>>> from models.evaluation.recommended_lists.lists import Lists
>>> bounds = catalogue_bounds(np.zeros(3, int), np.array([0.4, 0.2, 0.0]), queries=1, k=2)
>>> bounds.random_Q.round(4).tolist(), bounds.oracle_Q.round(4).tolist()
([0.3262], [0.5262])
>>> lists = Lists(
...     model="m", query_R=np.zeros(2, int), place_R=np.array([1, 2]), listing_R=np.array([1, 2])
... )
>>> g = g_metric(lists, np.array([0.2, 0.0]), bounds, name="taste")
>>> g.metric, (g.numerator / g.denominator).round(3).tolist()
('catalogue_g_taste_at_2', [-0.631])

Legend: Q queries (one per guest), P pairs of a query and a listing that it allows, R recommended
rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.metrics import Hits, dcg
from models.evaluation.oracle import Ceiling, expected_dcg, random_dcg
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches, named_at
from models.evaluation.recommended_lists.lists import Lists

__all__ = ["CatalogueBounds", "catalogue_bounds", "expected_dcg_metric", "g_metric"]

# What a list may exceed the best order by: the truth is computed in 32 bits, in blocks whose
# size decides its last digits.
_ROUNDING = 1e-5


@dataclass(frozen=True, kw_only=True)
class CatalogueBounds:
    """Between what the expected DCG of a list can lie; parts of the queries add up.

    Attributes:
        k: cut-off.
        random_Q: expected DCG of a random order of what the query allows; 0 without pairs.
        oracle_Q: expected DCG of the best order.
        pairs_Q: listings that the query allows.
    """

    k: int
    random_Q: Floats
    oracle_Q: Floats
    pairs_Q: Integers

    def __add__(self, other: CatalogueBounds) -> CatalogueBounds:
        """The bounds of both parts together.

        Raises ``ValueError`` on unlike cut-offs or numbers of queries, and when a query has
        pairs in both: the best of two halves is not the best of the whole.
        """
        if self.k != other.k or len(self.pairs_Q) != len(other.pairs_Q):
            raise ValueError("only bounds with one cut-off, over the same queries, add up")
        both = np.flatnonzero((self.pairs_Q > 0) & (other.pairs_Q > 0))
        if len(both):
            raise ValueError(f"query {both[0]} has pairs in two parts; give whole queries")
        return CatalogueBounds(
            k=self.k,
            random_Q=self.random_Q + other.random_Q,
            oracle_Q=self.oracle_Q + other.oracle_Q,
            pairs_Q=self.pairs_Q + other.pairs_Q,
        )


def catalogue_bounds(
    query_P: Integers, value_P: Floats, *, queries: int, k: int
) -> CatalogueBounds:
    """The bounds from all pairs of some whole queries, sorted by query.

    ``value_P`` is P(book | examined), 0 where taken. Queries that have no pair here get 0,
    so that blocks of whole queries add up:

    >>> first = catalogue_bounds(np.array([0, 0]), np.array([0.1, 0.3]), queries=2, k=1)
    >>> second = catalogue_bounds(np.array([1]), np.array([0.5]), queries=2, k=1)
    >>> both = first + second
    >>> both.random_Q.tolist(), both.oracle_Q.tolist(), both.pairs_Q.tolist()
    ([0.2, 0.5], [0.3, 0.5], [2, 1])

    Raises ``ValueError`` on values outside 0..1, and on queries that do not ascend or lie
    outside 0..Q-1.
    """
    if query_P.shape != np.shape(value_P) or k < 1:
        raise ValueError(f"{np.shape(value_P)} values for {query_P.shape} pairs, k={k}")
    if (np.diff(query_P) < 0).any():
        raise ValueError("pairs must be sorted by query")
    random_Q, oracle_Q = np.zeros(queries), np.zeros(queries)
    if len(query_P):
        if query_P[0] < 0 or query_P[-1] >= queries:
            raise ValueError(f"pairs of query {query_P[0]}..{query_P[-1]}, of {queries} queries")
        pairs, asked = _as_searches(query_P), np.unique(query_P)
        best = Ceiling(pairs, "the catalogue", np.asarray(value_P, dtype=np.float64))
        random_Q[asked] = random_dcg(pairs, best.truth, k)
        oracle_Q[asked] = expected_dcg(pairs, best.ranks, best.truth, k)
    pairs_Q = np.bincount(query_P, minlength=queries).astype(np.int64)
    return CatalogueBounds(k=k, random_Q=random_Q, oracle_Q=oracle_Q, pairs_Q=pairs_Q)


def _as_searches(query_P: Integers) -> ArrangedRows:
    """The pairs as rows of searches, for the formulas of the oracle; nothing has happened yet."""
    rows = np.arange(len(query_P))
    starts = np.flatnonzero(np.diff(query_P, prepend=-1))
    sizes = np.diff(np.r_[starts, len(query_P)])
    return ArrangedRows(
        order=rows,
        search=np.repeat(np.arange(len(starts)), sizes),
        starts=starts,
        sizes=sizes,
        cluster=np.arange(len(starts)),
        stage=np.zeros(len(query_P), dtype=np.int64),
        listing=rows,
        ties=rows.astype(np.uint64),
        guests_known=len(starts),
    )


def _list_dcg(lists: Lists, value_R: Floats, bounds: CatalogueBounds) -> Floats:
    """Expected DCG of each list, 0 of an empty one; shape (Q,)."""
    queries, order = len(bounds.pairs_Q), lists.order
    lists.check_queries(queries)
    value = lists.check_shares("P(book)", value_R)
    rows = Hits(
        search=lists.query_R[order], rank=lists.place_R[order], gain=value[order], searches=queries
    )
    return dcg(rows, bounds.k)


def g_metric(lists: Lists, value_R: Floats, bounds: CatalogueBounds, *, name: str) -> RatioMetric:
    """``catalogue_g_NAME_at_k``; the module's example.

    ``value_R`` is P(book | examined) of each recommended row by the same truth as the bounds,
    0 where the listing is taken or the search does not allow it. A guest whose search allows
    nothing is not scored.

    Raises ``ValueError`` when a list is worth more than the best order: its values are not
    those of the bounds, or the bounds lack pairs.
    """
    model_Q = _list_dcg(lists, value_R, bounds)
    better = np.flatnonzero(model_Q > bounds.oracle_Q + _ROUNDING)
    if len(better):
        at = better[0]
        raise ValueError(
            f"{lists}: {len(better)} lists are worth more than the best order of {name}, such as "
            f"query {at}: {model_Q[at]} above {bounds.oracle_Q[at]}"
        )
    return RatioMetric(
        metric=named_at(f"catalogue_g_{name}", bounds.k),
        k=bounds.k,
        numerator=model_Q - bounds.random_Q,
        denominator=bounds.oracle_Q - bounds.random_Q,
        scored=(bounds.pairs_Q > 0).astype(np.float64),
    )


def expected_dcg_metric(
    lists: Lists, value_R: Floats, bounds: CatalogueBounds, *, name: str
) -> RatioMetric:
    """``catalogue_expected_dcg_NAME_at_k``: the mean over all guests, 0 for an empty list.

    Anna's list is worth 0.5 in place 1 and 0.6309 · 0.5 in place 2, Ben has none:

    >>> from models.evaluation.recommended_lists.lists import Lists
    >>> bounds = catalogue_bounds(np.array([0, 0]), np.array([0.5, 0.5]), queries=2, k=2)
    >>> places = np.array([1, 2])
    >>> lists = Lists(model="m", query_R=np.zeros(2, int), place_R=places, listing_R=places)
    >>> metric = expected_dcg_metric(lists, np.array([0.5, 0.5]), bounds, name="taste")
    >>> metric.metric, metric.numerator.round(4).tolist(), metric.denominator.tolist()
    ('catalogue_expected_dcg_taste_at_2', [0.8155, 0.0], [1.0, 1.0])
    """
    value = _list_dcg(lists, value_R, bounds)
    return mean_over_searches(
        named_at(f"catalogue_expected_dcg_{name}", bounds.k), value, k=bounds.k
    )
