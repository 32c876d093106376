"""The days of a backfill; apart from its stages, so that an unsound span is refused at once."""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.config.settings import SettingsError

__all__ = ["days_between"]

MOST_DAYS = 366


def days_between(first: date, last: date) -> list[date]:
    """Every day from ``first`` to ``last``; raises ``SettingsError`` for an unsound span.

    >>> days_between(date(2026, 1, 30), date(2026, 2, 1))[1]
    datetime.date(2026, 1, 31)
    """
    days = (last - first).days + 1
    if not 1 <= days <= MOST_DAYS:
        raise SettingsError(
            f"a backfill goes from a day to a later one, at most {MOST_DAYS} days; "
            f"found {first} to {last}"
        )
    return [first + timedelta(days=n) for n in range(days)]
