"""Backfill: make the recommendations of past days again, oldest first; publish nothing.

The features of a past day know only what was known then. The models are today's champion,
which learned from later days: good for filling a gap in the table, not for evaluation.
"""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.batch.daily import choose_models, prepare, recommend_day
from pipelines.batch.journal import BatchStage
from pipelines.config.settings import SettingsError

__all__ = ["BACKFILL", "days_between"]

MOST_DAYS = 366

BACKFILL: tuple[BatchStage, ...] = (
    BatchStage(name="features", work=prepare),
    BatchStage(name="models", work=choose_models),
    BatchStage(name="recommend", work=recommend_day),
)


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``; raises ``SettingsError`` for an unsound span.

    >>> days_between(date(2026, 1, 30), date(2026, 2, 1))[1]
    datetime.date(2026, 1, 31)
    """
    days = (last - first).days + 1
    if not 1 <= days <= MOST_DAYS:
        raise SettingsError(
            f"a backfill goes from a day to a later one, at most {MOST_DAYS} days; "
            f"found {first} to {last}"
        )
    return [first + timedelta(days=n) for n in range(days)]
