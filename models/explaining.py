"""Why this listing: the features that lift a row above the others of its search.

SHAP values of the trees (Lundberg & Lee 2017, computed exactly by LightGBM) say how much
each feature moves a score from the mean of the training rows. What moves all results of a
search alike explains nothing about their order, so the search's mean is taken off each.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.order import group_codes, tie_keys
from models.ranker import Contributions, Ranker

__all__ = ["explain"]


def explain(ranker: Ranker, rows: pa.Table, *, top: int = 3) -> pa.Table:
    """The ``top`` features that speak for each row, compared with the others of its search.

    ``rows`` hold whole searches or candidate lists. Returns one row per row and reason:
    ``id_search``, ``id_listing``, ``reason`` (1 is the strongest), ``feature`` and
    ``lift`` (score gained over the mean of the search); reasons with no lift are left out.
    """
    if top < 1:
        raise ValueError(f"top is at least 1; found {top}")
    lift_NF = _over_the_search(rows, ranker.contributions(rows))
    top = min(top, lift_NF.shape[1])
    best_NK = np.argsort(-lift_NF, axis=1, kind="stable")[:, :top]
    lift = np.take_along_axis(lift_NF, best_NK, axis=1).ravel()
    at = np.repeat(np.arange(rows.num_rows), top)
    names = np.asarray(ranker.features.names, dtype=object)
    table = pa.table(
        {
            "id_search": rows["id_search"].take(pa.array(at)),
            "id_listing": rows["id_listing"].take(pa.array(at)),
            "reason": pa.array(np.tile(np.arange(1, top + 1), rows.num_rows).astype(np.int32)),
            "feature": pa.array(names[best_NK.ravel()], pa.string()),
            "lift": pa.array(lift),
        }
    )
    return table.filter(pa.array(lift > 0))


def _over_the_search(rows: pa.Table, contribution_NF: Contributions) -> Contributions:
    groups = group_codes(rows["id_search"])
    if not len(groups):
        return contribution_NF
    # Added up in an order of the ids' own, so that the given order cannot show.
    order = np.lexsort((tie_keys(rows), groups))
    sizes = np.bincount(groups)
    means = [np.bincount(groups[order], column[order]) / sizes for column in contribution_NF.T]
    return np.asarray(contribution_NF - np.stack(means, axis=1)[groups])
