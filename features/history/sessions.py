"""A guest's sessions: searches that follow one another without a long pause.

Example, a pause of more than 1,800 seconds ends a session. One guest searches four times:

========  ===============  ==========================================================
search_s  session_start_s  session_searches: what the search knows of those before it
========  ===============  ==========================================================
0         none             none: there is no session yet
600       0                1
2,400     0                2: a pause of just 1,800 s does not end it
4,201     none             none: 1,801 s after the last
========  ===============  ==========================================================

>>> import polars as pl
>>> sessions = OpenSessions(gap_s=1_800)
>>> for seconds in ([0, 600], [2_400, 4_201]):  # two blocks: a session goes on across them
...     searches = Rows(pl.DataFrame({"id_user": [7, 7], "search_s": seconds}))
...     query = PointInTimeQuery(searches.keys(["id_user"]), searches.integers("search_s"))
...     started, counts = sessions.before(query, searches)
...     started.tolist(), counts.tolist()
([-1, 0], [-1, 1])
([0, -1], [2, -1])
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.history.keyed_events import NEVER, TIME_BITS, PointInTimeQuery
from features.history.packed_keys import Array, Rows, grouped_by_key
from features.history.sorting import sorted_order

__all__ = ["GuestSessions", "OpenSessions"]

_GUEST = ("id_user",)


@dataclass(frozen=True, kw_only=True)
class GuestSessions:
    """The session that a search of a guest goes on with.

    Columns: ``session_start_s``, the second of the session's first search, and
    ``session_searches``, how many searches it had before this one. Both are null for a guest
    without an id, and where the last session is over or there was none.

    Attributes:
        gap_s: a session ends when the guest does not search for more than so many seconds.
    """

    gap_s: int

    @property
    def key(self) -> tuple[str, ...]:
        return _GUEST

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it adds, in their order."""
        return ("session_start_s", "session_searches")

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of rows and events that they are made from."""
        return (*_GUEST, "stage")


class OpenSessions:
    """The sessions that may go on, brought forward from block to block."""

    def __init__(self, gap_s: int) -> None:
        self._gap_s = gap_s
        self._open = _Searches(*(np.empty(0, dtype=np.int64) for _ in range(4)))

    def before(self, query: PointInTimeQuery, searches: Rows) -> tuple[Array, Array]:
        """Start and searches of each query's session; then ``searches`` are added.

        Both -1 where no session goes on. ``searches``: one row per search, ``id_user`` and
        ``search_s``, none before an earlier block's.
        """
        known = self._add(searches)
        packed = _packed(known.guest, known.search_s)
        asked = _packed(query.unique[query.of_row].astype(np.int64), query.search_s)
        # "left": a search of the query's own second is not before it.
        place = np.searchsorted(packed, asked, side="left") - 1
        if len(packed) == 0:
            none = np.full(len(asked), NEVER)
            return none, none
        last = np.maximum(place, 0)
        goes_on = (place >= 0) & (known.guest[last] == query.unique[query.of_row].astype(np.int64))
        goes_on &= query.search_s - known.search_s[last] <= self._gap_s
        return (
            np.where(goes_on, known.start_s[last], NEVER),
            np.where(goes_on, known.count[last], NEVER),
        )

    def closing(self) -> tuple[Array, Array, Array, Array]:
        """Guest, second, start and searches of the last search of each open session."""
        return _columns(self._open)

    def resume(self, guest: Array, search_s: Array, start_s: Array, count: Array) -> None:
        """Begin where another closed."""
        by_guest = sorted_order(_packed(guest, search_s))
        self._open = _Searches(guest, search_s, start_s, count).take(by_guest)

    def _add(self, searches: Rows) -> _Searches:
        """The open sessions and these searches, by guest and time, each with its session so far."""
        keys, seconds = searches.keys(_GUEST), searches.integers("search_s")
        has_guest = np.flatnonzero(keys.is_known)
        guest = keys.unique[keys.of_row[has_guest]].astype(np.int64)
        packed, _, starts = grouped_by_key(_packed(guest, seconds[has_guest]))
        counts = np.diff(np.append(starts, len(guest)))
        new = _Searches(*_unpacked(packed), np.full(len(packed), NEVER), counts)
        known = self._open.merged(new).in_sessions(self._gap_s)
        self._open = known.last_of_each(int(seconds.max(initial=NEVER)) - self._gap_s)
        return known


@dataclass(frozen=True)
class _Searches:
    """Seconds at which guests searched, by guest and time.

    Attributes:
        guest: packed key of each.
        search_s: the second.
        start_s: the first second of its session; -1 where it is not known yet.
        count: searches of the session up to this second; of a new one those of the second.
    """

    guest: Array
    search_s: Array
    start_s: Array
    count: Array

    def take(self, at: Array) -> _Searches:
        return _Searches(self.guest[at], self.search_s[at], self.start_s[at], self.count[at])

    def merged(self, new: _Searches) -> _Searches:
        both = (np.concatenate(pair) for pair in zip(_columns(self), _columns(new), strict=True))
        together = _Searches(*both)
        return together.take(sorted_order(_packed(together.guest, together.search_s)))

    def in_sessions(self, gap_s: int) -> _Searches:
        """Each with the start of its session, and the searches of it so far."""
        if len(self.guest) == 0:
            return self
        is_same_guest = np.append(False, self.guest[1:] == self.guest[:-1])
        is_near = np.append(False, np.diff(self.search_s) <= gap_s)
        begins = ~(is_same_guest & is_near)
        place = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
        # An open session of an earlier block is the first of its guest, and brings its start.
        first_s = np.where(self.start_s > NEVER, self.start_s, self.search_s)
        running = np.cumsum(self.count)
        count = running - (running - self.count)[place]
        return _Searches(self.guest, self.search_s, first_s[place], count)

    def last_of_each(self, since_s: int) -> _Searches:
        """The last search of each guest, of those at ``since_s`` or later."""
        is_last = np.append(self.guest[1:] != self.guest[:-1], True)[: len(self.guest)]
        return self.take(np.flatnonzero(is_last & (self.search_s >= since_s)))


def _columns(searches: _Searches) -> tuple[Array, Array, Array, Array]:
    return searches.guest, searches.search_s, searches.start_s, searches.count


def _packed(guest: Array, second: Array) -> Array:
    return np.asarray((guest.astype(np.uint64) << TIME_BITS) | second.astype(np.uint64))


def _unpacked(packed: Array) -> tuple[Array, Array]:
    guest = (packed >> TIME_BITS).astype(np.int64)
    return guest, (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
