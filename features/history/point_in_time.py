"""The only way from a feature to earlier events.

A feature that looks back declares a ``HistoryAggregation``
(:mod:`features.history.aggregation_declaration`): the key that rows and events share, what is
summed (the aggregates) and how often the sums are refreshed.
:meth:`EventHistory.join` gives each row the sums over the events that were known *strictly
before* the row's own search. No feature group ever sees an outcome, so none can see the future
by a slip of its author.

Example: clicks so far per listing, ``Aggregate(name="clicks", stage=CLICKED)``, three rows.

=======  ========  =======  ======  ==========================================
listing  search_s  clicked  clicks  because
=======  ========  =======  ======  ==========================================
A        10        yes      0       nothing before
A        10        no       0       a click of the same second is not before it
A        20        no       1       the click of second 10 is
=======  ========  =======  ======  ==========================================

>>> import polars as pl
>>> from features.history.aggregation_declaration import Aggregate
>>> log = pl.LazyFrame({"listing": ["A", "A", "A"], "search_s": [10, 10, 20], "stage": [1, 0, 0]})
>>> rows = nw.from_native(log)
>>> clicks = HistoryAggregation(
...     key=("listing",), aggregates=(Aggregate(name="clicks", stage=CLICKED),)
... )
>>> known = EventHistory(rows, queries=rows).join(rows, clicks).collect()
>>> known["clicks"].to_list()
[0, 0, 1]

There are two ways to the same integers. In a build block by block (Polars) the columns come
from :class:`~features.history.streaming_aggregates.StreamingAggregates`, in the order of the
rows, and are put beside them. On Spark, and wherever all rows are built at once, they are
window sums over frames of events (:mod:`features.history.lazy_aggregates`) that are joined by
key and time. Tests hold the two equal. All sums are sums of integers: the same bits in any row
order, on any engine, in one build or day by day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import narwhals as nw

from data.schema.tables import CLICKED, IMPRESSED
from data.schema.time import DAY_S
from features.engine import (
    collected_in_order,
    hstack,
    joined_in_order,
    materialized_on_spark,
    pad_single_row,
)
from features.history.aggregation_declaration import HistoryAggregation
from features.history.event_times import is_event_of
from features.history.id_codes import decode_ids, encode_ids_like
from features.history.lazy_aggregates import (
    AT,
    NEVER,
    Frame,
    as_events,
    events_of,
    first_occurrences,
    has_each_impression,
    merged_before,
    period,
    repeated_keys_only,
    sum_per_time,
    window_ends,
    without_null_keys,
    zero_events_of,
)
from features.history.packed_keys import Rows
from features.history.sessions import sessions
from features.history.streaming_aggregates import StreamingAggregates

__all__ = ["AllBlocks", "EventHistory", "Frame"]


@dataclass(frozen=True, kw_only=True)
class AllBlocks:
    """The rows of all blocks of a build, for what is learnt once a day and not once a block.

    Attributes:
        impressions: the log, with outcomes.
        searches: rows of all searches that get features: ``id_user``, ``search_s`` and
            ``search_day``. In a build of the log itself its impressions.
    """

    impressions: Frame
    searches: Frame


class EventHistory:
    """The log's events, readable only as sums over those known before a given time."""

    def __init__(
        self,
        impressions: Frame,
        *,
        queries: Frame,
        queries_are_events: bool = False,
        since_s: int = 0,
        streaming: StreamingAggregates | None = None,
        all_blocks: AllBlocks | None = None,
        search_columns: tuple[str, ...] | None = None,
    ) -> None:
        """Both frames have ``search_s`` and whatever keys the aggregations use.

        Args:
            impressions: the events, with their outcomes and what aggregations sum.
            queries: the rows that need sums. Aggregations read keys and times from here rather than
                from the frame that is joined to, which keeps the query plan linear in
                the number of aggregations instead of doubling with each.
            queries_are_events: each of ``queries`` is one of ``impressions``, so that the
                times of the queries are among the times of the events already.
            since_s: none of ``queries`` is a search before this second. Older events are
                then summed into one per key at once: the same results, sooner.
            streaming: totals up to ``impressions``, which are one block of a build in order
                of time (Polars only). Every frame handed to :meth:`join` then has the rows
                of ``queries`` in their order, and columns are put beside one another.
            all_blocks: with ``streaming``, the rows of all blocks.
            search_columns: with ``streaming``, where ``impressions`` are events of whole
                searches (:meth:`of_searches`): the columns that these are made from.
        """
        self._impressions = impressions
        self._queries_are_events = queries_are_events
        self._since_s = since_s
        self._queries = queries
        self._schema = impressions.collect_schema()
        self._streaming = streaming
        self._all_blocks = all_blocks
        self._search_columns = search_columns
        self._arrays: tuple[Rows, Rows] | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema.names())

    def with_id_codes(self, frame: Frame) -> Frame:
        """``frame`` with its ids as codes, where the events have codes; else as it is."""
        return encode_ids_like(frame, self._impressions)

    def queried_by(self, rows: Frame) -> EventHistory:
        """The same events, queried by other rows (one per search, say)."""
        return self._with(self._impressions, queries=rows)

    def _with(
        self, impressions: Frame, *, queries: Frame, search_columns: tuple[str, ...] | None = None
    ) -> EventHistory:
        return EventHistory(
            impressions,
            queries=queries,
            queries_are_events=self._queries_are_events,
            since_s=self._since_s,
            streaming=self._streaming,
            all_blocks=self._all_blocks,
            search_columns=search_columns,
        )

    def join(
        self, rows: Frame, aggregation: HistoryAggregation, names: Collection[str] | None = None
    ) -> Frame:
        """``rows`` with the aggregation's columns, each over events known strictly before it.

        ``rows`` are the rows of ``queries``, whatever columns they have gained since; one row
        in, one row out. Sums are int64, null where the key holds a null; ``latest`` columns
        are null also where there is no event. What this log does not support is not
        added, nor what is not among ``names``, where given. Raises ``ValueError`` when a
        summed column is not an integer.
        """
        wanted = aggregation if names is None else aggregation.only(names)
        part = None if wanted is None else wanted.available(self.columns)
        if part is None:
            return rows
        self._check_integers(part)
        if self._streaming is not None:
            sums = self._streaming.totals_before(part, *self._rows(), self._search_columns)
            return hstack(rows, nw.from_native(sums.lazy()))
        # Every row's own time is among the times of the sums, so an equality join will do, which
        # every engine has; none by "the latest time before" is needed.
        at = period(nw.col("search_s"), part).alias(AT)
        sums_by_time = self._sums_before_each_time(part)
        joined = rows.with_columns(at).join(sums_by_time, on=[*part.key, AT], how="left").drop(AT)
        return _with_empty_sums(joined, part) if part.is_sparse else joined

    def hstack(self, rows: Frame, values: Frame, on: Collection[str]) -> Frame:
        """``rows`` with the columns of ``values``, which has one row per ``on``."""
        if self._streaming is None:
            return rows.join(values, on=list(on), how="left")
        names = [name for name in values.collect_schema().names() if name not in on]
        if not names:
            return rows
        queries = self._queries.select(*on)
        return hstack(rows, joined_in_order(queries, values, list(on)).select(*names))

    def hstack_same_rows(self, rows: Frame, same: Frame, on: Collection[str]) -> Frame:
        """``rows`` with the further columns of ``same``: the same rows, with the key ``on``."""
        if self._streaming is None:
            return rows.join(same, on=list(on), how="left")
        further = [name for name in same.collect_schema().names() if name not in on]
        return hstack(rows, same.select(*further)) if further else rows

    def in_order(self, frame: Frame, by: str) -> Frame:
        """``frame`` sorted by this column, in a build by blocks; elsewhere as it is.

        In a build by blocks columns are put beside the rows, so that these need a fixed order.
        """
        if self._streaming is None:
            return frame
        return pad_single_row(collected_in_order(frame.sort(by)))

    def materialized(self, frame: Frame) -> Frame:
        """``frame``, computed now: to fix the order of its rows, or on Spark to cut its plan."""
        if self._streaming is None:
            return materialized_on_spark(frame)
        return collected_in_order(frame)

    @property
    def days(self) -> tuple[int, ...]:
        """The days of the queries, sorted."""
        days = self._queries.select("search_day").unique().collect()
        return tuple(sorted(int(day) for day in days["search_day"].to_list()))

    def guests_searching_on(self, day: int) -> Frame:
        """Guests with an id who search on this day, and when: ``id_user``, ``search_s``."""
        rows = self._queries if self._all_blocks is None else self._all_blocks.searches
        of_day = without_null_keys(rows.filter(nw.col("search_day") == day), ("id_user",))
        return of_day.select("id_user", "search_s").unique()

    def clicked_before(self, day: int) -> EventHistory:
        """The clicks of this day and before alone; only rows of ``day`` may query it.

        For what is learnt from clicks once a day: a click of ``day`` itself is in it, and is
        known to the later searches of that day by the rule of strictly before.
        """
        rows = self._impressions if self._all_blocks is None else self._all_blocks.impressions
        clicks = rows.filter(is_event_of(CLICKED), nw.col("search_day") <= day)
        return EventHistory(clicks, queries=self._queries, since_s=day * DAY_S)

    def cached(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed once in a build block by block."""
        return make() if self._streaming is None else self._streaming.cached(name, make)

    def of_searches(self, columns: Collection[str]) -> EventHistory:
        """The history with one event per search instead of one per impression.

        ``columns`` that the log lacks are left out; each holds the search's largest value.
        Only impressions can be counted there: outcomes belong to listings.
        """
        present = tuple(name for name in columns if name in self.columns)
        grouped = self._impressions.group_by("id_search").agg(*(nw.col(n).max() for n in present))
        searches = grouped.with_columns(stage=nw.lit(int(IMPRESSED), dtype=nw.Int8))
        return self._with(searches, queries=self._queries, search_columns=present)

    def clicks_before(self, day: int) -> nw.DataFrame[Any]:
        """Clicks of guests with an id on days before ``day``, to learn from.

        One row per guest and listing: ``id_user``, ``id_listing``, sorted by both.
        """
        clicks = self._impressions.filter(
            is_event_of(CLICKED), ~nw.col("id_user").is_null(), nw.col("search_day") < day
        )
        pairs = clicks.group_by("id_user", "id_listing").agg(nw.len().alias("_clicks"))
        return (
            decode_ids(pairs)
            .collect()
            .select("id_user", "id_listing")
            .sort("id_user", "id_listing")
        )

    def with_listing_values(self, values: Frame) -> EventHistory:
        """The history whose impressions also hold ``values`` (keyed by ``id_listing``).

        Impressions of listings without values are left out.
        """
        valued = self._impressions.join(values, on="id_listing", how="inner")
        return self._with(valued, queries=self._queries)

    def join_session(self, rows: Frame, *, last: str, gap_s: int) -> Frame:
        """``rows`` with ``session_start_s`` and ``session_searches``, of the guest's session.

        A session ends when the guest does not search for more than ``gap_s`` seconds.
        ``last`` names the column with the guest's latest search before the row's own, as an
        aggregation's ``latest`` gave it. Both columns are null where the guest's last session
        is over, or where there was none; ``session_searches`` counts searches before this.
        """
        is_open = (nw.col(last) < nw.col("search_s")) & (nw.col("search_s") - nw.col(last) <= gap_s)
        queries = rows.with_columns(nw.when(is_open).then(nw.col(last)).alias(AT))
        key = ["id_user", AT]
        if self._streaming is None:
            placed = sessions(self._impressions, gap_s).rename({"search_s": AT})
            return queries.join(placed, on=key, how="left").drop(AT)
        searches = self._queries if self._queries_are_events else self._impressions
        placed = self._streaming.sessions(searches, gap_s).rename({"search_s": AT})
        columns = joined_in_order(queries.select(*key), placed, key).drop(*key)
        return hstack(rows, columns)

    def _rows(self) -> tuple[Rows, Rows]:
        """The queries and the rows with events, as arrays; one object if they are the same."""
        if self._arrays is None:
            queries = Rows(self._queries.collect().to_native())
            is_same = self._impressions is self._queries
            event_rows = queries if is_same else Rows(self._impressions.collect().to_native())
            self._arrays = queries, event_rows
        return self._arrays

    def _sums_before_each_time(self, aggregation: HistoryAggregation) -> Frame:
        """One row per key and time of an event or of a query: the sums before that time."""
        frames = list(events_of(self._impressions, aggregation))
        for aggregate in aggregation.aggregates:
            if aggregate.distinct is not None:
                first = first_occurrences(self._impressions, aggregation, aggregate)
                frames.append(as_events(first, aggregation, aggregate))
        if not (self._queries_are_events and has_each_impression(aggregation)):
            frames.append(zero_events_of(self._queries, aggregation))
        if self._since_s:
            frames = [merged_before(frame, aggregation, self._since_s) for frame in frames]
        per_time = sum_per_time(frames, aggregation)
        if aggregation.window_s is not None:
            per_time = sum_per_time([per_time, window_ends(per_time, aggregation)], aggregation)
        if aggregation.is_sparse:
            # A key with one time has no earlier event: join() puts zeros where no sum is found.
            per_time = repeated_keys_only(per_time, aggregation)
        return materialized_on_spark(_strictly_before(per_time, aggregation))

    def _check_integers(self, aggregation: HistoryAggregation) -> None:
        for aggregate in aggregation.aggregates:
            if aggregate.of is not None and not self._schema[aggregate.of].is_integer():
                raise ValueError(
                    f"aggregate {aggregate.name} sums {aggregate.of}, "
                    f"which is {self._schema[aggregate.of]}: "
                    "only integers are summed over the past, so that the order cannot matter"
                )


def _strictly_before(per_time: Frame, aggregation: HistoryAggregation) -> Frame:
    # There is one row per key and time by now. Taking that row off its own running sum takes
    # off all events of its second, so that these never know each other.
    window: dict[str, Any] = {"order_by": AT}
    sums = {
        aggregate.name: nw.col(aggregate.name).cum_sum().over(*aggregation.key, **window)
        - nw.col(aggregate.name)
        for aggregate in aggregation.aggregates
    }
    running = {
        entry.name: nw.col(entry.name).cum_max().over(*aggregation.key, **window)
        for entry in aggregation.latest
    }
    summed_up = per_time.with_columns(**sums, **running)
    if not aggregation.latest:
        return summed_up
    shifted = summed_up.with_columns(
        **{
            entry.name: nw.col(entry.name).shift(1).over(*aggregation.key, **window)
            for entry in aggregation.latest
        }
    )
    return shifted.with_columns(
        **{
            entry.name: nw.when(nw.col(entry.name) > NEVER).then(nw.col(entry.name))
            for entry in aggregation.latest
        }
    )


def _with_empty_sums(rows: Frame, aggregation: HistoryAggregation) -> Frame:
    if not aggregation.aggregates:  # latest times alone: null where there is no event
        return rows
    known = ~reduce(or_, (nw.col(name).is_null() for name in aggregation.key))
    return rows.with_columns(
        **{
            aggregate.name: nw.when(known).then(nw.col(aggregate.name).fill_null(0))
            for aggregate in aggregation.aggregates
        }
    )
