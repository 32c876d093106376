"""A run's models with the rows and scores they were judged by, for what looks closer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.ranker import Ranker
from models.recommender import Recommender, Scores
from pipelines.feature_table.training_rows import SplitRows
from pipelines.training.run_record import RunRecord

__all__ = ["EvaluatedRun"]


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """What was in memory when a run was judged.

    Attributes:
        record: of the run.
        models: its models by name.
        rows: the windows.
        scores: model → score of every row of the test window.
    """

    record: RunRecord
    models: Mapping[str, Recommender]
    rows: SplitRows
    scores: Mapping[str, Scores]

    @property
    def ranker(self) -> Ranker | None:
        """The run's ranker, ``None`` where it trained none."""
        found = self.models.get("ranker")
        return found if isinstance(found, Ranker) else None
