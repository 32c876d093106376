"""The funnel: impressed → clicked → contacted → booked, and when each stage becomes known.

One integer rule decides visibility everywhere: an event is known to a search at
``search_s`` if and only if ``known_s < search_s``. An impression and a click are known
at the second of their search, so strictly later searches know them; a contact and a
booking have a day but no time of day, so they are known from the day after.
"""

from __future__ import annotations

import narwhals as nw

from data.schema.tables import BOOKED, CLICKED, CONTACTED, IMPRESSED, Stage

__all__ = [
    "DAY_S",
    "UTILITY",
    "is_event_of",
    "known_s",
]

DAY_S = 86_400

UTILITY: dict[Stage, float] = {IMPRESSED: 0.0, CLICKED: 0.01, CONTACTED: 0.25, BOOKED: 1.0}
"""Worth of each stage relative to a booking (Grbovic & Cheng, KDD 2018)."""

_DAY_OF = {CONTACTED: "contact_day", BOOKED: "book_day"}


def known_s(stage: Stage) -> nw.Expr:
    """The second after which an impression's event of this stage is known.

    Null where the row has no such event. Reads ``search_s``, ``contact_day``, ``book_day``.
    """
    if stage in _DAY_OF:
        return (nw.col(_DAY_OF[stage]).cast(nw.Int64) + 1) * DAY_S - 1
    return nw.col("search_s").cast(nw.Int64)


def is_event_of(stage: Stage) -> nw.Expr:
    """Whether the row has an event of this stage: a boolean, never null.

    A row at a further stage was clicked as well; a booking without a ``contact_day`` had
    no contact.
    """
    if stage in _DAY_OF:
        return ~nw.col(_DAY_OF[stage]).is_null()
    return nw.col("stage") >= int(stage)
