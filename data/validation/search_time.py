"""The time of a search: parsed, put on its market's clock, held against the logged date.

A time with an offset (``2018-02-18T01:30:00Z``) is moved to the clock of its market, so that a
day is the market's own day; one without an offset is local already.
"""

from __future__ import annotations

import polars as pl

from data.readers.times import read_dates, read_times
from data.schema.reason_codes import Reason
from data.sources.apply_mapping import RawColumn
from data.sources.mapping import Mapping
from data.validation.row_results import RowResults

__all__ = ["apply_search_time"]


def apply_search_time(raw: dict[str, RawColumn], mapping: Mapping, results: RowResults) -> None:
    """Write ``search_s``, ``search_day``, ``ts_search`` and ``ds_search``; reject what cannot be.

    Reads the column ``market`` of the results, which gives the time zone.
    """
    parsed, offset = read_times(raw["ts_search"].values, mapping.time_format)
    local = _on_local_clock(parsed.values, offset, mapping, results.columns["market"])
    results.reject(Reason.TIME_MISSING, parsed.values.is_null() & ~parsed.is_unreadable)
    results.reject(Reason.TIME_UNREADABLE, parsed.is_unreadable)
    day = local.dt.date()
    results.columns |= {
        "ds_search": day,
        "ts_search": local,
        "search_s": local.dt.epoch("s"),
        "search_day": day.cast(pl.Int32),
    }
    if "ds_search" in raw:
        logged = read_dates(raw["ds_search"].values, mapping.time_format)
        results.reject(Reason.TIME_UNREADABLE, logged.is_unreadable & ~parsed.is_unreadable)
        results.reject(Reason.TIME_DISAGREES, logged.values != day)


def _on_local_clock(
    values: pl.Series, offset: pl.Series, mapping: Mapping, market: pl.Series
) -> pl.Series:
    """Times with an offset on their market's clock; times without one are local already."""
    if not offset.is_not_null().any():
        return values
    local = values
    for name in market.unique().drop_nulls().to_list():
        zone = mapping.zone_of(name)
        if zone is None:
            continue
        utc = pl.select(values - pl.duration(minutes=pl.lit(offset.fill_null(0)))).to_series()
        in_zone = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone.key)
        applies = (market == name).fill_null(value=False) & offset.is_not_null()
        local = local.zip_with(~applies, in_zone.dt.replace_time_zone(None))
    return local
