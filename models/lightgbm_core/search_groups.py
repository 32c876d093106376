"""Which rows a ranker learns from, and in which order.

A search in which nothing happened says nothing about the order, and LightGBM's NDCG
would count it as perfect: such searches are left out, and counted. The rows are put in an
order that is a function of their ids alone, so that the same rows in another order train
the same trees:

    id_search  id_listing  stage         id_search  id_listing  stage
    s1         a           0             s3         b           3        one search after the
    s2         a           0        →    s3         c           0        other, groups [2, 2];
    s3         b           3             s1         a           0        s2 is left out
    s1         d           1             s1         d           1
    s3         c           0
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes, stages
from models.lightgbm_core.boosting import MAX_GROUP_ROWS
from models.ranking_order import group_codes, hashed_ids, rank_within, tie_keys
from models.row_source import Rows, places_of, read, read_at

__all__ = [
    "RankedSearches",
    "SearchCount",
    "downsample_unclicked",
    "is_clicked_or_drawn",
    "searches_to_learn_from",
]

Flags = np.ndarray[Any, np.dtype[np.bool_]]

_KEY = ("id_search", "id_listing")


@dataclass(frozen=True, kw_only=True)
class SearchCount:
    """How many searches and rows are used, and how many are left out.

    Attributes:
        searches, rows: used.
        without_action: searches left out since nothing was clicked, contacted or booked.
        rows_cut: rows without an action left out of searches above LightGBM's limit.
    """

    searches: int
    rows: int
    without_action: int
    rows_cut: int


@dataclass(frozen=True, kw_only=True)
class RankedSearches:
    """Whole searches, one after the other.

    Attributes:
        rows: the rows to learn from, search by search.
        stages: stage of each row.
        groups: rows per search, in the order of ``rows``.
        count: how many are used and how many left out.
    """

    rows: pa.Table
    stages: Codes
    groups: Codes
    count: SearchCount


def searches_to_learn_from(
    rows: Rows, *, label: str = "stage", columns: Sequence[str] | None = None
) -> RankedSearches:
    """The searches with an action, ordered by a hash of their ids; empty where none has one.

    ``label`` names the column of the stages, ``columns`` those that are read of the searches
    (default: all). Of the other searches ids and stages alone are read.
    """
    # A function of its own, so that the keys are gone before the rows are read.
    order, found, groups, count = _order_to_learn_in(read(rows, _keys(label)), label)
    of_searches = _in_order(rows, order, columns or rows.schema.names)
    return RankedSearches(rows=of_searches, stages=found, groups=groups, count=count)


def _keys(label: str) -> list[str]:
    return [*dict.fromkeys((*_KEY, label))]


def _order_to_learn_in(keys: pa.Table, label: str) -> tuple[Codes, Codes, Codes, SearchCount]:
    """The rows to learn from in their order, their stages, rows per search, and the count."""
    groups, ties = group_codes(keys["id_search"]), tie_keys(keys)
    stage = stages(keys, label=label)
    n_searches = int(groups.max()) + 1 if len(groups) else 0
    has_action = np.zeros(n_searches, dtype=bool)
    has_action[groups[stage > 0]] = True
    within_limit = _within_limit(groups, stage, ties)
    used = np.flatnonzero(has_action[groups] & within_limit)
    hashes = hashed_ids(keys["id_search"])
    order = used[np.lexsort((ties[used], hashes[used]))]
    sizes = np.diff(np.r_[_starts(groups[order]), len(order)])
    n_used = int(has_action.sum())
    count = SearchCount(
        searches=n_used,
        rows=len(order),
        without_action=n_searches - n_used,
        rows_cut=int((has_action[groups] & ~within_limit).sum()),
    )
    return order, stage[order], sizes.astype(np.int64), count


def downsample_unclicked(rows: pa.Table, *, share: float, seed: int) -> pa.Table:
    """The clicked rows, and a ``share`` of the others that a hash of their ids chooses."""
    return rows.filter(pa.array(is_clicked_or_drawn(rows, share=share, seed=seed)))


def is_clicked_or_drawn(rows: pa.Table, *, share: float, seed: int) -> Flags:
    """Which rows :func:`downsample_unclicked` keeps; shape ``(rows,)``."""
    is_drawn = tie_keys(rows, seed=seed) / 2.0**64 < share
    return np.asarray(is_drawn | (stages(rows) > 0))


def _within_limit(groups: Codes, stage: Codes, ties: np.ndarray[Any, Any]) -> Any:
    """Which rows LightGBM can take: in an enormous search those that got furthest."""
    if np.bincount(groups, minlength=1).max() <= MAX_GROUP_ROWS:
        return np.ones(len(groups), dtype=bool)
    return rank_within(groups, stage.astype(np.float64), ties) <= MAX_GROUP_ROWS


def _in_order(rows: Rows, order: Codes, columns: Sequence[str]) -> pa.Table:
    """These rows in this order; rows in memory that lie in it already are not copied."""
    if isinstance(rows, pa.Table) and _is_identity(order, rows.num_rows):
        return rows.select(list(columns))
    return read_at(rows, columns, [places_of(order, rows.num_rows)], narrows=True)[0]


def _starts(groups: Codes) -> Codes:
    if not len(groups):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]).astype(np.int64)


def _is_identity(order: Codes, n_rows: int) -> bool:
    return len(order) == n_rows and bool((order == np.arange(n_rows)).all())
