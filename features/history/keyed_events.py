"""Events and queries of a block as arrays: what happened to which key, who asks, and when.

:mod:`features.history.running_totals` sums the one as of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from features.history.packed_keys import Array, Keys, grouped_by_key
from features.history.sorting import sorted_order

__all__ = ["NEVER", "TIME_BITS", "KeyedEvents", "PointInTimeQuery"]

NEVER = -1
"""Stands for "no event yet" among latest times while they are compared; every second is greater."""

# A key's number (its place among the query's keys) and a time are packed into one integer: the
# number in the upper 32 bits, the seconds since the block's first row in the lower. Key 2 at
# second 5 is 2 · 2³² + 5. Sorting such integers sorts by key, then by time, and one binary search
# finds where a key's events up to a second end.
TIME_BITS = np.uint64(32)


@dataclass(frozen=True, kw_only=True)
class KeyedEvents:
    """Events, or sums of events: one entry each.

    Attributes:
        keys: packed key of each (uint64).
        visible_s: the first second at which a search knows it.
        sums: for each aggregate, the amount that each entry adds.
        latest: for each latest time, the second at which each entry became known.
        is_per_key: there is one entry per key, and they are sorted by key.
    """

    keys: Array
    visible_s: Array
    sums: tuple[Array, ...]
    latest: tuple[Array, ...]
    is_per_key: bool = False

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: Array) -> KeyedEvents:
        """The entries of these numbers, or where this mask is true."""
        return KeyedEvents(
            keys=self.keys[rows],
            visible_s=self.visible_s[rows],
            sums=tuple(amount[rows] for amount in self.sums),
            latest=tuple(moment[rows] for moment in self.latest),
        )

    def reversed_after(self, window_s: int) -> KeyedEvents:
        """The opposite events, ``window_s`` later: added, they take these out of the window."""
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
        _, order, starts = grouped_by_key((numbers.astype(np.uint64) << TIME_BITS) | later)
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
    def concatenated(parts: Sequence[KeyedEvents]) -> KeyedEvents:
        """All entries of the parts, of which there is at least one."""
        if len(parts) == 1:
            return parts[0]
        return KeyedEvents(
            keys=np.concatenate([p.keys for p in parts]),
            visible_s=np.concatenate([p.visible_s for p in parts]),
            sums=_concatenated_columns([p.sums for p in parts]),
            latest=_concatenated_columns([p.latest for p in parts]),
        )


class PointInTimeQuery:
    """The rows of a block that need sums: of which key, and as of which second.

    Rows without a key need none. "Row of the query" below means a row with a key.

    Attributes:
        unique: the keys of the query's rows, sorted.
        numbers: for every row of the block its key's place in ``unique``, -1 without a key.
        is_known: for every row of the block whether it has a key.
        rows: the query's rows: their numbers in the block.
        of_row, search_s: of each row of the query, its key's place and its second.
    """

    def __init__(self, keys: Keys, search_s: Array) -> None:
        self.unique, self.numbers, self.is_known = keys
        self.rows = np.flatnonzero(keys.is_known)
        self.search_s = search_s[self.rows]
        if len(self.rows) < len(self.is_known):
            self._drop_unknown_keys()
        self.of_row = self.numbers[self.rows]

    def _drop_unknown_keys(self) -> None:
        is_needed = np.zeros(len(self.unique), dtype=bool)
        is_needed[self.numbers[self.rows]] = True
        numbers = np.cumsum(is_needed) - 1
        self.unique = self.unique[is_needed]
        self.numbers = np.where(self.is_known, numbers[self.numbers], -1)

    @cached_property
    def by_key_and_time(self) -> tuple[Array, Array]:
        """The order of the query's rows by key and time, and their packed key and time in it."""
        packed = self.packed(self.of_row, self.search_s)
        order = sorted_order(packed)
        return order, packed[order]

    @cached_property
    def group_starts(self) -> tuple[Array, Array]:
        """In that order: where each key begins, and for each row where its key and second begin.

        A row knows the rows between these two places: those of its own second are left out.
        Of rows at (key, second) (0, 10), (0, 10), (0, 20), (1, 10) keys begin at 0 and 3, and
        key and second at 0, 0, 2, 3: the third row knows the first two.
        """
        _, packed = self.by_key_and_time
        places = np.arange(len(packed))
        is_new = np.append(True, packed[1:] != packed[:-1])[: len(packed)]
        tie = np.maximum.accumulate(np.where(is_new, places, 0))
        return np.searchsorted(
            packed, np.arange(len(self.unique), dtype=np.uint64) << TIME_BITS
        ), tie

    @cached_property
    def first_s(self) -> int:
        return int(self.search_s.min()) if len(self.search_s) else 0

    @cached_property
    def last_s(self) -> int:
        return int(self.search_s.max()) if len(self.search_s) else 0

    def packed(self, numbers: Array, seconds: Array) -> Array:
        """Number of the key and seconds since the first row, in one sortable integer."""
        since = np.maximum(seconds - self.first_s, 0).astype(np.uint64)
        return np.asarray((numbers.astype(np.uint64) << TIME_BITS) | since)


def _concatenated_columns(parts: Sequence[tuple[Array, ...]]) -> tuple[Array, ...]:
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))
