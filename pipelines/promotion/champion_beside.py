"""The champion among the models of a later training, in MLflow's table of them."""

from __future__ import annotations

from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.model_table import cells_of
from pipelines.evaluation.publish_scorecard import metrics_of
from pipelines.promotion.checks import CHAMPION
from pipelines.promotion.standings import BESIDE_TAG, VERSION_TAG
from pipelines.tracking.model_registry import RUN_TAG
from pipelines.tracking.tracking import Tracking
from pipelines.training.run_record import RunRecord

__all__ = ["log_champion_beside"]


def log_champion_beside(
    tracking: Tracking, record: RunRecord, version: str, scorecard: Scorecard
) -> None:
    """Show the champion among the models of a later training, judged on the same searches.

    ``scorecard`` is that of the comparison. However often it is decided, there is one such run.
    """
    key = f"{record.name} {version}"
    tags = {BESIDE_TAG: key, VERSION_TAG: version, RUN_TAG: record.name}
    run_id = tracking.run_with_tag(BESIDE_TAG, key) or tracking.start_run(
        "champion", parent=record.parent, tags=tags
    )
    with tracking.closing(run_id):
        tracking.log_metrics(run_id, metrics_of(scorecard, CHAMPION))
        tracking.set_tags(run_id, cells_of(scorecard, CHAMPION))
        tracking.describe(
            run_id,
            f"Version {version} of the ranker, trained before, on the searches that the models of "
            "this training are judged by.",
        )
