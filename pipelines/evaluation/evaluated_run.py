"""A run with all that its evaluation had in memory: models, rows, scores and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from models.evaluation.scorecard import Scorecard
from models.funnel.funnel_model import FunnelModel
from models.recommender import Recommender, Scores
from pipelines.evaluation.retrieval_recall import Retrieval
from pipelines.feature_table.training_rows import SplitRows
from pipelines.training.run_record import RunRecord

__all__ = ["EvaluatedRun"]


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """What diagnostics and the gate work on, so that neither loads or scores anything again.

    Attributes:
        record: of the run.
        models: its models by name.
        rows: its training, validation and test windows.
        scores: model → one score per row of the test window.
        worth: what a click on each row of the test window is worth, 0 where none came; ``None``
            where nothing was clicked.
        retrieval: what each model retrieves for the test window; ``None`` where nothing was
            taken, or where it was not asked for.
        scorecard: its figures on the test window.
    """

    record: RunRecord
    models: Mapping[str, Recommender]
    rows: SplitRows
    scores: Mapping[str, Scores]
    worth: Scores | None
    retrieval: Retrieval | None
    scorecard: Scorecard

    @property
    def ranker(self) -> FunnelModel | None:
        """The run's ranker; ``None`` where it trained none, or one of an earlier version."""
        model = self.models.get("ranker")
        return model if isinstance(model, FunnelModel) else None
