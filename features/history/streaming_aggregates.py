"""What is known at each moment of a build that goes through the log in order of time.

A block of searches asks each aggregation once: it is answered from the balance, to which the
blocks before it have added, and from the block's own earlier events; then its events are
added. So a block costs what its own rows cost, however long the log before it, and no
row is read twice. The sums are those that a build of everything at once would form: the
same integers, the same bits.
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
from features.history.aggregation import HistoryAggregation
from features.history.lazy_aggregates import NEVER, Frame
from features.history.packed_keys import Array, Keys, Rows, among
from features.history.running_totals import PointInTimeQuery
from features.history.sessions import open_sessions, sessions
from features.history.stage_aggregates import StageAggregate, stage_aggregates_of

__all__ = ["StreamingAggregates"]

_KEPT = 2


class StreamingAggregates:
    """Balances of aggregations, brought forward from block to block.

    an aggregation is opened when it is first asked for, so that asking in the name of no row
    says what a build will need.
    """

    def __init__(self) -> None:
        self._feeds: dict[HistoryAggregation, list[StageAggregate]] = {}
        self._by_search: dict[HistoryAggregation, tuple[str, ...]] = {}
        self._expected: dict[HistoryAggregation, Array] = {}
        self._gap_s: int | None = None
        self._open_sessions: Frame | None = None
        self._made: dict[str, tuple[Frame, ...]] = {}

    @property
    def aggregations(self) -> tuple[HistoryAggregation, ...]:
        """Those that were asked for."""
        return tuple(self._feeds)

    @property
    def columns(self) -> frozenset[str]:
        """What the aggregations that were asked for read of the impressions, outcomes aside."""
        read = {name for aggregation in self._feeds for name in aggregation.columns}
        return frozenset(read.union(*self._by_search.values()))

    def expect(self, aggregation: HistoryAggregation, keys: Array) -> None:
        """All keys of a sparse aggregation that anybody meets a second time, packed and sorted."""
        self._expected[aggregation] = keys
        for feed in self._feeds[aggregation]:
            feed.expect(keys)

    def answer(
        self,
        aggregation: HistoryAggregation,
        asked: Rows,
        event_rows: Rows,
        by_search: tuple[str, ...] | None = None,
    ) -> pl.DataFrame:
        """The aggregation's columns for each row that asks; then ``event_rows`` is taken in.

        Both frames are of one block, ``event_rows`` with outcomes. ``by_search`` names the
        columns that the events of whole searches were made from, where they are such.
        """
        if aggregation not in self._feeds:
            self._feeds[aggregation] = stage_aggregates_of(aggregation)
            if by_search is not None:
                self._by_search[aggregation] = by_search
        those = self._met_again(aggregation, asked.keys(aggregation.key))
        whose = PointInTimeQuery(those, asked.integers("search_s"))
        is_own = event_rows is asked
        of_posted = (
            those if is_own else self._met_again(aggregation, event_rows.keys(aggregation.key))
        )
        is_known = asked.keys(aggregation.key).is_known
        found: dict[str, pl.Series] = {}
        for feed in self._feeds[aggregation]:
            values = feed.answer(whose, event_rows, of_posted, is_own=is_own)
            found.update(_columns(feed, values, whose, is_known))
        return pl.DataFrame([found[name].alias(name) for name in aggregation.names])

    def post(self, impressions: pl.DataFrame, until_s: int) -> None:
        """Take in the impressions of a time that is not built, with their measures.

        ``until_s`` is the first second that is built after them.
        """
        if impressions.height == 0:
            return
        rows, searches = Rows(impressions), Rows(self._per_search(impressions))
        with ThreadPoolExecutor(max_workers=2) as at_once:
            sources = (
                searches if aggregation in self._by_search else rows for aggregation in self._feeds
            )
            post = partial(self._post, until_s=until_s)
            for _ in at_once.map(post, self._feeds, sources):
                pass
        if self._gap_s is not None:
            self.sessions(nw.from_native(searches.frame.lazy()), self._gap_s)

    def _post(self, aggregation: HistoryAggregation, source: Rows, until_s: int) -> None:
        keys = self._met_again(aggregation, source.keys(aggregation.key))
        for feed in self._feeds[aggregation]:
            feed.post(source, keys, until_s)

    def sessions(self, block: Frame, gap_s: int) -> Frame:
        """As :func:`features.history.sessions.sessions`, of this block and what goes on into it."""
        self._gap_s = gap_s
        placed = materialized(sessions(block, gap_s, self._open_sessions))
        last = block.select(nw.col("search_s").max()).collect()["search_s"].to_list()[0]
        if last is not None:
            self._open_sessions = materialized(open_sessions(placed, int(last), gap_s))
        return placed

    def once(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed at the first call of this name; the last few are kept."""
        if name not in self._made:
            self._made[name] = tuple(materialized(frame) for frame in make())
        for old in [*self._made][:-_KEPT]:
            del self._made[old]
        return self._made[name]

    def _per_search(self, impressions: pl.DataFrame) -> pl.DataFrame:
        """One event per search: what its rows have of the columns that are asked about."""
        read = {"id_user", "search_s"}.union(*self._by_search.values())
        largest = [pl.col(name).max() for name in impressions.columns if name in read]
        # Rows of a search mostly follow one another: runs are grouped in a fifth of the time.
        runs = impressions.with_columns(_run=pl.col("id_search").rle_id().set_sorted())
        runs = runs.group_by("_run").agg(pl.col("id_search").first(), *largest)
        searches = runs.group_by("id_search").agg(largest)
        return searches.with_columns(stage=pl.lit(int(IMPRESSED), dtype=pl.Int8))

    def _met_again(self, aggregation: HistoryAggregation, keys: Keys) -> Keys:
        """The keys, known only where somebody meets them a second time."""
        if aggregation not in self._expected:
            return keys
        is_met = among(keys.unique, self._expected[aggregation])
        return keys._replace(is_known=keys.is_known & is_met[keys.of_row])


def _columns(
    feed: StageAggregate,
    values: tuple[list[Array], list[Array]],
    whose: PointInTimeQuery,
    is_known: Array,
) -> dict[str, pl.Series]:
    sums, latest = values
    names = iter(feed.names)
    known = {next(names): _spread(amount, whose, 0, is_known) for amount in sums}
    for moment in latest:
        spread = _spread(moment, whose, NEVER, is_known)
        known[next(names)] = pl.select(pl.when(spread > NEVER).then(spread)).to_series()
    return known


def _spread(values: Array, whose: PointInTimeQuery, otherwise: int, is_known: Array) -> pl.Series:
    """The values of the rows that asked in their places among all rows; null without a key."""
    if len(whose.rows) < len(is_known):
        every = np.full(len(is_known), otherwise, dtype=np.int64)
        every[whose.rows] = values
        values = every
    series = pl.Series(values)
    if is_known.all():
        return series
    return pl.select(pl.when(pl.Series(is_known)).then(series)).to_series()
