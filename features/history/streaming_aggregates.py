"""Totals of all aggregations, carried from block to block of a build in order of time.

Each block queries each aggregation once. A row's sum is the total of the blocks before it plus
what the block's own earlier events add; then the block's events are added to the totals. So a
block costs what its own rows cost, however long the log before it, and no row is read twice. The
sums are those of a build of everything at once: the same integers, the same bits.

Example: clicks so far of one listing, four rows in two blocks. The second block starts from a
total of 2; its own first row adds the third.

>>> from data.schema.tables import CLICKED
>>> from features.history.aggregation_declaration import Aggregate
>>> clicks = HistoryAggregation(
...     key=("listing",), aggregates=(Aggregate(name="clicks", stage=CLICKED),)
... )
>>> streaming = StreamingAggregates()
>>> for second, clicked in (([10, 10], [1, 1]), ([20, 30], [1, 0])):
...     block = pl.DataFrame({"listing": [7, 7], "search_s": second, "stage": clicked})
...     rows = Rows(block)
...     streaming.totals_before(clicks, rows, rows)["clicks"].to_list()
[0, 0]
[2, 3]

A block's way, for ``key=("id_listing",)``: :class:`~features.history.packed_keys.Rows` packs
the ids of its rows into integer keys, a
:class:`~features.history.keyed_events.PointInTimeQuery` groups the rows by key and second,
and each :class:`~features.history.stage_aggregates.StageAggregate` (impressions, clicks,
bookings, each window and distinct count) returns its sums for them.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import narwhals as nw
import numpy as np
import polars as pl

from data.schema.tables import IMPRESSED
from features.engine import materialized
from features.history.aggregation_declaration import HistoryAggregation
from features.history.keyed_events import PointInTimeQuery
from features.history.lazy_aggregates import NEVER, Frame
from features.history.packed_keys import Array, Keys, Rows, is_member
from features.history.sessions import open_sessions, sessions
from features.history.stage_aggregates import StageAggregate, stage_aggregates_of

__all__ = ["StreamingAggregates"]

_CACHED = 2  # results are per day, and a block may begin in the day in which the last one ended


class StreamingAggregates:
    """The totals of every aggregation that a build uses, brought forward from block to block.

    An aggregation is registered at its first :meth:`totals_before`. Building a block without
    rows first therefore tells which aggregations, and which columns, a build will need.
    """

    def __init__(self) -> None:
        self._parts: dict[HistoryAggregation, list[StageAggregate]] = {}
        # Of those whose events are whole searches: the columns that such an event is made from.
        self._search_columns: dict[HistoryAggregation, tuple[str, ...]] = {}
        self._repeated_keys: dict[HistoryAggregation, Array] = {}
        self._gap_s: int | None = None
        self._open_sessions: Frame | None = None
        self._cache: dict[str, tuple[Frame, ...]] = {}

    @property
    def aggregations(self) -> tuple[HistoryAggregation, ...]:
        """Those registered so far."""
        return tuple(self._parts)

    @property
    def columns(self) -> frozenset[str]:
        """The columns of the impressions that these read, outcomes aside."""
        read = {name for aggregation in self._parts for name in aggregation.columns}
        return frozenset(read.union(*self._search_columns.values()))

    def restrict_to_keys(self, aggregation: HistoryAggregation, keys: Array) -> None:
        """Keep totals of these keys alone (packed, sorted), those that come more than once.

        For a sparse aggregation: a key that comes once has no earlier event when it comes, so
        its sums are 0 and nothing need be remembered of it.
        """
        self._repeated_keys[aggregation] = keys
        for part in self._parts[aggregation]:
            part.restrict_to_keys(keys)

    def totals_before(
        self,
        aggregation: HistoryAggregation,
        queries: Rows,
        event_rows: Rows,
        search_columns: tuple[str, ...] | None = None,
    ) -> pl.DataFrame:
        """The aggregation's columns for each row of ``queries``; then ``event_rows`` are added.

        Both are of one block, ``event_rows`` with outcomes; they may be one object. Where the
        events are whole searches, ``search_columns`` names the columns that they are made from.
        """
        if aggregation not in self._parts:
            self._parts[aggregation] = stage_aggregates_of(aggregation)
            if search_columns is not None:
                self._search_columns[aggregation] = search_columns
        keys = self._only_repeated(aggregation, queries.keys(aggregation.key))
        query = PointInTimeQuery(keys, queries.integers("search_s"))
        is_same_block = event_rows is queries
        event_keys = keys
        if not is_same_block:
            event_keys = self._only_repeated(aggregation, event_rows.keys(aggregation.key))
        is_known = queries.keys(aggregation.key).is_known
        columns: dict[str, pl.Series] = {}
        for part in self._parts[aggregation]:
            values = part.totals_before(query, event_rows, event_keys, is_same_block=is_same_block)
            columns.update(_columns_of(part, values, query, is_known))
        return pl.DataFrame([columns[name].alias(name) for name in aggregation.names])

    def add_events(self, impressions: pl.DataFrame, until_s: int) -> None:
        """Add the impressions of a time that is not built, with their history inputs.

        ``until_s`` is the first second that is built after them.
        """
        if impressions.height == 0:
            return
        rows, searches = Rows(impressions), Rows(self._per_search(impressions))
        # Aggregations share nothing but the arrays of the rows, and NumPy sorts without the
        # interpreter's lock: two threads keep two cores busy.
        with ThreadPoolExecutor(max_workers=2) as pool:
            sources = (
                searches if aggregation in self._search_columns else rows
                for aggregation in self._parts
            )
            add = partial(self._add_events_of, until_s=until_s)
            for _ in pool.map(add, self._parts, sources):
                pass
        if self._gap_s is not None:
            self.sessions(nw.from_native(searches.frame.lazy()), self._gap_s)

    def _add_events_of(self, aggregation: HistoryAggregation, source: Rows, until_s: int) -> None:
        keys = self._only_repeated(aggregation, source.keys(aggregation.key))
        for part in self._parts[aggregation]:
            part.add_events(source, keys, until_s)

    def sessions(self, block: Frame, gap_s: int) -> Frame:
        """As :func:`features.history.sessions.sessions`, with the sessions still open before it."""
        self._gap_s = gap_s
        placed = materialized(sessions(block, gap_s, self._open_sessions))
        last = block.select(nw.col("search_s").max()).collect()["search_s"].to_list()[0]
        if last is not None:
            self._open_sessions = materialized(open_sessions(placed, int(last), gap_s))
        return placed

    def cached(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed at the first call of this name; the last two are kept."""
        if name not in self._cache:
            self._cache[name] = tuple(materialized(frame) for frame in make())
        for old in [*self._cache][:-_CACHED]:
            del self._cache[old]
        return self._cache[name]

    def _per_search(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """One event per search, with the largest value of each column that is read by search."""
        read = {"id_user", "search_s"}.union(*self._search_columns.values())
        largest = [pl.col(name).max() for name in impressions.columns if name in read]
        # Rows of a search mostly follow one another: runs are grouped in a fifth of the time.
        runs = impressions.with_columns(_run=pl.col("id_search").rle_id().set_sorted())
        runs = runs.group_by("_run").agg(pl.col("id_search").first(), *largest)
        searches = runs.group_by("id_search").agg(largest)
        return searches.with_columns(stage=pl.lit(int(IMPRESSED), dtype=pl.Int8))

    def _only_repeated(self, aggregation: HistoryAggregation, keys: Keys) -> Keys:
        """The keys, marked unknown where the aggregation is sparse and they come only once."""
        if aggregation not in self._repeated_keys:
            return keys
        is_repeated = is_member(keys.unique, self._repeated_keys[aggregation])
        return keys._replace(is_known=keys.is_known & is_repeated[keys.of_row])


def _columns_of(
    part: StageAggregate,
    values: tuple[list[Array], list[Array]],
    query: PointInTimeQuery,
    is_known: Array,
) -> dict[str, pl.Series]:
    sums, latest = values
    names = iter(part.names)
    columns = {next(names): _in_all_rows(amount, query, 0, is_known) for amount in sums}
    for moment in latest:
        times = _in_all_rows(moment, query, NEVER, is_known)
        columns[next(names)] = pl.select(pl.when(times > NEVER).then(times)).to_series()
    return columns


def _in_all_rows(
    values: Array, query: PointInTimeQuery, otherwise: int, is_known: Array
) -> pl.Series:
    """The values of the query's rows at their places among all rows; null without a key."""
    # A row whose key is not repeated has a key, but is not in the query: it gets ``otherwise``.
    if len(query.rows) < len(is_known):
        every = np.full(len(is_known), otherwise, dtype=np.int64)
        every[query.rows] = values
        values = every
    series = pl.Series(values)
    if is_known.all():
        return series
    return pl.select(pl.when(pl.Series(is_known)).then(series)).to_series()
