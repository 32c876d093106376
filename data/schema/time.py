"""Time as integers: days and seconds since 1970-01-01."""

from __future__ import annotations

from datetime import date, timedelta

__all__ = ["DAY_S", "EPOCH", "HOUR_S", "date_of", "day_number"]

EPOCH = date(1970, 1, 1)
"""Day 0 of every ``*_day`` column, and second 0 of every ``*_s`` column."""

HOUR_S = 3_600
DAY_S = 86_400


def day_number(day: date) -> int:
    """Days from the epoch to a date.

    >>> day_number(date(1970, 1, 3))
    2
    """
    return (day - EPOCH).days


def date_of(day_number: int) -> date:
    """The date of a day counted from the epoch.

    >>> date_of(20_480)
    datetime.date(2026, 1, 27)
    """
    return EPOCH + timedelta(days=day_number)
