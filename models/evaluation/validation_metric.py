"""The metric by which a model's variants are compared on the validation window."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.arrow_columns import Numbers, numbers, stages
from models.evaluation.metrics import Hits, ndcg
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores
from models.stage_utilities import Utilities

__all__ = [
    "CLICK_WORTH",
    "JUDGED_BY",
    "ndcg_per_search",
    "validation_value",
]

CLICK_WORTH = "click_worth"
"""Column: what a click on the row is worth (``models.click_worth``), 0 where none came."""

JUDGED_BY = ("id_search", "id_listing", "stage", "search_day", CLICK_WORTH)
"""Columns that choosing a variant on a window, and its record, read."""


def ndcg_per_search(rows: pa.Table, scores: Scores, *, utilities: Utilities, k: int) -> Numbers:
    """NDCG@k of each search, in the order of first appearance; the gain is the utility.

    NaN where no row of a search has a gain.

    >>> rows = pa.table(
    ...     {"id_search": ["a", "a", "b"], "id_listing": ["x", "y", "x"], "stage": [3, 0, 0]}
    ... )
    >>> scores = np.array([0.1, 0.9, 0.5])
    >>> ndcg_per_search(rows, scores, utilities=(0.0, 0.0, 0.0, 1.0), k=5).round(4).tolist()
    [0.6309, nan]
    """
    groups = group_codes(rows["id_search"])
    ranks = rank_within(groups, scores, tie_keys(rows))
    gains = np.asarray(utilities, dtype=np.float64)[stages(rows)]
    acted = np.flatnonzero(gains > 0)
    searches = int(groups.max(initial=-1)) + 1
    hits = Hits(search=groups[acted], rank=ranks[acted], gain=gains[acted], searches=searches)
    return ndcg(hits, k)


def validation_value(rows: pa.Table, scores: Scores, *, k: int = 10) -> float:
    """Value DCG@k (:mod:`models.evaluation.value_dcg`), by which variants are chosen.

    ``rows`` may carry the column :data:`CLICK_WORTH`; without it each click is worth 1. A mean
    over all searches of several results, none of them normalised. 0.0 where there is none.

    >>> rows = pa.table(
    ...     {"id_search": ["a", "a", "b", "b"], "id_listing": list("xyxy"), "stage": [1, 0, 0, 0]}
    ... )
    >>> scores = np.array([0.1, 0.9, 0.5, 0.6])
    >>> round(validation_value(rows, scores), 4)  # (1 / log2(3) + 0) / 2
    0.3155
    >>> worth = pa.array([0.04, 0.0, 0.0, 0.0])
    >>> round(validation_value(rows.append_column(CLICK_WORTH, worth), scores), 4)
    0.0126
    """
    groups = group_codes(rows["id_search"])
    several = int((np.bincount(groups) > 1).sum()) if len(groups) else 0
    ranks = rank_within(groups, scores, tie_keys(rows))
    counts = (stages(rows) > 0) & (ranks <= k) & (np.bincount(groups)[groups] > 1)
    worth = numbers(rows, CLICK_WORTH) if CLICK_WORTH in rows.column_names else np.ones(len(ranks))
    # Summed in the order of the values: a sum of floats depends on its order, and the order of
    # the rows must not decide between two variants.
    gained = np.sort(worth[counts] / np.log2(ranks[counts] + 1.0))
    return float(gained.sum()) / several if several else 0.0
