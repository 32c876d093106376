"""What lifts a row above the others of its search.

A model's contributions say how much each feature moves a score from that of a mean row. What
moves all results of a search alike explains nothing about their order, so the search's mean is
taken off each:

    contribution   price   lead time        lift        price   lead time
    listing a       +0.5        +0.3        listing a    +0.4         0.0
    listing b       -0.3        +0.3        listing b    -0.4         0.0

Price is why a stands above b; the lead time is the same for both and never a reason.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.ranking_order import group_codes, tie_keys

__all__ = ["Contributions", "ExplainedModel", "over_the_search"]

Contributions = np.ndarray[Any, np.dtype[np.float64]]


class ExplainedModel(Protocol):
    """A model that can say what each feature adds to a row's score."""

    @property
    def features(self) -> FeatureSet:
        """The features that it learnt from."""
        ...

    def contributions(self, rows: pa.Table) -> Contributions:
        """What each feature adds; shape (rows, features)."""
        ...


def over_the_search(rows: pa.Table, contribution_NF: Contributions) -> Contributions:
    """The contributions less their mean over each row's search; shape (rows, features).

    >>> rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"]})
    >>> over_the_search(rows, np.array([[0.5, 0.25], [-0.25, 0.25]])).tolist()
    [[0.375, 0.0], [-0.375, 0.0]]
    """
    groups = group_codes(rows["id_search"])
    if not len(groups):
        return contribution_NF
    # Added up in the order of the ids' hash: the row order must not show in the last bit.
    order = np.lexsort((tie_keys(rows), groups))
    sizes = np.bincount(groups)
    means = [np.bincount(groups[order], column[order]) / sizes for column in contribution_NF.T]
    return np.asarray(contribution_NF - np.stack(means, axis=1)[groups])
