"""How a choice between variants of one model is judged on the validation window."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from models.columns import Numbers, stages
from models.order import group_codes, rank_within, tie_keys
from models.recommender import Scores

__all__ = ["UTILITIES", "Utilities", "checked_utilities", "ndcg_per_search", "validation_ndcg"]

Utilities = tuple[float, float, float, float]

# What an impression is worth by its furthest stage (Grbovic & Cheng, KDD 2018).
UTILITIES: Utilities = (0.0, 0.01, 0.25, 1.0)


def checked_utilities(utilities: Utilities) -> None:
    """Raise ``ValueError`` unless there are four, from 0, finite and never falling."""
    if len(utilities) != 4 or utilities[0] != 0 or not np.isfinite(utilities).all():
        raise ValueError(f"utilities are four finite numbers, the first 0; found {utilities}")
    if any(later < earlier for earlier, later in pairwise(utilities)):
        raise ValueError(f"a later stage is worth no less than an earlier one; found {utilities}")


def ndcg_per_search(
    groups: np.ndarray[Any, Any], ranks: np.ndarray[Any, Any], gains: Numbers, *, k: int
) -> Numbers:
    """NDCG@k of each group (0 to the largest code); NaN where no row has a gain.

    DCG = Σ gain / log2(rank + 1) over the ranks up to k (Järvelin & Kekäläinen 2002).

    >>> groups = np.array([0, 0, 1])
    >>> ndcg_per_search(groups, np.array([2, 1, 1]), np.array([1.0, 0.0, 0.0]), k=5).round(4)
    array([0.6309,    nan])
    """
    best = rank_within(groups, gains, np.arange(len(gains)))
    dcg = np.bincount(groups, np.where(ranks <= k, gains / np.log2(ranks + 1), 0.0))
    ideal = np.bincount(groups, np.where(best <= k, gains / np.log2(best + 1), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ideal > 0, dcg / ideal, np.nan)


def validation_ndcg(
    rows: pa.Table, scores: Scores, *, utilities: Utilities = UTILITIES, k: int = 10
) -> float:
    """Mean NDCG@k, the gain being the utility of the stage; searches without a gain left out.

    0.0 where no search has a gain: then no variant is better than another.
    """
    groups = group_codes(rows["id_search"])
    ranks = rank_within(groups, scores, tie_keys(rows))
    gains = np.asarray(utilities, dtype=np.float64)[stages(rows)]
    # Summed in the order of the values, so that the order of the rows cannot decide a tie.
    each = np.sort(ndcg_per_search(groups, ranks, gains, k=k))
    each = each[~np.isnan(each)]
    return float(each.mean()) if len(each) else 0.0
