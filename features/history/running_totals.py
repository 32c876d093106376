"""Sums over the events before a time, per key, as NumPy arrays.

All amounts are integers: their sums are exact, so that the order of rows, blocks or threads
cannot show in the last bit of a feature. A build goes through the log block by block, and a row
of a block knows the events of earlier blocks and some of its own. There are four functions, each
the cheapest for its case:

=================================  ============================================================
``RunningTotals.lookup``           events of earlier blocks: one total per key
``totals_before_each_row``         events of this block that *are* the rows of the query, each
                                   visible right after its own row (impressions, clicks)
``totals_before_each_query``       any other events of this block, which become visible at a
                                   second of their own (a booking: the next day)
``totals_per_key``                 events of a time that is not built: they are all visible to
                                   the rows that follow, so their order does not matter
=================================  ============================================================

An event is *visible* from a second on: the first at which a search may know it. A click at
second 10 is visible from 11, so searches of one second never know each other.

Example: clicks of one listing, for four rows that show it. Before this block it had 5 clicks.

======  ========  =======  =========================================================
row     second    clicked  clicks known to the row
======  ========  =======  =========================================================
a       10        yes      5
b       10        yes      5: same second as ``a``
c       20        no       7: both are visible from 11
d       30        yes      7
======  ========  =======  =========================================================

>>> keys = Keys(np.array([7], dtype=np.uint64), np.zeros(4, dtype=int), np.ones(4, dtype=bool))
>>> query = PointInTimeQuery(keys, np.array([10, 10, 20, 30]))
>>> clicked = np.array([1, 1, 0, 1])
>>> clicks = KeyedEvents(
...     keys=query.unique[query.of_row], visible_s=query.search_s + 1, sums=(clicked,), latest=()
... )
>>> earlier = RunningTotals(sums=1, latest=0)
>>> earlier.add(totals_per_key(keys, np.array([0]), [np.array([5])], []))
>>> held, _ = earlier.lookup(query.unique)
>>> own, _, block_total = totals_before_each_row(query, clicks)
>>> (held[0][query.of_row] + own[0]).tolist()
[5, 5, 7, 7]
>>> earlier.add(block_total)  # what the next block starts from
>>> earlier.lookup(query.unique)[0][0].tolist()
[8]

The same clicks as events with a time of their own give the same sums, by a search in the
events instead of a running sum over the rows:

>>> totals_before_each_query(query, clicks)[0][0].tolist()
[0, 0, 2, 2]

A window is a sum that an equal and opposite event ends. With one of 15 seconds the clicks of
second 10 are visible from 11 and gone from 26, before row ``d``:

>>> window = KeyedEvents.concatenated([clicks, clicks.reversed_after(15)])
>>> totals_before_each_query(query, window)[0][0].tolist()
[0, 0, 2, 0]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from features.history.keyed_events import NEVER, TIME_BITS, KeyedEvents, PointInTimeQuery
from features.history.packed_keys import Array, Keys
from features.history.sorting import sorted_order

__all__ = [
    "RunningTotals",
    "totals_before_each_query",
    "totals_before_each_row",
    "totals_per_key",
]


class RunningTotals:
    """Per key the sums of all events so far, and the latest of them."""

    def __init__(self, sums: int, latest: int, keys: Array | None = None) -> None:
        """For so many sums and latest times per key.

        ``keys`` (sorted) are all that will come, where that is known beforehand: memory is
        then taken once, and no key has to be inserted later.
        """
        self.keys = np.empty(0, dtype=np.uint64) if keys is None else keys
        self._sums = tuple(np.zeros(len(self.keys), dtype=np.int64) for _ in range(sums))
        self._latest = tuple(np.full(len(self.keys), NEVER) for _ in range(latest))

    def lookup(self, keys: Array) -> tuple[list[Array], list[Array]]:
        """Sums (0 without events) and latest times (``NEVER``) of these keys."""
        if len(self.keys) == 0:
            none = np.zeros(len(keys), dtype=np.int64)
            return [none] * len(self._sums), [none + NEVER] * len(self._latest)
        places, is_present = self._find(keys)
        sums = [np.where(is_present, amount[places], 0) for amount in self._sums]
        return sums, [np.where(is_present, moment[places], NEVER) for moment in self._latest]

    def add(self, events: KeyedEvents) -> None:
        """Add these events, whatever their time: every later row knows them."""
        if len(events) == 0:
            return
        new = events.per_key()
        if len(self.keys) == 0:
            self.keys, self._sums, self._latest = new.keys, new.sums, new.latest
            return
        places, is_present = self._find(new.keys)
        if not is_present.all():
            self._insert(new.keys[~is_present])
            places, _ = self._find(new.keys)
        for total, amount in zip(self._sums, new.sums, strict=True):
            total[places] += amount
        for highest, moment in zip(self._latest, new.latest, strict=True):
            highest[places] = np.maximum(highest[places], moment)

    def as_events(self) -> KeyedEvents:
        """All of them as they are now, one entry per key; ``visible_s`` means nothing."""
        return KeyedEvents(
            keys=self.keys,
            visible_s=np.zeros(len(self.keys), dtype=np.int64),
            # Copies: what is added later is added in place.
            sums=tuple(amount.copy() for amount in self._sums),
            latest=tuple(moment.copy() for moment in self._latest),
            is_per_key=True,
        )

    def _find(self, keys: Array) -> tuple[Array, Array]:
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return places, self.keys[places] == keys

    def _insert(self, keys: Array) -> None:
        # This copies all totals; where keys are very many, a build gives them beforehand.
        at = np.searchsorted(self.keys, keys)
        self.keys = np.insert(self.keys, at, keys)
        self._sums = tuple(np.insert(amount, at, 0) for amount in self._sums)
        self._latest = tuple(np.insert(moment, at, NEVER) for moment in self._latest)


def totals_per_key(
    keys: Keys, rows: Array, amounts: Sequence[Array], moments: Sequence[Array]
) -> KeyedEvents:
    """The sums of these rows per key, and the latest of them, as events without a time.

    ``visible_s`` of the result means nothing: it is for :meth:`RunningTotals.add`.
    """
    numbers, unique = keys.of_row[rows], keys.unique
    counts = np.bincount(numbers, minlength=len(unique))
    has_events = np.flatnonzero(counts)
    latest = [np.full(len(unique), NEVER) for _ in moments]
    for highest, moment in zip(latest, moments, strict=True):
        np.maximum.at(highest, numbers, moment)
    return KeyedEvents(
        keys=unique[has_events],
        visible_s=counts[has_events],  # of the right length; totals have no time of their own
        sums=tuple(_sum_per_key(numbers, a, counts)[has_events] for a in amounts),
        latest=tuple(highest[has_events] for highest in latest),
        is_per_key=True,
    )


def _sum_per_key(numbers: Array, amounts: Array, counts: Array) -> Array:
    # Counts of events are ones throughout, and counting is ten times as fast as adding up.
    if len(amounts) and amounts.min() == amounts.max():
        return np.asarray(counts * amounts[0])
    sums = np.zeros(len(counts), dtype=np.int64)
    np.add.at(sums, numbers, amounts)
    return sums


def totals_before_each_row(
    query: PointInTimeQuery, events: KeyedEvents
) -> tuple[list[Array], list[Array], KeyedEvents]:
    """As :func:`totals_before_each_query`, where the events are the query's rows themselves.

    ``events`` has one entry per row of the query, with an amount of 0 where nothing happened.
    Also returns the block's total per key, for :meth:`RunningTotals.add`.
    """
    order, packed = query.by_key_and_time
    group_starts, tie = query.group_starts
    since = group_starts[(packed >> TIME_BITS).astype(np.int64)]
    sums, block_sums = [], []
    for amount in events.sums:
        # running[n] is the sum of the first n rows in order of key and time, across keys: a
        # difference of two of its values is the sum of the rows between them.
        running = np.concatenate([[0], np.cumsum(amount[order])])
        sums.append(_in_row_order(order, running[tie] - running[since]))
        block_sums.append(np.diff(running[np.append(group_starts, len(order))]))
    latest, last = [], []
    ends = np.append(group_starts[1:], len(order)) - 1
    for moment in events.latest:
        # One is added, and taken off again, because NEVER is negative and cannot be packed.
        highest = _running_max_per_key(packed >> TIME_BITS << TIME_BITS, moment[order] + 1) - 1
        # The entry just before the row's own second, unless that belongs to another key.
        before = np.where(tie > since, highest[np.maximum(tie - 1, 0)], NEVER)
        latest.append(_in_row_order(order, before))
        last.append(highest[ends])
    per_key = KeyedEvents(
        keys=query.unique,
        visible_s=ends,  # of the right length; totals have no time of their own
        sums=tuple(block_sums),
        latest=tuple(last),
        is_per_key=True,
    )
    return sums, latest, per_key


def totals_before_each_query(
    query: PointInTimeQuery, events: KeyedEvents
) -> tuple[list[Array], list[Array]]:
    """Per row of the query, sums and latest times over the events visible at its second."""
    if not (len(events) and len(query.rows)):
        none = np.zeros(len(query.rows), dtype=np.int64)
        return [none for _ in events.sums], [none + NEVER for _ in events.latest]
    numbers = np.minimum(np.searchsorted(query.unique, events.keys), len(query.unique) - 1)
    is_queried = query.unique[numbers] == events.keys
    # Events of other keys would take the number of a neighbour, and count for its rows.
    if not is_queried.all():
        events, numbers = events.take(is_queried), numbers[is_queried]
    packed = query.packed(numbers, events.visible_s)
    by_key_and_time = sorted_order(packed)
    events, packed = events.take(by_key_and_time), packed[by_key_and_time]
    order, moments = query.by_key_and_time
    # "right": an event that becomes visible in the row's own second is known to the row.
    until = np.searchsorted(packed, moments, side="right")
    group_starts = np.searchsorted(
        packed, np.arange(len(query.unique), dtype=np.uint64) << TIME_BITS
    )
    since = group_starts[(moments >> TIME_BITS).astype(np.int64)]
    sums = [_in_row_order(order, _sum_between(amount, since, until)) for amount in events.sums]
    numbered = packed >> TIME_BITS << TIME_BITS
    latest = [
        _in_row_order(order, _latest_before(numbered, moment, since, until))
        for moment in events.latest
    ]
    return sums, latest


def _sum_between(amounts: Array, since: Array, until: Array) -> Array:
    running = np.concatenate([[0], np.cumsum(amounts)])
    return np.asarray(running[until] - running[since])


def _latest_before(numbered: Array, moments: Array, since: Array, until: Array) -> Array:
    if len(moments) == 0:
        return np.full(len(since), NEVER)
    last = _running_max_per_key(numbered, moments)
    return np.where(until > since, last[np.maximum(until - 1, 0)], NEVER)


def _running_max_per_key(numbered: Array, moments: Array) -> Array:
    """The running maximum of the moments, none negative, of each key."""
    # The number of the key stands above the time, so that a maximum never leaves its key.
    highest = np.maximum.accumulate(numbered | moments.astype(np.uint64))
    return np.asarray((highest & np.uint64(0xFFFFFFFF)).astype(np.int64))


def _in_row_order(order: Array, values: Array) -> Array:
    placed = np.empty_like(values)
    placed[order] = values
    return placed
