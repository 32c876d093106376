"""The past on one machine: totals of all sources, carried from block to block in order of time.

Each block queries each source once. A row's sum is the total of the blocks before it plus what
the block's own earlier events add; then the block's events are added to the totals. So a block
costs what its own rows cost, however long the log before it, and no row is read twice.

Example: clicks so far of one listing, four rows in two blocks. The second block starts from a
total of 2; its own first row adds the third.

>>> from data.schema.tables import CLICKED
>>> from features.history.aggregation_declaration import Aggregate
>>> clicks = HistoryAggregation(
...     key=("id_listing",), aggregates=(Aggregate(name="clicks", stage=CLICKED),)
... )
>>> past = RunningPast([clicks])
>>> for second, clicked in (([10, 10], [1, 1]), ([20, 30], [1, 0])):
...     block = pl.DataFrame({"id_listing": [7, 7], "search_s": second, "stage": clicked})
...     rows = Rows(block)
...     past.of_block(rows, searches=rows).columns(clicks)["clicks"].to_list()
[0, 0]
[2, 3]

A block's way, for ``key=("id_listing",)``: :class:`~features.history.packed_keys.Rows` packs
the ids of its rows into integer keys, a
:class:`~features.history.keyed_events.PointInTimeQuery` groups the rows by key and second,
and each :class:`~features.history.stage_aggregates.StageAggregate` (impressions, clicks,
bookings, each window and distinct count) returns its sums for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl

from data.schema.tables import IMPRESSED
from data.schema.time import DAY_S
from features.formulas.listing_vectors import VectorConfig
from features.history.aggregation_declaration import HistoryAggregation
from features.history.clicked_vectors import (
    ClickLog,
    DayVectors,
    ListingVectors,
)
from features.history.keyed_events import NEVER, PointInTimeQuery
from features.history.packed_keys import Array, Keys, Rows, is_member
from features.history.past_sources import PastSource
from features.history.sessions import GuestSessions, OpenSessions
from features.history.stage_aggregates import StageAggregate, stage_aggregates_of

__all__ = ["RunningPast", "is_of_searches", "searches_of"]

_OF_SEARCHES = frozenset({"id_user", "market", "checkin_day", "_query_cell"})


def is_of_searches(source: PastSource) -> bool:
    """Whether a source's columns are the same for all rows of a search."""
    return set(source.key) <= _OF_SEARCHES


class RunningPast:
    """The totals of every source of a build, up to the block at hand.

    Attributes:
        parts: of each aggregation, by the events that they count.
        sessions: of each session source, those that may go on.
        clicks: for the vectors of what was clicked; without such a source empty.
    """

    def __init__(
        self,
        sources: Iterable[PastSource],
        vectors_of: Callable[[int], DayVectors] | None = None,
    ) -> None:
        """For these sources alone. ``vectors_of``: see :class:`ClickLog`."""
        self.parts: dict[HistoryAggregation, list[StageAggregate]] = {}
        self.sessions: dict[GuestSessions, OpenSessions] = {}
        self.clicks = ClickLog(VectorConfig(), vectors_of)
        self._restricted: dict[HistoryAggregation, Array] = {}
        self._reads_clicks = False
        for source in sources:
            if isinstance(source, HistoryAggregation):
                self.parts[source] = stage_aggregates_of(source)
            elif isinstance(source, GuestSessions):
                self.sessions[source] = OpenSessions(source.gap_s)
            else:
                self.clicks = ClickLog(source.config, vectors_of)
                self._reads_clicks = True

    @property
    def sparse(self) -> tuple[HistoryAggregation, ...]:
        """Aggregations that need totals of few of their keys: see :meth:`restrict_to_keys`."""
        return tuple(aggregation for aggregation in self.parts if aggregation.is_sparse)

    def restrict_to_keys(self, aggregation: HistoryAggregation, keys: Array) -> None:
        """Keep totals of these keys alone (packed, sorted), those that come more than once.

        For a sparse aggregation: a key that comes once has no earlier event when it comes, so
        its sums are 0 and nothing need be remembered of it.
        """
        self._restricted[aggregation] = keys
        for part in self.parts[aggregation]:
            part.restrict_to_keys(keys)

    def of_block(self, rows: Rows, *, searches: Rows, events: Rows | None = None) -> _BlockPast:
        """The past of a block's rows: ask it once for each source.

        Args:
            rows: the rows, with keys and times; none before an earlier block's.
            searches: one row per search of ``rows``.
            events: impressions, with outcomes and what is summed, that are no earlier than
                those of earlier blocks; by default the rows themselves.
        """
        if self._reads_clicks:
            self.clicks.add(rows if events is None else events)
        of_searches = searches if events is None else None
        return _BlockPast(self, rows, searches, rows if events is None else events, of_searches)

    def add_events(
        self, impressions: pl.DataFrame, until_s: int, *, only_sparse: bool = False
    ) -> None:
        """Add the impressions of a time that is not built, with what is summed.

        ``until_s`` is the first second that is built after them. ``only_sparse``: to the
        aggregations of which no closing totals are kept; the others know these events already.
        """
        if impressions.height == 0:
            return
        if only_sparse:
            rows = Rows(impressions)
            for aggregation in self.sparse:
                self._add_events_of(aggregation, rows, until_s=until_s)
            return
        rows, searches = Rows(impressions), Rows(searches_of(impressions))
        # Aggregations share nothing but the arrays of the rows, and NumPy sorts without the
        # interpreter's lock: two threads keep two cores busy.
        with ThreadPoolExecutor(max_workers=2) as pool:
            sources = (searches if a.counts_searches else rows for a in self.parts)
            add = partial(self._add_events_of, until_s=until_s)
            for _ in pool.map(add, self.parts, sources):
                pass
        for source, sessions in self.sessions.items():
            sessions.before(_nobody(searches, source.key), searches)
        if self._reads_clicks:
            self.clicks.add(rows)

    def _add_events_of(self, aggregation: HistoryAggregation, source: Rows, until_s: int) -> None:
        keys = self.known_keys(aggregation, source)
        for part in self.parts[aggregation]:
            part.add_events(source, keys, until_s)

    def known_keys(self, aggregation: HistoryAggregation, rows: Rows) -> Keys:
        """The keys, marked unknown where totals of others alone are kept."""
        keys = rows.keys(aggregation.key)
        if aggregation not in self._restricted:
            return keys
        is_kept = is_member(keys.unique, self._restricted[aggregation])
        return keys._replace(is_known=keys.is_known & is_kept[keys.of_row])


@dataclass(frozen=True)
class _BlockPast:
    """Answers the sources for one block: a :class:`~features.history.past_sources.Past`."""

    running: RunningPast
    rows: Rows
    searches: Rows
    events: Rows
    searches_of_events: Rows | None

    def columns(self, source: PastSource) -> pl.DataFrame:
        """See :meth:`features.history.past_sources.Past.columns`."""
        asking = self.searches if is_of_searches(source) else self.rows
        if isinstance(source, HistoryAggregation):
            return self._totals(source, asking)
        if isinstance(source, ListingVectors):
            return self._vectors(source, asking)
        query = PointInTimeQuery(asking.keys(source.key), asking.integers("search_s"))
        if isinstance(source, GuestSessions):
            found = self.running.sessions[source].before(query, self.event_searches)
            columns = [_null_where_never(_in_all_rows(c, query, NEVER)) for c in found]
            return _frame(source.names, columns)
        days = asking.integers("search_s")[query.rows] // DAY_S
        sums = self.running.clicks.sums_before(query, days)
        return _frame(source.names, [_in_all_rows(amount, query, 0) for amount in sums])

    @cached_property
    def event_searches(self) -> Rows:
        """One row per search of the events."""
        if self.searches_of_events is not None:
            return self.searches_of_events
        return Rows(searches_of(self.events.frame))

    def _totals(self, aggregation: HistoryAggregation, asking: Rows) -> pl.DataFrame:
        events = self.event_searches if aggregation.counts_searches else self.events
        keys = self.running.known_keys(aggregation, asking)
        query = PointInTimeQuery(keys, asking.integers("search_s"))
        is_same_block = events is asking
        event_keys = keys if is_same_block else self.running.known_keys(aggregation, events)
        has_key = asking.keys(aggregation.key).is_known
        columns: dict[str, pl.Series] = {}
        for part in self.running.parts[aggregation]:
            sums, latest = part.totals_before(
                query, events, event_keys, is_same_block=is_same_block
            )
            names = iter(part.names)
            columns.update({next(names): _in_all_rows(s, query, 0, has_key) for s in sums})
            for moment in latest:
                columns[next(names)] = _null_where_never(
                    _in_all_rows(moment, query, NEVER, has_key)
                )
        return _frame(aggregation.names, [columns[name] for name in aggregation.names])

    def _vectors(self, source: ListingVectors, asking: Rows) -> pl.DataFrame:
        listings, days = asking.integers("id_listing"), asking.integers("search_s") // DAY_S
        vectors, is_known = self.running.clicks.vectors_before(listings, days)
        known = pl.Series(is_known)
        columns = [pl.select(pl.when(known).then(pl.Series(v))).to_series() for v in vectors.T]
        return _frame(source.names, columns)


def searches_of(impressions: pl.DataFrame) -> pl.DataFrame:
    """One event per search, with the largest value of each column that is the same in a search."""
    read = {"id_user", "search_s", "search_day", *_OF_SEARCHES}
    largest = [pl.col(name).max() for name in impressions.columns if name in read]
    # Rows of a search mostly follow one another: runs are grouped in a fifth of the time.
    runs = impressions.with_columns(_run=pl.col("id_search").rle_id().set_sorted())
    runs = runs.group_by("_run").agg(pl.col("id_search").first(), *largest)
    searches = runs.group_by("id_search").agg(largest)
    return searches.with_columns(stage=pl.lit(int(IMPRESSED), dtype=pl.Int8))


def _nobody(searches: Rows, key: tuple[str, ...]) -> PointInTimeQuery:
    keys = searches.keys(key)
    return PointInTimeQuery(
        keys._replace(is_known=np.zeros_like(keys.is_known)), searches.integers("search_s")
    )


def _frame(names: tuple[str, ...], columns: list[pl.Series]) -> pl.DataFrame:
    return pl.DataFrame([c.alias(name) for name, c in zip(names, columns, strict=True)])


def _in_all_rows(
    values: Array, query: PointInTimeQuery, otherwise: int, has_key: Array | None = None
) -> pl.Series:
    """The values of the query's rows at their places among all rows; null without a key.

    A row that has a key, but of which no total is kept, is not in the query: it gets
    ``otherwise``.
    """
    has_key = query.is_known if has_key is None else has_key
    if len(query.rows) < len(has_key):
        every = np.full(len(has_key), otherwise, dtype=np.int64)
        every[query.rows] = values
        values = every
    series = pl.Series(values)
    if has_key.all():
        return series
    return pl.select(pl.when(pl.Series(has_key)).then(series)).to_series()


def _null_where_never(times: pl.Series) -> pl.Series:
    return pl.select(pl.when(times > NEVER).then(times)).to_series()
