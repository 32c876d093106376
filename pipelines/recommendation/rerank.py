"""Change the ranker's order before it is recommended: new listings' exposure, then diversity."""

from __future__ import annotations

import pyarrow as pa

from models.arrow_columns import Numbers
from models.recommender import Scores
from models.reranking.diversity import DiversityConfig, diversified
from models.reranking.new_listing_exposure import ExposurePolicy, with_exposure
from pipelines.config.settings import RecommendationSettings

__all__ = ["rerank"]

_IS_NEW = "listing_is_new"


def rerank(
    rows: pa.Table,
    scores: Scores,
    policy: ExposurePolicy,
    settings: RecommendationSettings,
    *,
    spread: Numbers | None = None,
) -> Scores:
    """The order to recommend in, as scores; ``scores`` themselves if neither step is on.

    ``spread``: what a bonus of new listings counts in, per row, where it is not the standard
    deviation of ``scores`` within the search.
    """
    if settings.exposure and _IS_NEW in rows.column_names and (policy.bonus or policy.floor):
        scores = with_exposure(rows, scores, policy, spread=spread)
    if settings.diversity:
        config = DiversityConfig(weight=settings.diversity, k=min(settings.top, 20))
        scores = diversified(rows, scores, config)
    return scores
