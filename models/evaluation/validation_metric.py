"""How a choice between variants of one model is judged on the validation window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from models.arrow_columns import Numbers, stages
from models.evaluation.metrics import Hits, ndcg
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores

__all__ = [
    "UTILITIES",
    "Utilities",
    "checked_utilities",
    "ndcg_per_search",
    "validation_ndcg",
    "worth_weighted_ndcg",
]

Utilities = tuple[float, float, float, float]

# What an impression is worth by its furthest stage (Grbovic & Cheng, KDD 2018).
UTILITIES: Utilities = (0.0, 0.01, 0.25, 1.0)


def checked_utilities(utilities: Utilities) -> None:
    """Raise ``ValueError`` unless there are four, from 0, finite and never falling."""
    if len(utilities) != 4 or utilities[0] != 0 or not np.isfinite(utilities).all():
        raise ValueError(f"utilities are four finite numbers, the first 0; found {utilities}")
    if any(later < earlier for earlier, later in pairwise(utilities)):
        raise ValueError(f"a later stage is worth no less than an earlier one; found {utilities}")


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
    hit = np.flatnonzero(gains > 0)
    n_searches = int(groups.max(initial=-1)) + 1
    return ndcg(Hits(search=groups[hit], rank=ranks[hit], gain=gains[hit], searches=n_searches), k)


def validation_ndcg(
    rows: pa.Table, scores: Scores, *, utilities: Utilities = UTILITIES, k: int = 10
) -> float:
    """Mean NDCG@k, the gain being the utility of the stage; searches without a gain left out.

    0.0 where no search has a gain: then no variant is better than another.
    """
    # Summed in the order of the values, so that the order of the rows cannot decide a tie.
    each = np.sort(ndcg_per_search(rows, scores, utilities=utilities, k=k))
    each = each[~np.isnan(each)]
    return float(each.mean()) if len(each) else 0.0


def worth_weighted_ndcg(
    rows: pa.Table, scores: Scores, *, utilities: Utilities = UTILITIES, k: int = 10
) -> float:
    """NDCG@k as :func:`validation_ndcg`, each search weighing the utility of its furthest stage.

    A booking counts as much as a hundred clicks, in the weight as in the gain.
    """
    each = ndcg_per_search(rows, scores, utilities=utilities, k=k)
    gains = np.asarray(utilities, dtype=np.float64)[stages(rows)]
    worth = np.zeros(len(each))
    np.maximum.at(worth, group_codes(rows["id_search"]), gains)
    # Summed in the order of the values, as above.
    order = np.lexsort((worth, each))[: int((~np.isnan(each)).sum())]
    total = float(worth[order].sum())
    return float(each[order] @ worth[order]) / total if total else 0.0
