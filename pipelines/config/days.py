"""Days as people type them: on the command line, and as parameters on Prefect's page."""

from __future__ import annotations

import re
from calendar import month_name, monthrange
from contextlib import suppress
from datetime import date

__all__ = ["read_day"]

EXAMPLE = "2026-01-26"
_WRITTEN = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_PARTS = re.compile(r"(\d{4})\D?(\d{1,2})\D?(\d{1,2})")
MONTHS = 12


def read_day(text: str) -> date:
    """A day written ``YYYY-MM-DD``; raises ``ValueError`` with what is wrong with any other.

    >>> read_day("2026-02-30")
    Traceback (most recent call last):
    ValueError: '2026-02-30' is not a date like 2026-01-26: February 2026 has 28 days
    >>> read_day("2026-1-5")
    Traceback (most recent call last):
    ValueError: '2026-1-5' is not a date like 2026-01-26; did you mean 2026-01-05?
    """
    # fromisoformat would take 20260126 and 2026-W05-1 too.
    if _WRITTEN.fullmatch(text):
        with suppress(ValueError):
            return date.fromisoformat(text)
    raise ValueError(f"{text!r} is not a date like {EXAMPLE}{_hint(text)}")


def _hint(text: str) -> str:
    found = _PARTS.fullmatch(text.strip())
    if found is None:
        return ""
    year, month, day = map(int, found.groups())
    if not year:
        return ": years begin with 0001"
    if not 1 <= month <= MONTHS:
        return f": there is no month {month}"
    days = monthrange(year, month)[1]
    if not 1 <= day <= days:
        return f": {month_name[month]} {year} has {days} days"
    return f"; did you mean {date(year, month, day)}?"
