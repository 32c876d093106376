"""What guests did next: the share of what they took that stood in their lists.

Lists are made of what was known in the morning. Of the guests who came back that day, the listings
that they clicked, contacted or booked are *taken*; hit@k is the share of the taken (guest,
listing) pairs that stood in the first k places of the guest's list.

Anna clicked listings 7 and 9 and booked 9, Ben clicked 8. Anna's list is 9, 5, 7, Ben's is 5:

    k = 1   clicked: 9 of Anna's (7, 9), none of Ben's (8)    1 of 3
            booked:  9 of Anna's (9)                          1 of 1
    k = 3   clicked: 7 and 9, none of Ben's                   2 of 3

>>> lists = Lists(
...     model="ranker",
...     query_R=np.array([0, 0, 0, 1]),
...     place_R=np.array([1, 2, 3, 1]),
...     listing_R=np.array([9, 5, 7, 5]),
... )
>>> takes = Takes(
...     query_T=np.array([0, 0, 0, 1]),
...     listing_T=np.array([7, 9, 9, 8]),
...     stage_T=np.array([1, 1, 3, 1]),
... )
>>> figures = {m.metric: m for m in replay_metrics(lists, takes, queries=2, ks=(1, 3))}
>>> [
...     (int(figures[name].numerator.sum()), int(figures[name].denominator.sum()))
...     for name in ("replay_hit_click_at_1", "replay_hit_book_at_1", "replay_hit_click_at_3")
... ]
[(1, 3), (1, 1), (2, 3)]

Its limit: guests take only what they were shown. A list of listings that the marketplace did not
show cannot hit, however good it is, and lists of what was shown before are favoured. Held
against the truth (``catalogue_value``) where there is one.

Legend: Q queries (guests who came back on one day), R recommended rows, T rows of what was taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.schema.tables import BOOKED
from models.evaluation.arrays import Integers
from models.evaluation.ranking_metrics import STAGE_NAMES
from models.evaluation.ratio_metric import RatioMetric, named_at
from models.evaluation.recommended_lists.lists import Lists

__all__ = ["Takes", "pooled", "replay_metrics", "takes_of"]


@dataclass(frozen=True, kw_only=True)
class Takes:
    """What the guests did on the day: one row per impression, in any order.

    A listing that a guest met in several rows counts once, at its furthest stage.

    Attributes:
        query_T: row of the queries.
        listing_T: code of the listing, as in :class:`Lists`; one that no list can have
            (unknown in the morning) is any other code from 0.
        stage_T: 0 impressed (not taken) to 3 booked.

    Raises ``ValueError`` on columns of unlike length, codes below 0 and unknown stages.
    """

    query_T: Integers
    listing_T: Integers
    stage_T: Integers

    def __post_init__(self) -> None:
        columns = (self.query_T, self.listing_T, self.stage_T)
        if any(column.shape != (len(self.query_T),) for column in columns):
            raise ValueError("takes need one query, listing and stage per row")
        if any(len(column) and column.min() < 0 for column in columns):
            raise ValueError("a query, listing or stage of the takes is below 0")
        if self.stage_T.max(initial=0) > BOOKED:
            raise ValueError(f"unknown stage {self.stage_T.max()} in the takes")


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Distinct (guest, listing) pairs, their furthest stage, and their place (0: in no list)."""

    query: Integers
    stage: Integers
    place: Integers


def replay_metrics(
    lists: Lists, takes: Takes, *, queries: int, ks: Sequence[int] = (10, 20)
) -> list[RatioMetric]:
    """``replay_hit_click_at_k``, ``…_contact_…`` and ``…_book_…``; the module's example.

    Numerator: hits of the guest, denominator: what it took; a guest who took nothing is not
    scored. Raises ``ValueError`` on lists or takes of more than so many queries.
    """
    lists.check_queries(queries)
    if takes.query_T.max(initial=-1) >= queries:
        raise ValueError(f"takes of query {takes.query_T.max()} of only {queries}")
    pairs = _placed(lists, takes)
    metrics = []
    for name, stage in STAGE_NAMES.items():
        is_taken = pairs.stage >= stage
        taken_Q = np.bincount(pairs.query[is_taken], minlength=queries).astype(np.float64)
        for k in ks:
            is_hit = is_taken & (pairs.place > 0) & (pairs.place <= k)
            hits_Q = np.bincount(pairs.query[is_hit], minlength=queries).astype(np.float64)
            metrics.append(
                RatioMetric(
                    metric=named_at(f"replay_hit_{name}", k),
                    k=k,
                    numerator=hits_Q,
                    denominator=taken_Q,
                    scored=(taken_Q > 0).astype(np.float64),
                    denominator_name=f"taken {name}",
                    scored_name=f"took {name}",
                )
            )
    return metrics


def _placed(lists: Lists, takes: Takes) -> _Pairs:
    width = int(max(lists.listing_R.max(initial=0), takes.listing_T.max(initial=0))) + 1
    keys, pair_of_row = np.unique(
        _pair_keys(takes.query_T, takes.listing_T, width), return_inverse=True
    )
    stage = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(stage, pair_of_row, takes.stage_T)
    place = np.zeros(len(keys), dtype=np.int64)
    listed_keys = _pair_keys(lists.query_R, lists.listing_R, width)
    _, taken, listed = np.intersect1d(keys, listed_keys, assume_unique=True, return_indices=True)
    place[taken] = lists.place_R[listed]
    return _Pairs(query=keys // width, stage=stage, place=place)


def _pair_keys(query: Integers, listing: Integers, width: int) -> Integers:
    """One number per (query, listing); 64 bits, since 32-bit codes would wrap round."""
    return query.astype(np.int64) * width + listing


def pooled(days: Sequence[Sequence[RatioMetric]]) -> list[RatioMetric]:
    """The metrics of several days as of one: their guests one after the other.

    A guest of two days stands in it twice; ``scores_of`` is told so by its cluster.

    >>> empty = Lists(
    ...     model="m",
    ...     query_R=np.empty(0, int),
    ...     place_R=np.empty(0, int),
    ...     listing_R=np.empty(0, int),
    ... )
    >>> one = np.ones(1, int)
    >>> takes = Takes(query_T=one - 1, listing_T=one, stage_T=one)
    >>> day = replay_metrics(empty, takes, queries=1, ks=(10,))
    >>> pooled([day, day])[0].denominator.tolist()
    [1.0, 1.0]

    Raises ``ValueError`` without a day, and where days do not have the same metrics.
    """
    names = {tuple(metric.metric for metric in day) for day in days}
    if len(names) != 1:
        raise ValueError(f"only days with the same metrics can be pooled, not {sorted(names)}")
    return [
        replace(
            metrics[0],
            numerator=np.concatenate([m.numerator for m in metrics]),
            denominator=np.concatenate([m.denominator for m in metrics]),
            scored=np.concatenate([m.scored for m in metrics]),
        )
        for metrics in zip(*days, strict=True)
    ]


def takes_of(metrics: Iterable[RatioMetric]) -> dict[str, int]:
    """How many (guest, listing) pairs each replay metric counts: the ``positives`` of its score.

    >>> one = np.ones(1)
    >>> hit = RatioMetric(metric="hit", k=1, numerator=one, denominator=3 * one, scored=one)
    >>> takes_of([hit])
    {'hit': 3}
    """
    return {metric.metric: int(metric.denominator.sum()) for metric in metrics}
