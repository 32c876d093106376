"""The clocks of the rows of one chunk: between instants and what a market's clock shows.

An instant is counted in seconds since 1970 UTC. Twice a year a clock and the instants part:

=========================  ==============================================================
what the clock does        what becomes of a local time without an offset
=========================  ==============================================================
goes back: an hour comes   its first pass is meant. Sao Paulo, 17 February 2018: 23:30 is
twice                      01:30 UTC (the second pass, 02:30 UTC, shows 23:30 as well)
goes forward: an hour is   it is counted on from the hour before. Sao Paulo, 15 October
left out                   2017: 00:30, which no clock showed, is 03:30 UTC
=========================  ==============================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import polars as pl

from data.schema.time import HOUR_S

__all__ = ["MarketClock", "instants_of", "shown_on_clock"]

_Conversion: TypeAlias = Callable[[pl.Series, str], pl.Series]


def instants_of(local: pl.Series, zone: str) -> pl.Series:
    """Seconds UTC of wall-clock times of a zone; see above for times that come twice or never.

    >>> from datetime import datetime
    >>> shown = pl.Series([datetime(2018, 2, 17, 23, 30), datetime(2017, 10, 15, 0, 30)])
    >>> instants_of(shown, "America/Sao_Paulo").to_list()
    [1518917400, 1508038200]
    """
    seconds = _in_zone(local, zone)
    is_skipped = seconds.is_null() & local.is_not_null()
    if is_skipped.any():
        seconds = seconds.zip_with(~is_skipped, _in_zone(local.dt.offset_by("-1h"), zone) + HOUR_S)
    return seconds


def _in_zone(local: pl.Series, zone: str) -> pl.Series:
    zoned = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return zoned.dt.epoch("s")


def shown_on_clock(instants: pl.Series, zone: str) -> pl.Series:
    """What the clock of a zone shows at these seconds UTC, as times without a zone."""
    utc = pl.from_epoch(instants, time_unit="s").cast(pl.Datetime("us"))
    zoned = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return zoned.dt.replace_time_zone(None)


@dataclass(frozen=True, kw_only=True)
class MarketClock:
    """The clock of each row of a chunk; all of shape ``(rows,)``.

    Attributes:
        zone: time zone of the row's market, null where the mapping names none.
        offset: minutes from UTC that the row's time was written with, null where without.
    """

    zone: pl.Series
    offset: pl.Series

    def instants(self, written: pl.Series) -> pl.Series:
        """Seconds UTC of times as they were written: by their offset, else by their zone.

        Null where there is neither.
        """
        by_offset = written.dt.epoch("s") - self.offset.cast(pl.Int64) * 60
        if self.offset.null_count() == 0:
            return by_offset
        return by_offset.zip_with(self.offset.is_not_null(), self._by_zone(written, instants_of))

    def shown(self, instants: pl.Series, written: pl.Series) -> pl.Series:
        """What the market's clock shows then; the time as written where no zone is known."""
        shown = self._by_zone(instants, shown_on_clock)
        return written.zip_with(self.zone.is_null(), shown)

    def last_second_of(self, day: pl.Series) -> pl.Series:
        """The last second UTC of a date, null for null.

        A log whose times carry an offset may write its dates by the market's clock or by the
        clock of that offset, and does not say which: the later end counts, so that nothing
        is known too early.
        """
        midnight = day.dt.offset_by("1d").cast(pl.Datetime("us"))
        ends = pl.DataFrame(
            {
                "by_zone": self._by_zone(midnight, instants_of),
                "as_written": midnight.dt.epoch("s") - self.offset.cast(pl.Int64) * 60,
            }
        )
        return ends.select(pl.max_horizontal(pl.all()) - 1).to_series()

    def _by_zone(self, values: pl.Series, convert: _Conversion) -> pl.Series:
        """``convert`` applied to the rows of each zone; null where no zone is known."""
        zones = self.zone.unique().drop_nulls().to_list()
        if len(zones) == 1 and self.zone.null_count() == 0:
            return convert(values, zones[0])
        converted = convert(values, "UTC").clear().extend_constant(None, len(values))
        for zone in zones:
            here = (self.zone == zone).fill_null(value=False)
            converted = converted.zip_with(~here, convert(values, zone))
        return converted
