"""The guest's past as of each search: the last events that were already known.

An event is visible to a search if and only if ``known_s < search_s``
(:mod:`data.schema.event_visibility`), so two searches of one guest in one second do not know
each other.

A guest clicks listing a at second 10 and c at second 20; b is shown and not clicked. A search
at second 10 knows nothing yet, one at 11 knows a, one at 21 knows c and, before it, a:

>>> rows = pa.table(
...     {
...         "id_user": ["g", "g", "g"],
...         "id_listing": ["a", "b", "c"],
...         "search_s": [10, 10, 20],
...         "stage": [1, 0, 1],
...     }
... )
>>> listings = Vocabulary.of([rows["id_listing"]])  # a = 1, b = 2, c = 3
>>> events = GuestEvents.of(events_of(rows), listings)
>>> events.before(pa.array(["g", "g", "g"]), [10, 11, 21], length=2).listing_SH.tolist()
[[0, 0], [1, 0], [3, 1]]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN, known_s_of_day
from data.schema.tables import CLICKED
from models.two_tower.inputs.arrays import IntArray
from models.two_tower.inputs.vocabulary import Vocabulary, as_text

__all__ = ["GuestEvents", "History", "events_of"]

_SCHEMA = pa.schema(
    [
        ("id_user", pa.string()),
        ("id_listing", pa.string()),
        ("known_s", pa.int64()),
        ("event_stage", pa.int8()),
    ]
)


def _event_table(rows: pa.Table, known_s: pa.ChunkedArray, stage: int) -> pa.Table:
    return pa.table(
        {
            "id_user": as_text(rows["id_user"]),
            "id_listing": as_text(rows["id_listing"]),
            "known_s": known_s.cast(pa.int64()),
            "event_stage": pa.array(np.full(rows.num_rows, stage, dtype=np.int8)),
        },
        schema=_SCHEMA,
    )


def events_of(rows: pa.Table) -> pa.Table:
    """The clicks, contacts and bookings in these impressions, each with its ``known_s``.

    Columns ``id_user``, ``id_listing``, ``known_s`` and ``event_stage``; a booked impression
    gives up to three events.

    A contact or booking counts only where its day is given: without a day nobody can say
    when it became known. Rows without a guest give none.
    """
    if not {"id_user", "stage", "search_s"} <= set(rows.column_names):
        return _SCHEMA.empty_table()
    acted = rows.filter(pc.and_(pc.is_valid(rows["id_user"]), pc.greater(rows["stage"], 0)))
    tables = [_event_table(acted, acted["search_s"], CLICKED)]
    for stage, column in OUTCOME_DAY.items():
        if column in rows.column_names:
            known = pc.and_(pc.is_valid(acted[column]), pc.greater_equal(acted["stage"], stage))
            happened = acted.filter(known)
            if OUTCOME_KNOWN[stage] in rows.column_names:
                known_s = happened[OUTCOME_KNOWN[stage]].to_numpy().astype(np.int64)
            else:
                known_s = known_s_of_day(happened[column].to_numpy().astype(np.int64))
            tables.append(_event_table(happened, pa.chunked_array([known_s]), stage))
    return pa.concat_tables(tables)


@dataclass(frozen=True)
class History:
    """What each search may know: ``listing_SH`` and ``stage_SH``, latest first, 0 = empty."""

    listing_SH: IntArray
    stage_SH: IntArray


@dataclass(frozen=True)
class GuestEvents:
    """Known events, sorted by guest and by when they became known.

    Attributes:
        guests: vocabulary of the guests who did something.
        key: ``guest * span + (known_s - origin)``, ascending; shape ``(events,)``.
        listing, stage: of each event, in the same order.
        origin, span: the seconds that keys count from, and one more than the longest.
    """

    guests: Vocabulary
    key: IntArray
    listing: IntArray
    stage: IntArray
    origin: int
    span: int

    @classmethod
    def of(cls, events: pa.Table, listings: Vocabulary) -> Self:
        """Sort events (:func:`events_of`); those of unknown listings are left out."""
        listing = listings.index(events["id_listing"])
        of_known_listings = events.filter(pa.array(listing > 0))
        listing = listing[listing > 0]
        guests = Vocabulary.of([of_known_listings["id_user"]])
        second = of_known_listings["known_s"].to_numpy().astype(np.int64)
        stage = of_known_listings["event_stage"].to_numpy().astype(np.int64)
        origin = int(second.min()) if len(second) else 0
        span = int(second.max()) - origin + 2 if len(second) else 1
        # Guest and second in one integer, so that one binary search finds both: with origin 10
        # and span 12, guest 2 at second 15 is 2 * 12 + 5 = 29.
        key = guests.index(of_known_listings["id_user"]) * span + (second - origin)
        # listing and stage break ties in time, so that the row order cannot.
        order = np.lexsort((stage, listing, key))
        return cls(guests, key[order], listing[order], stage[order], origin, span)

    def before(self, guest: pa.Array | pa.ChunkedArray, search_s: Any, length: int) -> History:
        """The last ``length`` events of each guest known strictly before ``search_s``.

        Args:
            guest: id of the guest of each search; null has no history.
            search_s: second of each search; shape ``(searches,)``.
            length: history slots.
        """
        code = self.guests.index(guest)
        # clipped, or the second would run over into the keys of the next or the previous guest
        offset = np.clip(np.asarray(search_s, dtype=np.int64) - self.origin, 0, self.span - 1)
        first = np.searchsorted(self.key, code * self.span, side="left")
        # side="left": an event of this very second stays out
        end = np.searchsorted(self.key, code * self.span + offset, side="left")
        slot = end[:, None] - 1 - np.arange(length)
        filled = (slot >= first[:, None]) & (code > 0)[:, None]
        if not len(self.key):
            empty = np.zeros(slot.shape, dtype=np.int64)
            return History(empty, empty.copy())
        event = np.where(filled, slot, 0)
        return History(
            np.where(filled, self.listing[event], 0), np.where(filled, self.stage[event], 0)
        )
