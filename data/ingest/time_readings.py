"""How the times of each log of an ingest are read, beside what the home holds already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from data.errors import UnfitLogError
from data.ingest.redo import without_files
from data.lake.store import Lake
from data.readers.open_log import Log
from data.schema.tables import IMPRESSIONS
from data.sources.mapping import Mapping
from data.validation.date_order import date_order
from data.validation.time_reading import TimeReading

__all__ = ["read_times_as", "refuse_mixed_clocks"]

_LOCAL_CLOCK = "local_s"


def read_times_as(
    logs: Sequence[Log], mapping: Mapping, lake: Lake
) -> tuple[list[TimeReading], tuple[str, ...]]:
    """A reading per log, and sentences for the report.

    A home that holds instants gets instants; in any other the first time with an offset
    decides (:class:`data.validation.time_reading.OffsetFoundError`).
    """
    keeps_instants = _holds_rows(lake) and _LOCAL_CLOCK in lake.columns(IMPRESSIONS.name)
    nearby = _last_day(lake)
    readings, findings = [], []
    for log in logs:
        rules = mapping.rules_for(log.columns, log.file.name)
        order = date_order(log, rules, mapping.time_format, nearby)
        readings.append(TimeReading(time_format=order.time_format, keeps_instants=keeps_instants))
        if order.finding:
            findings.append(f"{log.file.name}: {order.finding}")
    return readings, tuple(findings)


def refuse_mixed_clocks(lake: Lake, name: str, redone: Collection[str] = ()) -> None:
    """Raise :class:`UnfitLogError` where the home holds local times alone.

    Between those and an instant nobody can tell what came first, unless they are read again:
    rows of the files that are ``redone`` (by ``source_id``) leave the home.
    """
    if not _holds_rows(lake) or _LOCAL_CLOCK in lake.columns(IMPRESSIONS.name):
        return
    others = without_files(lake.scan(IMPRESSIONS.name), redone).head(1).collect()
    if others.height:
        raise UnfitLogError(
            f"{lake.home}: its searches have local times, without an offset from UTC or read "
            f"by an earlier version; the times of {name} have offsets. Which came first cannot "
            "be told. Redo all logs together (--redo), or ingest them in a new home (--home): "
            "local times are put on the time zone that the mapping names for their market"
        )


def _holds_rows(lake: Lake) -> bool:
    return lake.rows(IMPRESSIONS.name) > 0


def _last_day(lake: Lake) -> date | None:
    days = lake.market_days(IMPRESSIONS.name)
    return max((day for _, day in days), default=None)
