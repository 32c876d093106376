"""Days that have not come: a search of 2099 must not become the newest day of the log.

The newest day decides what is trained on, scored and published, and one row with a wrong year
would move it for ever. So the scheduled batches move such rows from ``impressions`` to
``quarantine`` (reason ``time_ahead``) and say so. With ``batch.ahead_days`` = 1, on 21 January::

    dated        20 Jan   22 Jan                       23 Jan
    stays        yes      yes: a clock of the sender   no

A day on which everything is dated a week ahead is set aside whole in the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import polars as pl

from data.counted import counted
from data.errors import DataError
from data.ingest.lineage import LINEAGE, with_lineage, without_named_in
from data.ingest.stage_file import as_quarantine
from data.lake.lock import lake_lock
from data.lake.store import Lake
from data.readers.chunk import rows_as_json
from data.schema.reason_codes import Reason
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE
from pipelines.batch.clock import today
from pipelines.config.settings import Settings
from pipelines.run_context import RunContext

__all__ = ["latest_day", "quarantine_days_ahead", "refuse_day_ahead"]


def latest_day(settings: Settings, day: date) -> date:
    """The last day that a search may be dated in a batch of ``day``.

    The clock counts too: a day that is made again finds the logs of all later days.
    """
    return max(day, today(settings)) + timedelta(days=settings.batch.ahead_days)


def refuse_day_ahead(settings: Settings, day: date) -> None:
    """Raise ``DataError`` for a day that has not come: later days would never be published."""
    last = today(settings) + timedelta(days=settings.batch.ahead_days)
    if day > last:
        raise DataError(
            f"{day} has not come yet: a batch can be made for {last} at the latest. Check --day, "
            "and the clock of this machine"
        )


def quarantine_days_ahead(context: RunContext, latest: date) -> str:
    """Move impressions dated after ``latest`` to quarantine; a sentence on them, else empty.

    Killed between its two commits it is repeated, and writes no row to quarantine twice.
    """
    lake = context.lake
    if not any(day > latest for _, day in lake.market_days(IMPRESSIONS.name)):
        return ""
    with lake_lock(context.home.root, wait_s=context.settings.batch.wait_s):
        ahead = [part for part in lake.market_days(IMPRESSIONS.name) if part[1] > latest]
        rows = lake.scan(IMPRESSIONS.name).filter(pl.col("ds_search") > latest).collect()
        lake.append(QUARANTINE.name, _not_yet(lake, _as_quarantined(rows, _files(lake))))
        lake.replace_partitions(IMPRESSIONS.name, rows.head(0), ahead)
    days = sorted({day for _, day in ahead})
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
    found = (
        f"{counted(rows.height, 'impression')} dated {span}, after {latest}: moved to quarantine "
        f"as {Reason.TIME_AHEAD}; look at the sender's clock"
    )
    context.console.say(f"warning: {found}")
    return found


def _as_quarantined(rows: pl.DataFrame, files: Mapping[str, str]) -> pl.DataFrame:
    names = {source: files.get(source, source) for source in rows["source_id"].unique()}
    reasons = with_lineage(rows).with_columns(
        rows_as_json(rows.drop(LINEAGE, strict=False)), reasons=pl.lit(Reason.TIME_AHEAD.value)
    )
    return as_quarantine(reasons, names)


def _not_yet(lake: Lake, rows: pl.DataFrame) -> pl.DataFrame:
    if not lake.exists(QUARANTINE.name):
        return rows
    held = lake.scan(QUARANTINE.name).filter(pl.col("reasons") == Reason.TIME_AHEAD.value)
    return without_named_in(rows, with_lineage(held.collect()).select(LINEAGE))


def _files(lake: Lake) -> dict[str, str]:
    """``source_id`` → name of the file."""
    ingests = lake.scan(INGESTS.name).select("source_id", "source_file")
    return dict(ingests.collect().rows())
