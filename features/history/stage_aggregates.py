"""The events of one stage that an aggregation sums, block by block.

A feed holds what every later search knows (its balance), and apart from it what is not
visible yet: a booking of today, or an hour that has not ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from data.schema.event_visibility import OUTCOME_DAY, known_s_of_day
from data.schema.tables import Stage
from features.history.aggregation import Aggregate, HistoryAggregation, LastEventTime
from features.history.lazy_aggregates import NEVER
from features.history.packed_keys import Array, Keys, Rows, among, grouped_by_key, sorted_once
from features.history.running_totals import (
    KeyedEvents,
    PointInTimeQuery,
    RunningTotals,
    totals,
    totals_before_each_query,
    totals_before_each_row,
)

__all__ = ["StageAggregate", "stage_aggregates_of"]

# A search has one time, so none is met again in a later block, and none need be remembered.
_MET_ONCE = frozenset({"id_search"})


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
            () if distinct or within else _latest_of(aggregation, stage),
            stage,
        )
        for (stage, distinct, within), aggregates in parts.items()
    ]


def _latest_of(aggregation: HistoryAggregation, stage: Stage) -> tuple[LastEventTime, ...]:
    return tuple(entry for entry in aggregation.latest if entry.stage == stage)


class StageAggregate:
    """Events of one stage: what is known of them, and what will be."""

    def __init__(
        self,
        aggregation: HistoryAggregation,
        aggregates: Sequence[Aggregate],
        latest: Sequence[LastEventTime],
        stage: Stage,
    ) -> None:
        """``aggregates`` agree in what they count: different values, or within which window."""
        self.names = (*(t.name for t in aggregates), *(entry.name for entry in latest))
        self._ledger, self._tallies, self._latest, self._stage = (
            aggregation,
            aggregates,
            latest,
            stage,
        )
        self._distinct = aggregates[0].distinct if aggregates else None
        self._within_s = aggregates[0].window_s if aggregates else None
        self._balance = RunningTotals(len(aggregates), len(latest))
        self._pending: dict[int, list[KeyedEvents]] = defaultdict(list)
        self._met = np.empty(0, dtype=np.uint64)

    def expect(self, keys: Array) -> None:
        """Only events of these keys (sorted) will ever come."""
        self._balance = RunningTotals(len(self._tallies), len(self._latest), keys)

    def answer(
        self, asked: PointInTimeQuery, event_rows: Rows, keys: Keys, *, is_own: bool
    ) -> tuple[list[Array], list[Array]]:
        """Per row that asks, sums and latest times of what it knows; takes ``event_rows`` in.

        ``keys`` are those of ``event_rows``. ``is_own``: the rows that ask are ``event_rows``.
        """
        self._close(asked.first_s)
        held = self._balance.of(asked.unique)
        sums, latest = ([part[asked.of_row] for part in parts] for parts in held)
        if is_own and self._is_instant and len(asked.rows):
            more, moments, fresh = totals_before_each_row(
                asked, self._row_by_row(asked, event_rows, keys)
            )
        else:
            chosen = self._chosen(event_rows, keys)
            events = self._events(event_rows, keys, chosen)
            if is_own and self._ledger.refresh_s > 1:
                events = events.per_key_and_time(asked.numbers[chosen])
            fresh = self._visible(events, _last_s(event_rows))
            more, moments = totals_before_each_query(asked, fresh)
        self._balance.add(fresh)
        sums = [amount + new for amount, new in zip(sums, more, strict=True)]
        return sums, [np.maximum(old, new) for old, new in zip(latest, moments, strict=True)]

    def post(self, event_rows: Rows, keys: Keys, until_s: int) -> None:
        """Take in rows of a time at which nobody asks: the next to ask does at ``until_s``."""
        chosen = self._chosen(event_rows, keys)
        known, every = self._known_s(event_rows)[chosen], self._ledger.refresh_s
        is_visible = known < until_s // every * every
        if self._within_s is not None:
            # Of the others each has ended by then, or will not be known.
            lasting = known >= (until_s - self._within_s) // every * every
            chosen, is_visible = chosen[lasting], np.zeros(int(lasting.sum()), dtype=bool)
        seen = chosen if is_visible.all() else chosen[is_visible]
        moments = self._known_s(event_rows)[seen]
        amounts = [_amounts(aggregate, event_rows, seen) for aggregate in self._tallies]
        self._balance.add(totals(keys, seen, amounts, [moments for _ in self._latest]))
        later = self._events(event_rows, keys, chosen[~is_visible])
        self._balance.add(self._visible(later, until_s))

    @property
    def _is_instant(self) -> bool:
        """Every event is known right after its own row, and stays known."""
        return (
            self._ledger.refresh_s == 1
            and self._stage not in OUTCOME_DAY
            and self._within_s is None
        )

    def _row_by_row(self, asked: PointInTimeQuery, event_rows: Rows, keys: Keys) -> KeyedEvents:
        """One event per row that asks, of nothing where it has none."""
        counts = np.zeros(len(event_rows), dtype=np.int64)
        counts[self._chosen(event_rows, keys)] = 1
        counts = counts[asked.rows]
        moments = np.where(counts > 0, asked.search_s, NEVER)
        return KeyedEvents(
            keys=asked.unique[asked.of_row],
            visible_s=asked.search_s + 1,
            sums=tuple(
                _amounts(aggregate, event_rows, asked.rows) * counts for aggregate in self._tallies
            ),
            latest=tuple(moments for _ in self._latest),
        )

    def _events(self, rows: Rows, keys: Keys, chosen: Array) -> KeyedEvents:
        known = self._known_s(rows)[chosen]
        every = self._ledger.refresh_s
        return KeyedEvents(
            keys=keys.unique[keys.of_row[chosen]],
            visible_s=(known // every + 1) * every,
            sums=tuple(_amounts(aggregate, rows, chosen) for aggregate in self._tallies),
            latest=tuple(known for _ in self._latest),
        )

    def _chosen(self, rows: Rows, keys: Keys) -> Array:
        chosen = np.flatnonzero(self._counts(rows) & keys.is_known)
        return chosen if self._distinct is None else self._first_met(rows, chosen)

    def _visible(self, event_rows: KeyedEvents, last_s: int) -> KeyedEvents:
        """All that becomes visible up to ``last_s``; the rest is put by."""
        ends = [] if self._within_s is None else [event_rows.ended(self._within_s)]
        fresh = [self._put_by(part, last_s) for part in (event_rows, *ends)]
        return KeyedEvents.together([*fresh, *self._due(last_s)])

    def _close(self, first_s: int) -> None:
        """What every row from ``first_s`` on knows belongs to the balance."""
        for part in self._due(first_s):
            self._balance.add(part)

    def _due(self, until_s: int) -> list[KeyedEvents]:
        due = sorted(second for second in self._pending if second <= until_s)
        return [part for second in due for part in self._pending.pop(second)]

    def _put_by(self, events: KeyedEvents, last_s: int) -> KeyedEvents:
        is_later = events.visible_s > last_s
        if not is_later.any():
            return events
        later = events.chosen(is_later)
        for second in sorted_once(later.visible_s):
            self._pending[int(second)].append(later.chosen(later.visible_s == second).per_key())
        return events.chosen(~is_later)

    def _counts(self, rows: Rows) -> Array:
        if self._stage in OUTCOME_DAY:
            return rows.is_known(OUTCOME_DAY[self._stage])
        return np.asarray(rows.integers("stage") >= int(self._stage))

    def _known_s(self, rows: Rows) -> Array:
        if self._stage in OUTCOME_DAY:
            return known_s_of_day(rows.integers(OUTCOME_DAY[self._stage]))
        return rows.integers("search_s")

    def _first_met(self, rows: Rows, chosen: Array) -> Array:
        """Of these rows the first of each key and value, where it was never met before."""
        whom = str(self._distinct)
        chosen = chosen[rows.is_known(whom)[chosen]]
        both = rows.packed((*self._ledger.key, whom), chosen)
        pairs, order, starts = grouped_by_key(both)
        if len(pairs) == 0:
            return chosen
        known = self._known_s(rows)[chosen][order]
        sizes = np.diff(np.append(starts, len(order)))
        is_first = known == np.repeat(np.minimum.reduceat(known, starts), sizes)
        places = np.where(is_first, np.arange(len(order)), len(order))
        first = order[np.minimum.reduceat(places, starts)]
        if self._distinct in _MET_ONCE:
            return chosen[first]
        is_new = ~among(pairs, self._met)
        self._met = np.sort(np.concatenate([self._met, pairs[is_new]]))
        return chosen[first[is_new]]


def _last_s(rows: Rows) -> int:
    return int(rows.integers("search_s").max()) if len(rows) else 0


def _amounts(aggregate: Aggregate, rows: Rows, chosen: Array) -> Array:
    if aggregate.of is None:
        return np.ones(len(chosen), dtype=np.int64)
    return rows.integers(aggregate.of)[chosen]
