"""The stages of an impression, impressed → clicked → contacted → booked, as events with a time.

:mod:`data.schema.event_visibility` has the rule of what a search may know.
"""

from __future__ import annotations

import narwhals as nw

from data.schema.event_visibility import OUTCOME_DAY, known_s_of_day
from data.schema.tables import Stage

__all__ = [
    "is_event_of",
    "known_s",
]


def known_s(stage: Stage) -> nw.Expr:
    """The second after which an impression's event of this stage is known.

    Null where the row has no such event. Reads ``search_s``, ``contact_day``, ``book_day``.
    """
    if stage in OUTCOME_DAY:
        return known_s_of_day(nw.col(OUTCOME_DAY[stage]).cast(nw.Int64))
    return nw.col("search_s").cast(nw.Int64)


def is_event_of(stage: Stage) -> nw.Expr:
    """Whether the row has an event of this stage: a boolean, never null.

    A row at a further stage was clicked as well; a booking without a ``contact_day`` had
    no contact.
    """
    if stage in OUTCOME_DAY:
        return ~nw.col(OUTCOME_DAY[stage]).is_null()
    return nw.col("stage") >= int(stage)
