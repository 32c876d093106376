"""Days of several clocks: where one market's day has begun, another's has not ended.

Seconds are counted in UTC where a log tells instants, and days by each market's own clock. So
the days of Lisbon and Rio overlap by three hours::

    UTC        21:00   22:00   23:00   00:00   01:00   02:00   03:00   04:00
    Lisbon     day 5 ................. day 6 ................................
    Rio        day 5 ......................................... day 6 ........

What a search may know goes by the second, whatever day it is anywhere: a day of the table is
built from all that came before, of whichever day. In a log of local times days follow one
another, and nothing here changes what is done.

>>> log = pl.LazyFrame({"search_day": [5, 5, 6, 6], "search_s": [100, 300, 250, 400]})
>>> seconds = seconds_of_days(log)
>>> seconds
{5: (100, 300), 6: (250, 400)}
>>> is_closed(5, seconds), is_closed(6, seconds)
(False, True)
>>> affected_days({6}, [5, 6, 7], seconds)  # the last searches of day 5 may know of day 6
(5, 6, 7)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias

import polars as pl

from data.schema.time import DAY_S

__all__ = [
    "SecondsOfDays",
    "affected_days",
    "days_around",
    "is_closed",
    "seconds_of_days",
    "tells_instants",
]

SecondsOfDays: TypeAlias = Mapping[int, tuple[int, int]]
"""The first and the last second of each day's searches."""


def tells_instants(columns: Collection[str]) -> bool:
    """Whether a log with these columns counts its seconds in UTC."""
    return "local_s" in columns


def seconds_of_days(impressions: pl.LazyFrame) -> dict[int, tuple[int, int]]:
    """First and last second of each day's searches, by day."""
    second = pl.col("search_s")
    found = impressions.group_by("search_day").agg(first=second.min(), last=second.max())
    days = found.sort("search_day").collect(engine="streaming")
    return {day: (first, last) for day, first, last in days.rows()}


def is_closed(day: int, seconds: SecondsOfDays) -> bool:
    """Whether all searches of this day and those before it came before all of later days."""
    ended = [last for of, (_, last) in seconds.items() if of <= day]
    begun = [first for of, (first, _) in seconds.items() if of > day]
    return not ended or not begun or max(ended) < min(begun)


def affected_days(
    changed: Collection[int], days: Collection[int], seconds: SecondsOfDays | None = None
) -> tuple[int, ...]:
    """Which of ``days`` must be rebuilt when impressions of the ``changed`` days changed.

    A day's features know all that came before its last second. Where days follow one another
    these are the changed days and every later one; the others keep their bits. ``seconds``:
    of a log that tells instants, where a day before may have ended later than this began.

    >>> affected_days({3}, [1, 2, 3, 4, 7])
    (3, 4, 7)
    >>> affected_days(set(), [1, 2])
    ()
    """
    if not changed:
        return ()
    first = min(changed)
    if seconds:
        # A row that is gone may have come before all that are left of its day: by the clock
        # that is furthest ahead the day began here.
        ahead = min(begin - day * DAY_S for day, (begin, _) in seconds.items())
        begun = [seconds[day][0] for day in changed if day in seconds]
        began = min([first * DAY_S + ahead, *begun])
        first = min([first, *(day for day, (_, last) in seconds.items() if last >= began)])
    return tuple(sorted(day for day in set(days) if day >= first))


def days_around(after_s: int, last_s: int, *, tells_instants: bool) -> tuple[int, int]:
    """The first and last day, by any clock, in which searches of these seconds may lie."""
    by = 1 if tells_instants else 0
    return after_s // DAY_S - by, last_s // DAY_S + by
