"""Sums per key that events add to, and what a block of searches reads of them.

Everything is an integer: sums are exact in any order. An event is *visible* from a
second on: the first at which a search may know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.history.lazy_aggregates import NEVER
from features.history.packed_keys import Array, Keys, grouped_by_key

__all__ = [
    "KeyedEvents",
    "PointInTimeQuery",
    "RunningTotals",
    "totals",
    "totals_before_each_query",
    "totals_before_each_row",
]

_TIME_BITS = np.uint64(32)


@dataclass(frozen=True, kw_only=True)
class KeyedEvents:
    """What happened, one row per event or sum of events.

    Attributes:
        keys: whose, packed (uint64).
        visible_s: the first second at which a search knows it.
        sums: per aggregate the amount.
        latest: per latest time the second at which the event became known.
        is_per_key: one row per key, sorted.
    """

    keys: Array
    visible_s: Array
    sums: tuple[Array, ...]
    latest: tuple[Array, ...]
    is_per_key: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    def chosen(self, rows: Array) -> KeyedEvents:
        """Those of ``rows``: numbers, or true and false."""
        return KeyedEvents(
            keys=self.keys[rows],
            visible_s=self.visible_s[rows],
            sums=tuple(amount[rows] for amount in self.sums),
            latest=tuple(moment[rows] for moment in self.latest),
        )

    def ended(self, window_s: int) -> KeyedEvents:
        """The equal and opposite events that take these out of a window again."""
        return KeyedEvents(
            keys=self.keys,
            visible_s=self.visible_s + window_s,
            sums=tuple(-amount for amount in self.sums),
            latest=self.latest,
            is_per_key=self.is_per_key,
        )

    def per_key(self) -> KeyedEvents:
        """One row per key, sorted, with the sums of all and the latest of all."""
        if len(self) == 0 or self.is_per_key:
            return self
        _, order, starts = grouped_by_key(self.keys)
        return self._grouped(order, starts, is_per_key=True)

    def per_key_and_time(self, numbers: Array) -> KeyedEvents:
        """One row per key and time; ``numbers`` are below 2^32, and in order of the keys."""
        if len(self) == 0:
            return self
        later = (self.visible_s - self.visible_s.min()).astype(np.uint64)
        _, order, starts = grouped_by_key((numbers.astype(np.uint64) << _TIME_BITS) | later)
        return self._grouped(order, starts, is_per_key=not later.any())

    def _grouped(self, order: Array, starts: Array, *, is_per_key: bool) -> KeyedEvents:
        first = order[starts]
        return KeyedEvents(
            keys=self.keys[first],
            visible_s=self.visible_s[first],
            sums=tuple(np.add.reduceat(amount[order], starts) for amount in self.sums),
            latest=tuple(np.maximum.reduceat(moment[order], starts) for moment in self.latest),
            is_per_key=is_per_key,
        )

    @staticmethod
    def together(parts: Sequence[KeyedEvents]) -> KeyedEvents:
        """All events of at least one part."""
        if len(parts) == 1:
            return parts[0]
        return KeyedEvents(
            keys=np.concatenate([p.keys for p in parts]),
            visible_s=np.concatenate([p.visible_s for p in parts]),
            sums=_columns([p.sums for p in parts]),
            latest=_columns([p.latest for p in parts]),
        )


class PointInTimeQuery:
    """Whose past is asked about, and when: the rows of a block that have a known key."""

    def __init__(self, keys: Keys, search_s: Array) -> None:
        self.unique, self.numbers, self.is_known = keys
        self.rows = np.flatnonzero(keys.is_known)
        self.search_s = search_s[self.rows]
        if len(self.rows) < len(self.is_known):
            self._leave_out_the_unknown()
        self.of_row = self.numbers[self.rows]

    def _leave_out_the_unknown(self) -> None:
        is_asked = np.zeros(len(self.unique), dtype=bool)
        is_asked[self.numbers[self.rows]] = True
        numbers = np.cumsum(is_asked) - 1
        self.unique = self.unique[is_asked]
        self.numbers = np.where(self.is_known, numbers[self.numbers], -1)

    @cached_property
    def in_time(self) -> tuple[Array, Array]:
        """Rows sorted by key and time, and that key (its number) and time, packed."""
        packed = self.packed(self.of_row, self.search_s)
        order = np.argsort(packed)
        return order, packed[order]

    @cached_property
    def begins(self) -> tuple[Array, Array]:
        """In that order, where the rows of each key begin, and for each row those of its time."""
        _, packed = self.in_time
        places = np.arange(len(packed))
        is_new = np.append(True, packed[1:] != packed[:-1])[: len(packed)]
        tie = np.maximum.accumulate(np.where(is_new, places, 0))
        return np.searchsorted(
            packed, np.arange(len(self.unique), dtype=np.uint64) << _TIME_BITS
        ), tie

    @cached_property
    def first_s(self) -> int:
        return int(self.search_s.min()) if len(self.search_s) else 0

    def packed(self, numbers: Array, seconds: Array) -> Array:
        """Number of the key and seconds since the first row, in one sortable integer."""
        since = np.maximum(seconds - self.first_s, 0).astype(np.uint64)
        return np.asarray((numbers.astype(np.uint64) << _TIME_BITS) | since)


class RunningTotals:
    """Per key the sums of all events so far, and the latest of them."""

    def __init__(self, aggregates: int, latest: int, keys: Array | None = None) -> None:
        """``keys``, sorted, are those that will come, where they are known beforehand."""
        self.keys = np.empty(0, dtype=np.uint64) if keys is None else keys
        self._sums = tuple(np.zeros(len(self.keys), dtype=np.int64) for _ in range(aggregates))
        self._latest = tuple(np.full(len(self.keys), NEVER) for _ in range(latest))

    def of(self, keys: Array) -> tuple[list[Array], list[Array]]:
        """Sums (0 without events) and latest times (``NEVER``) of these keys."""
        if len(self.keys) == 0:
            none = np.zeros(len(keys), dtype=np.int64)
            return [none] * len(self._sums), [none + NEVER] * len(self._latest)
        places, found = self._places(keys)
        sums = [np.where(found, amount[places], 0) for amount in self._sums]
        return sums, [np.where(found, moment[places], NEVER) for moment in self._latest]

    def add(self, events: KeyedEvents) -> None:
        """Take these events in, whatever the time."""
        if len(events) == 0:
            return
        new = events.per_key()
        if len(self.keys) == 0:
            self.keys, self._sums, self._latest = new.keys, new.sums, new.latest
            return
        places, found = self._places(new.keys)
        if not found.all():
            self._insert(new.keys[~found])
            places, _ = self._places(new.keys)
        for held, amount in zip(self._sums, new.sums, strict=True):
            held[places] += amount
        for held, moment in zip(self._latest, new.latest, strict=True):
            held[places] = np.maximum(held[places], moment)

    def _places(self, keys: Array) -> tuple[Array, Array]:
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return places, self.keys[places] == keys

    def _insert(self, keys: Array) -> None:
        at = np.searchsorted(self.keys, keys)
        self.keys = np.insert(self.keys, at, keys)
        self._sums = tuple(np.insert(amount, at, 0) for amount in self._sums)
        self._latest = tuple(np.insert(moment, at, NEVER) for moment in self._latest)


def totals(
    keys: Keys, rows: Array, amounts: Sequence[Array], moments: Sequence[Array]
) -> KeyedEvents:
    """The sums of these rows per key, whatever their times, and the latest of them."""
    numbers, unique = keys.of_row[rows], keys.unique
    counts = np.bincount(numbers, minlength=len(unique))
    has_events = np.flatnonzero(counts)
    latest = [np.full(len(unique), NEVER) for _ in moments]
    for held, moment in zip(latest, moments, strict=True):
        np.maximum.at(held, numbers, moment)
    return KeyedEvents(
        keys=unique[has_events],
        visible_s=counts[has_events],
        sums=tuple(_summed(numbers, a, counts)[has_events] for a in amounts),
        latest=tuple(held[has_events] for held in latest),
        is_per_key=True,
    )


def _summed(numbers: Array, amounts: Array, counts: Array) -> Array:
    if len(amounts) and amounts.min() == amounts.max():
        return np.asarray(counts * amounts[0])
    sums = np.zeros(len(counts), dtype=np.int64)
    np.add.at(sums, numbers, amounts)
    return sums


def totals_before_each_row(
    asked: PointInTimeQuery, events: KeyedEvents
) -> tuple[list[Array], list[Array], KeyedEvents]:
    """As :func:`totals_before_each_query`, where the events are the asking rows themselves.

    Row by row an event, of nothing perhaps. Also gives the events of each key together.
    """
    order, packed = asked.in_time
    begins, tie = asked.begins
    since = begins[(packed >> _TIME_BITS).astype(np.int64)]
    sums, totals = [], []
    for amount in events.sums:
        running = np.concatenate([[0], np.cumsum(amount[order])])
        sums.append(_in_rows(order, running[tie] - running[since]))
        totals.append(np.diff(running[np.append(begins, len(order))]))
    latest, last = [], []
    ends = np.append(begins[1:], len(order)) - 1
    for moment in events.latest:
        highest = _highest(packed >> _TIME_BITS << _TIME_BITS, moment[order] + 1) - 1
        before = np.where(tie > since, highest[np.maximum(tie - 1, 0)], NEVER)
        latest.append(_in_rows(order, before))
        last.append(highest[ends])
    per_key = KeyedEvents(
        keys=asked.unique, visible_s=ends, sums=tuple(totals), latest=tuple(last), is_per_key=True
    )
    return sums, latest, per_key


def totals_before_each_query(
    asked: PointInTimeQuery, events: KeyedEvents
) -> tuple[list[Array], list[Array]]:
    """Per row that asks, sums and latest times over those events that it knows already."""
    if not (len(events) and len(asked.rows)):
        none = np.zeros(len(asked.rows), dtype=np.int64)
        return [none for _ in events.sums], [none + NEVER for _ in events.latest]
    numbers = np.minimum(np.searchsorted(asked.unique, events.keys), len(asked.unique) - 1)
    asked_for = asked.unique[numbers] == events.keys
    if not asked_for.all():
        events, numbers = events.chosen(asked_for), numbers[asked_for]
    packed = asked.packed(numbers, events.visible_s)
    in_time = np.argsort(packed)
    events, packed = events.chosen(in_time), packed[in_time]
    order, moments = asked.in_time
    until = np.searchsorted(packed, moments, side="right")
    begins = np.searchsorted(packed, np.arange(len(asked.unique), dtype=np.uint64) << _TIME_BITS)
    since = begins[(moments >> _TIME_BITS).astype(np.int64)]
    sums = [_in_rows(order, _between(amount, since, until)) for amount in events.sums]
    numbered = packed >> _TIME_BITS << _TIME_BITS
    latest = [_in_rows(order, _last(numbered, moment, since, until)) for moment in events.latest]
    return sums, latest


def _between(amounts: Array, since: Array, until: Array) -> Array:
    running = np.concatenate([[0], np.cumsum(amounts)])
    return np.asarray(running[until] - running[since])


def _last(numbered: Array, moments: Array, since: Array, until: Array) -> Array:
    if len(moments) == 0:
        return np.full(len(since), NEVER)
    last = _highest(numbered, moments)
    return np.where(until > since, last[np.maximum(until - 1, 0)], NEVER)


def _highest(numbered: Array, moments: Array) -> Array:
    """The running maximum of the moments, none negative, of each key."""
    # The number of the key stands above the time, so that a maximum never leaves its key.
    highest = np.maximum.accumulate(numbered | moments.astype(np.uint64))
    return np.asarray((highest & np.uint64(0xFFFFFFFF)).astype(np.int64))


def _in_rows(order: Array, values: Array) -> Array:
    placed = np.empty_like(values)
    placed[order] = values
    return placed


def _columns(parts: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
