"""When an outcome becomes known: the one rule that keeps the future out of the features.

An event is known to a search at ``search_s`` if and only if ``known_s < search_s``:

======================  ==========================  =====================================
event                   ``known_s``                 first search that knows it
======================  ==========================  =====================================
impression, click       its search's ``search_s``   one second later
contact, booking        last second of its day      the first second of the next day
======================  ==========================  =====================================

Contacts and bookings have a date but no time of day, so nobody can say that a search of the
same day came after them. A booking of day 10 has ``known_s`` 950,399: the search at second
950,399 (23:59:59 of day 10) does not know it, the search at 950,400 does.

Where a log tells instants (``search_s`` in UTC), its days end when the market's clock says so:
at 03:00 UTC of the next day in Sao Paulo, at 15:00 UTC of the same in Tokyo. That second is
worked out when the log is read, by a clock that knows its changes, and stands beside the day:
``book_known_s``, ``contact_known_s``. A log of local times alone has no such columns.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from data.schema.tables import BOOKED, CONTACTED
from data.schema.time import DAY_S
from data.schema.types import Stage

__all__ = ["OUTCOME_DAY", "OUTCOME_KNOWN", "known_s_of_day"]

OUTCOME_DAY: dict[Stage, str] = {CONTACTED: "contact_day", BOOKED: "book_day"}
"""The column with the day of a stage's event; impressions and clicks have a second instead."""

OUTCOME_KNOWN: dict[Stage, str] = {CONTACTED: "contact_known_s", BOOKED: "book_known_s"}
"""The column with ``known_s`` of a stage's event, in a log that tells instants."""

T = TypeVar("T")


def known_s_of_day(day: T) -> T:
    """``known_s`` of an event of this day: an integer, an int64 array, or an int64 expression.

    >>> known_s_of_day(10)
    950399
    """
    known_s: T = (cast("Any", day) + 1) * DAY_S - 1
    return known_s
