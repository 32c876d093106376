"""The calendar of the markets: months, public holidays and Carnival, as a table of days.

Calendar arithmetic is done once, in Python, and looked up.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

import holidays
import polars as pl
import pyarrow as pa

from data.schema.time import day_number

__all__ = ["CALENDAR_YEARS", "MARKET_STATE", "CalendarLookup", "carnival_nights", "day_table"]

CALENDAR_YEARS = range(2008, 2041)
"""Years that the table covers; a stay outside them has null holidays."""

MARKET_STATE: dict[str, str] = {"rio_de_janeiro": "RJ", "sao_paulo": "SP"}
"""State of Brazil whose public holidays count in a market. Other markets have none here."""

_CARNIVAL_SATURDAY_BEFORE_EASTER = 50
_CARNIVAL_NIGHTS = 4


@cache
def day_table() -> pa.Table:
    """One row per market and day.

    Columns: ``market``; ``_day`` (days since 1970, int32); ``_month`` (1..12);
    ``_holidays_before`` and ``_carnival_before`` (int32): days of that kind since the
    table began and before this day, so that a difference counts those within a stay.
    Carnival is the four nights from its Saturday to Shrove Tuesday.
    """
    days = _days()
    blocks = [_market_block(market, state, days) for market, state in MARKET_STATE.items()]
    return pa.concat_tables(blocks)


def _market_block(market: str, state: str, days: list[date]) -> pa.Table:
    public = holidays.country_holidays("BR", subdiv=state, years=list(CALENDAR_YEARS))
    carnival = {night for year in CALENDAR_YEARS for night in carnival_nights(year)}
    return pa.table(
        {
            "market": pa.array([market] * len(days), pa.string()),
            "_day": pa.array([day_number(day) for day in days], pa.int32()),
            "_month": pa.array([day.month for day in days], pa.int32()),
            "_holidays_before": pa.array(_counted_before(days, set(public)), pa.int32()),
            "_carnival_before": pa.array(_counted_before(days, carnival), pa.int32()),
        }
    )


def _days() -> list[date]:
    first = date(CALENDAR_YEARS.start, 1, 1)
    last = date(CALENDAR_YEARS.stop, 1, 1)
    return [first + timedelta(days=n) for n in range((last - first).days)]


def _counted_before(days: list[date], marked: set[date]) -> list[int]:
    counts, count = [], 0
    for day in days:
        counts.append(count)
        count += day in marked
    return counts


def carnival_nights(year: int) -> list[date]:
    """The nights of Carnival, from its Saturday to Shrove Tuesday.

    >>> [f"{night:%a %d %b}" for night in carnival_nights(2026)]
    ['Sat 14 Feb', 'Sun 15 Feb', 'Mon 16 Feb', 'Tue 17 Feb']
    """
    saturday = _easter(year) - timedelta(days=_CARNIVAL_SATURDAY_BEFORE_EASTER)
    return [saturday + timedelta(days=n) for n in range(_CARNIVAL_NIGHTS)]


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones & Butcher).

    >>> _easter(2018)
    datetime.date(2018, 4, 1)
    """
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


@dataclass(frozen=True, kw_only=True)
class CalendarLookup:
    """A column of :func:`day_table` for the market and the day in column ``day`` of a row.

    Null where the day is, and for a market or year outside the calendar.
    """

    column: str
    day: str

    @property
    def reads(self) -> tuple[str, ...]:
        return ("market", self.day)

    @property
    def together(self) -> Hashable:
        return CalendarLookup, self.day

    def compute(self, wanted: Mapping[str, CalendarLookup], rows: pl.DataFrame) -> list[pl.Series]:
        """Those of ``wanted`` that look up the same day, in one join."""
        columns = {name: pl.col(lookup.column) for name, lookup in wanted.items()}
        table = _as_frame().select("market", pl.col("_day").alias(self.day), **columns)
        keys = rows.select("market", pl.col(self.day).cast(pl.Int32))
        found = keys.join(table, on=["market", self.day], how="left", maintain_order="left")
        return found.select(*wanted).get_columns()


@cache
def _as_frame() -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(day_table()))
