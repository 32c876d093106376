"""The protocol that every model follows, and the table of recommendations it leads to.

A *row* is one candidate: one listing for one search, with the identity columns of
``data.schema.tables.CARRIED`` and the columns of a :class:`data.schema.feature_set.FeatureSet`.
Models read Arrow tables, so that training needs neither Polars nor Prefect nor MLflow.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np
import pyarrow as pa

from models.ranking_order import group_codes, rank_within, tie_keys

__all__ = ["Recommender", "Scores", "top_k"]

Scores = np.ndarray[Any, np.dtype[np.float64]]


@runtime_checkable
class Recommender(Protocol):
    """A model that scores candidates.

    Every implementation passes ``tests/models/test_recommender_contract.py``: the same
    seed gives the same scores, the order of the rows does not matter, what is saved
    scores the same when loaded, and an unseen guest or listing still gets a score.
    """

    @property
    def name(self) -> str:
        """The model's name in scorecards and tables, such as ``ranker``."""
        ...

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Learn from ``train``; ``valid`` is a later window, for early stopping and tuning.

        Both hold whole searches. Raises ``ValueError`` when a column that the model
        needs is absent, naming it.
        """
        ...

    def score(self, rows: pa.Table) -> Scores:
        """One finite score per row, higher is better; shape ``(rows,)``."""
        ...

    def save(self, folder: Path) -> None:
        """Write the model into ``folder`` (made if absent); never as a pickle."""
        ...

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; raises ``ValueError`` where a file is absent or broken."""
        ...


def top_k(rows: pa.Table, scores: Scores, k: int) -> pa.Table:
    """The ``k`` best rows of each search, best first.

    Returns a table of ``id_search``, ``id_listing``, ``rank`` (from 1) and ``score``,
    sorted by search and rank. A search with fewer than ``k`` rows keeps them all.

    >>> rows = pa.table({"id_search": ["s", "s", "s"], "id_listing": ["a", "b", "c"]})
    >>> top_k(rows, np.array([0.2, 0.9, 0.5]), 2).select(["id_listing", "rank"]).to_pylist()
    [{'id_listing': 'b', 'rank': 1}, {'id_listing': 'c', 'rank': 2}]
    """
    ranks = rank_within(group_codes(rows["id_search"]), scores, tie_keys(rows))
    ranked = pa.table(
        {
            "id_search": rows["id_search"],
            "id_listing": rows["id_listing"],
            "rank": pa.array(ranks.astype(np.int32)),
            "score": pa.array(scores),
        }
    ).filter(pa.array(ranks <= k))
    return ranked.sort_by([("id_search", "ascending"), ("rank", "ascending")])
