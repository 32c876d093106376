"""The lake's horizon: days of the log, and of what was made of them, that are older go.

A horizon of 730 days does not move every day: the past that is kept for the next day's features
is made from the whole log, so each move costs one build from all events. It moves when a tenth
of it is overdue::

    newest day 1 March 2028, history_days = 730: days before 2 March 2026 are overdue
    oldest day 1 March 2026    one day overdue: nothing
    oldest day 18 Dec 2025     74 days overdue: all days before 2 March 2026 go

Features of the days that stay are as they were built, from all that was known then. Features of
later days know what the lake still holds: no sum reaches further back than the horizon.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from data.lake.lock import lake_lock
from data.schema.tables import (
    FEATURES,
    IMPRESSIONS,
    QUARANTINE,
    RECOMMENDATIONS,
    SCORES,
    TRUTH,
)
from pipelines.config.home import write_json
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext

__all__ = ["drop_old_history"]

# A tenth of the horizon is dropped at once.
SHARE_OVERDUE = 10


def drop_old_history(context: RunContext, day: date) -> Mapping[str, int]:
    """Drop partitions beyond the horizon, in a batch of ``day``; table → how many were dropped.

    Their files go when the versions that name them do.
    """
    keep = context.settings.keep
    published = read_published(context.home)
    in_force = published.ds if published is not None else ""
    before = day - timedelta(days=keep.recommendations_days)
    with lake_lock(context.home.root, wait_s=context.settings.batch.wait_s):
        dropped = {
            RECOMMENDATIONS.name: _drop(
                context,
                RECOMMENDATIONS.name,
                lambda ds: ds < before and ds.isoformat() != in_force,
            )
        }
        first = _first_day(context, keep.history_days)
        if first is not None:
            for table in (SCORES, TRUTH, IMPRESSIONS, FEATURES):
                dropped[table.name] = _drop(context, table.name, lambda ds: ds < first)
            _forget_in_features_record(context, first)
            ingested = datetime.now(UTC).date() - timedelta(days=keep.history_days)
            dropped[QUARANTINE.name] = _drop(context, QUARANTINE.name, lambda ds: ds < ingested)
    return dropped


def _first_day(context: RunContext, history_days: int) -> date | None:
    """The first day to keep; ``None`` while the horizon does not move."""
    days = [day for _, day in context.lake.market_days(IMPRESSIONS.name)]
    if not days or not history_days:
        return None
    first = max(days) - timedelta(days=history_days - 1)
    overdue = (first - min(days)).days
    return first if overdue > history_days // SHARE_OVERDUE else None


def _drop(context: RunContext, table: str, is_old: Callable[[date], bool]) -> int:
    lake = context.lake
    old = [p for p in lake.partitions(table) if isinstance(p[-1], date) and is_old(p[-1])]
    if old:
        lake.replace_partitions(table, lake.scan(table).head(0).collect(), old)
    return len(old)


def _forget_in_features_record(context: RunContext, first: date) -> None:
    """Take the dropped days out of ``features.json``: that they are gone is no change of the log.

    Killed before this, the next build makes the features of every day that is left anew.
    """
    path = context.home.features_record
    if not path.is_file():
        return
    record = json.loads(path.read_text())
    names = {
        name: digest
        for name, digest in record["partitions"].items()
        if date.fromisoformat(name.rsplit("/", 1)[-1]) >= first
    }
    write_json(path, {**record, "partitions": names})
