"""How the times of one log are read: the order of its dates, and whether it tells instants."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["OffsetFoundError", "TimeReading"]


@dataclass(frozen=True, kw_only=True)
class TimeReading:
    """What holds for every row of a log.

    Attributes:
        time_format: as in :class:`data.sources.mapping.Mapping`; where that says ``auto``
            and the log's dates have their year last, the order that its dates show
            (:mod:`data.validation.date_order`).
        keeps_instants: some time of the home or of the ingest has an offset from UTC.
            ``search_s`` counts UTC then; the market's own clock is beside it. Otherwise all
            times are local, which came first is told by the clock alone, and they stay as
            they are.
    """

    time_format: str = "auto"
    keeps_instants: bool = False


class OffsetFoundError(Exception):
    """A time has an offset from UTC where none had so far: read anew, with instants."""
