"""The events of one stage that an aggregation sums, block by block.

A :class:`StageAggregate` holds the totals that every later search knows, and apart from them
the pending events, which are not visible yet: a booking of today, an hour that has not ended,
or the moment at which an event leaves a window.

Example: bookings per listing, refreshed by the day (``refresh_s`` 86,400). One listing is shown
on day 0, 1 and 2; the guest of day 0 books it on day 1.

=====  ================================================  =======================
block  what happens                                      bookings that rows know
=====  ================================================  =======================
day 0  the booking of day 1 is read with its row: it is  0
       visible from day 2 on, so it becomes pending
day 1  nothing is due                                    0
day 2  the pending booking is due: into the totals       1
=====  ================================================  =======================

>>> import polars as pl
>>> from data.schema.tables import BOOKED
>>> from data.schema.time import DAY_S
>>> (bookings,) = stage_aggregates_of(
...     HistoryAggregation(
...         key=("listing",),
...         aggregates=(Aggregate(name="bookings", stage=BOOKED),),
...         refresh_s=DAY_S,
...     )
... )
>>> for day, book_day in ((0, 1), (1, None), (2, None)):
...     shown = {"listing": [7], "search_s": [day * DAY_S], "book_day": [book_day]}
...     rows = Rows(pl.DataFrame(shown))
...     keys = rows.keys(["listing"])
...     query = PointInTimeQuery(keys, rows.integers("search_s"))
...     (known,), _ = bookings.totals_before(query, rows, keys, is_same_block=True)
...     known.tolist()
[0]
[0]
[1]

With ``window_s`` of a day the same event is entered twice: +1 from day 2, and −1 from day 3.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN, known_s_of_day
from data.schema.tables import Stage
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.keyed_events import NEVER, KeyedEvents, PointInTimeQuery
from features.history.packed_keys import Array, Keys, Rows, grouped_by_key, is_member, sorted_unique
from features.history.running_totals import (
    RunningTotals,
    totals_before_each_query,
    totals_before_each_row,
    totals_per_key,
)

__all__ = ["StageAggregate", "stage_aggregates_of"]

# Columns whose values never come again in a later block, so that none need be remembered for a
# distinct count: a search has one time.
_IN_ONE_BLOCK = frozenset({"id_search"})


def stage_aggregates_of(aggregation: HistoryAggregation) -> list[StageAggregate]:
    """The aggregation in parts that count the same events."""
    parts: dict[tuple[Stage, str | None, int | None], list[Aggregate]] = defaultdict(list)
    for aggregate in aggregation.aggregates:
        parts[aggregate.stage, aggregate.distinct, aggregate.window_s].append(aggregate)
    for entry in aggregation.latest:
        parts.setdefault((entry.stage, None, None), [])
    return [
        StageAggregate(
            aggregation,
            aggregates,
            () if distinct or window_s else _latest_of(aggregation, stage),
            stage,
        )
        for (stage, distinct, window_s), aggregates in parts.items()
    ]


def _latest_of(aggregation: HistoryAggregation, stage: Stage) -> tuple[LastEventTime, ...]:
    return tuple(entry for entry in aggregation.latest if entry.stage == stage)


class StageAggregate:
    """Events of one stage: the totals of those that are visible, and those that are pending.

    Attributes:
        aggregation: that this is a part of.
        names: its columns, sums first.
        distinct, window_s: see :class:`Aggregate`.
        latest_times: how many of its columns are latest times.
    """

    def __init__(
        self,
        aggregation: HistoryAggregation,
        aggregates: Sequence[Aggregate],
        latest: Sequence[LastEventTime],
        stage: Stage,
    ) -> None:
        """``aggregates`` have the stage, ``distinct`` and ``window_s`` in common."""
        self.names = (
            *(aggregate.name for aggregate in aggregates),
            *(entry.name for entry in latest),
        )
        self.aggregation, self._stage = aggregation, stage
        self._aggregates, self._latest = aggregates, latest
        self.distinct = aggregates[0].distinct if aggregates else None
        self.window_s = aggregates[0].window_s if aggregates else None
        self.latest_times = len(latest)
        self._totals = RunningTotals(len(aggregates), len(latest))
        self._pending: dict[int, list[KeyedEvents]] = defaultdict(list)
        # Packed key and value of a distinct count, sorted: pairs that were counted already.
        self._counted_pairs = np.empty(0, dtype=np.uint64)

    def restrict_to_keys(self, keys: Array) -> None:
        """Start afresh, for events of these keys (sorted) alone: no other will come."""
        self._totals = RunningTotals(len(self._aggregates), len(self._latest), keys)

    def closing(self) -> tuple[KeyedEvents, list[KeyedEvents], Array]:
        """Totals of what is visible; what is pending; and pairs that a distinct count has seen.

        Pairs are packed keys with the value last, sorted.
        """
        pending = [
            KeyedEvents.concatenated(self._pending[second]).per_key()
            for second in sorted(self._pending)
        ]
        return self._totals.as_events(), pending, self._counted_pairs

    def resume(self, totals: KeyedEvents, pending: KeyedEvents, counted_pairs: Array) -> None:
        """Begin where another closed, before any event is added."""
        self._totals.add(totals)
        self._postpone(pending, int(pending.visible_s.min(initial=1)) - 1)
        self._counted_pairs = np.sort(counted_pairs)

    def totals_before(
        self, query: PointInTimeQuery, event_rows: Rows, keys: Keys, *, is_same_block: bool
    ) -> tuple[list[Array], list[Array]]:
        """Per row of the query, sums and latest times before it; then ``event_rows`` are added.

        ``keys`` are the keys of ``event_rows``. ``is_same_block``: the query's rows are
        ``event_rows`` themselves.
        """
        self._add_due(query.first_s)
        earlier = self._totals.lookup(query.unique)
        sums, latest = ([part[query.of_row] for part in parts] for parts in earlier)
        if is_same_block and self._is_known_at_once and len(query.rows):
            own_sums, own_latest, fresh = totals_before_each_row(
                query, self._row_by_row(query, event_rows, keys)
            )
        else:
            event_at = self._event_rows_of(event_rows, keys)
            events = self._events(event_rows, keys, event_at)
            if is_same_block and self.aggregation.refresh_s > 1:
                # Many events share a key and a period: fewer are left to search in.
                events = events.per_key_and_time(query.numbers[event_at])
            last_s = max(_last_second(event_rows), query.last_s)
            fresh = self._visible_until(events, last_s)
            own_sums, own_latest = totals_before_each_query(query, fresh)
        self._totals.add(fresh)
        sums = [amount + own for amount, own in zip(sums, own_sums, strict=True)]
        return sums, [np.maximum(old, new) for old, new in zip(latest, own_latest, strict=True)]

    def add_events(self, event_rows: Rows, keys: Keys, until_s: int) -> None:
        """Add rows of a time that is not built; the next that is begins at ``until_s``."""
        event_at = self._event_rows_of(event_rows, keys)
        known, every = self.known_s(event_rows)[event_at], self.aggregation.refresh_s
        # Visible at until_s: known before the period began that until_s falls into.
        is_visible = known < until_s // every * every
        if self.window_s is not None:
            # An event that has left the window by then would add +1 and −1: neither is added.
            # The others still have to leave it, so each is an event with a second of its own.
            lasting = known >= (until_s - self.window_s) // every * every
            event_at, is_visible = event_at[lasting], np.zeros(int(lasting.sum()), dtype=bool)
        visible = event_at if is_visible.all() else event_at[is_visible]
        moments = self.known_s(event_rows)[visible]
        amounts = [_amounts(aggregate, event_rows, visible) for aggregate in self._aggregates]
        self._totals.add(totals_per_key(keys, visible, amounts, [moments for _ in self._latest]))
        later = self._events(event_rows, keys, event_at[~is_visible])
        self._totals.add(self._visible_until(later, until_s))

    @property
    def _is_known_at_once(self) -> bool:
        """Whether every event is visible from the second after its own row on, and stays so."""
        return (
            self.aggregation.refresh_s == 1
            and self._stage not in OUTCOME_DAY
            and self.window_s is None
        )

    def _row_by_row(self, query: PointInTimeQuery, event_rows: Rows, keys: Keys) -> KeyedEvents:
        """One entry per row of the query, with an amount of 0 where the row is no event."""
        is_event = np.zeros(len(event_rows), dtype=np.int64)
        is_event[self._event_rows_of(event_rows, keys)] = 1
        is_event = is_event[query.rows]
        moments = np.where(is_event > 0, query.search_s, NEVER)
        return KeyedEvents(
            keys=query.unique[query.of_row],
            visible_s=query.search_s + 1,
            sums=tuple(
                _amounts(aggregate, event_rows, query.rows) * is_event
                for aggregate in self._aggregates
            ),
            latest=tuple(moments for _ in self._latest),
        )

    def _events(self, rows: Rows, keys: Keys, event_at: Array) -> KeyedEvents:
        """The events at these rows, visible from the period after the one they are known in."""
        known = self.known_s(rows)[event_at]
        every = self.aggregation.refresh_s
        return KeyedEvents(
            keys=keys.unique[keys.of_row[event_at]],
            visible_s=(known // every + 1) * every,
            sums=tuple(_amounts(aggregate, rows, event_at) for aggregate in self._aggregates),
            latest=tuple(known for _ in self._latest),
        )

    def _event_rows_of(self, rows: Rows, keys: Keys) -> Array:
        """Numbers of the rows that are events: with a key, of the stage, and new if distinct."""
        event_at = np.flatnonzero(self.is_event(rows) & keys.is_known)
        return event_at if self.distinct is None else self._first_occurrences(rows, event_at)

    def _visible_until(self, events: KeyedEvents, last_s: int) -> KeyedEvents:
        """All events that become visible up to ``last_s``, pending ones too; the later are kept."""
        ends = [] if self.window_s is None else [events.reversed_after(self.window_s)]
        fresh = [self._postpone(part, last_s) for part in (events, *ends)]
        return KeyedEvents.concatenated([*fresh, *self._pop_due(last_s)])

    def _add_due(self, first_s: int) -> None:
        """Add the pending events that every row from ``first_s`` on knows to the totals."""
        for part in self._pop_due(first_s):
            self._totals.add(part)

    def _pop_due(self, until_s: int) -> list[KeyedEvents]:
        due = sorted(second for second in self._pending if second <= until_s)
        return [part for second in due for part in self._pending.pop(second)]

    def _postpone(self, events: KeyedEvents, last_s: int) -> KeyedEvents:
        """The events visible up to ``last_s``; the later ones become pending."""
        is_later = events.visible_s > last_s
        if not is_later.any():
            return events
        # Summed per key, since all that wait for one second become visible together.
        later = events.take(is_later)
        for second in sorted_unique(later.visible_s):
            self._pending[int(second)].append(later.take(later.visible_s == second).per_key())
        return events.take(~is_later)

    def amounts(self, rows: Rows) -> tuple[Array, ...]:
        """What each row would add to each sum, if it is an event."""
        every = np.arange(len(rows))
        return tuple(_amounts(aggregate, rows, every) for aggregate in self._aggregates)

    def is_event(self, rows: Rows) -> Array:
        """Whether each row is an event of the stage, whatever its key."""
        if self._stage in OUTCOME_DAY:
            return rows.is_known(OUTCOME_DAY[self._stage])
        return np.asarray(rows.integers("stage") >= int(self._stage))

    def known_s(self, rows: Rows) -> Array:
        """The second after which each row's event is known; meaningless where it is none."""
        if self._stage in OUTCOME_DAY:
            if OUTCOME_KNOWN[self._stage] in rows.frame.columns:
                return rows.integers(OUTCOME_KNOWN[self._stage])
            return known_s_of_day(rows.integers(OUTCOME_DAY[self._stage]))
        return rows.integers("search_s")

    def _first_occurrences(self, rows: Rows, event_at: Array) -> Array:
        """Of these rows the first of each key and value, unless an earlier block had the pair."""
        value = str(self.distinct)
        event_at = event_at[rows.is_known(value)[event_at]]
        both = rows.packed((*self.aggregation.key, value), event_at)
        pairs, order, starts = grouped_by_key(both)
        if len(pairs) == 0:
            return event_at
        known = self.known_s(rows)[event_at][order]
        sizes = np.diff(np.append(starts, len(order)))
        # The earliest of each pair; of several in one second the first row.
        is_first = known == np.repeat(np.minimum.reduceat(known, starts), sizes)
        places = np.where(is_first, np.arange(len(order)), len(order))
        first = order[np.minimum.reduceat(places, starts)]
        if self.distinct in _IN_ONE_BLOCK:
            return event_at[first]
        is_new = ~is_member(pairs, self._counted_pairs)
        self._counted_pairs = np.sort(np.concatenate([self._counted_pairs, pairs[is_new]]))
        return event_at[first[is_new]]


def _last_second(rows: Rows) -> int:
    return int(rows.integers("search_s").max()) if len(rows) else 0


def _amounts(aggregate: Aggregate, rows: Rows, event_at: Array) -> Array:
    if aggregate.of is None:
        return np.ones(len(event_at), dtype=np.int64)
    return rows.integers(aggregate.of)[event_at]
