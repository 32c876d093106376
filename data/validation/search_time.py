"""The time of a search: its instant, what its market's clock showed, and the date of both.

====================  ===========================================================================
``search_s``          the instant, in seconds UTC: what came first, and how long ago
``local_s``           what the market's clock showed, counted in the same way
``ts_search``         the same, for people
``ds_search``,        the market's own date: partitions, days, weekdays
``search_day``
====================  ===========================================================================

Example: the market's clock (America/Sao_Paulo) goes back at 02:00 UTC from 24:00 to 23:00. The
second search is 35 minutes later and its clock shows 25 minutes less::

    written                 search_s     ts_search          ds_search
    2018-02-18T01:30:00Z    1518917400   2018-02-17 23:30   2018-02-17
    2018-02-18T02:05:00Z    1518919500   2018-02-17 23:05   2018-02-17

A log without any offset knows local times alone: ``search_s`` is the local clock then, and
``local_s`` is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.readers.times import read_dates, read_times
from data.schema.reason_codes import Reason
from data.sources.apply_mapping import RawColumn
from data.sources.mapping import Mapping
from data.validation.market_clock import MarketClock
from data.validation.row_results import RowResults
from data.validation.time_reading import OffsetFoundError, TimeReading

__all__ = ["SearchTime", "apply_search_time"]


@dataclass(frozen=True, kw_only=True)
class SearchTime:
    """What the dates of a row's outcome are held against.

    Attributes:
        day: of the search, by the market's clock; shape ``(rows,)``.
        earliest_day: the same, or the day before where the date by the clock that the time was
            written with (UTC, say) is that: the log's other dates may be by that clock.
        clock: of each row, where the log tells instants.
    """

    day: pl.Series
    earliest_day: pl.Series
    clock: MarketClock | None = None


def apply_search_time(
    raw: dict[str, RawColumn], mapping: Mapping, times: TimeReading, results: RowResults
) -> SearchTime:
    """Write the columns of the search's time; reject the rows whose time cannot be.

    Reads the column ``market`` of the results, which gives the time zone. Raises
    :class:`OffsetFoundError` for a time with an offset where ``times`` keeps no instants.
    """
    read, offset = read_times(raw["ts_search"].values, times.time_format)
    written = read.values
    results.reject(Reason.TIME_MISSING, written.is_null() & ~read.is_unreadable)
    results.reject(Reason.TIME_UNREADABLE, read.is_unreadable)
    if times.keeps_instants:
        found = _with_instants(written, offset, mapping, results)
    elif offset.is_not_null().any():
        raise OffsetFoundError
    else:
        results.columns |= {"search_s": written.dt.epoch("s"), "ts_search": written}
        found = SearchTime(day=written.dt.date(), earliest_day=written.dt.date())
    results.columns |= {"ds_search": found.day, "search_day": found.day.cast(pl.Int32)}
    if "ds_search" in raw:
        logged = read_dates(raw["ds_search"].values, times.time_format)
        results.reject(Reason.TIME_UNREADABLE, logged.is_unreadable & ~read.is_unreadable)
        is_either = (logged.values == found.day) | (logged.values == _written_day(found, written))
        results.reject(Reason.TIME_DISAGREES, ~is_either)
    return found


def _with_instants(
    written: pl.Series, offset: pl.Series, mapping: Mapping, results: RowResults
) -> SearchTime:
    market = results.columns["market"]
    clock = MarketClock(zone=_zones(market, mapping), offset=offset)
    instants = clock.instants(written)
    is_unknown = instants.is_null() & written.is_not_null() & market.is_not_null()
    results.reject(Reason.TIME_WITHOUT_OFFSET, is_unknown)
    shown = clock.shown(instants, written)
    results.columns |= {
        "search_s": instants,
        "local_s": shown.dt.epoch("s"),
        "ts_search": shown,
    }
    day = shown.dt.date()
    both = pl.DataFrame({"shown": day, "written": written.dt.date()})
    earliest = both.select(pl.min_horizontal(pl.all())).to_series()
    return SearchTime(day=day, earliest_day=earliest, clock=clock)


def _written_day(found: SearchTime, written: pl.Series) -> pl.Series:
    """The date by the clock that the time was written with, as a log may have it beside it."""
    return found.day if found.clock is None else written.dt.date()


def _zones(market: pl.Series, mapping: Mapping) -> pl.Series:
    """The name of the time zone of each row's market, null where the mapping names none."""
    names = market.unique().drop_nulls()
    zones = [zone.key if (zone := mapping.zone_of(name)) else None for name in names.to_list()]
    return market.replace_strict(
        names, pl.Series(zones, dtype=pl.String), default=None, return_dtype=pl.String
    )
