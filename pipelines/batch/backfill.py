"""Backfill: make the recommendations of past days again, oldest first; publish nothing.

The features of a past day know only what was known then. The models are today's champion,
which learned from later days: good for filling a gap in the table, not for evaluation.
"""

from __future__ import annotations

from pipelines.batch.daily import choose_models, prepare, recommend_day
from pipelines.batch.journal import BatchStage

__all__ = ["BACKFILL"]

BACKFILL: tuple[BatchStage, ...] = (
    BatchStage(name="features", work=prepare),
    BatchStage(name="models", work=choose_models),
    BatchStage(name="recommend", work=recommend_day),
)
