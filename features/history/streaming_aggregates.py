"""What is known at each moment of a build that goes through the log in order of time.

A block of searches asks each ledger once: it is answered from the balance, to which the
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
from features.engine import settled
from features.history.aggregation import Ledger
from features.history.lazy_aggregates import NEVER, Frame
from features.history.packed_keys import Array, Keys, Rows, among
from features.history.running_totals import Asked
from features.history.sessions import open_sessions, sessions
from features.history.stage_aggregates import Feed, feeds_of

__all__ = ["Books"]

_KEPT = 2


class Books:
    """Balances of ledgers, brought forward from block to block.

    A ledger is opened when it is first asked for, so that asking in the name of no row
    says what a build will need.
    """

    def __init__(self) -> None:
        self._feeds: dict[Ledger, list[Feed]] = {}
        self._by_search: dict[Ledger, tuple[str, ...]] = {}
        self._expected: dict[Ledger, Array] = {}
        self._gap_s: int | None = None
        self._open_sessions: Frame | None = None
        self._made: dict[str, tuple[Frame, ...]] = {}

    @property
    def ledgers(self) -> tuple[Ledger, ...]:
        """Those that were asked for."""
        return tuple(self._feeds)

    @property
    def columns(self) -> frozenset[str]:
        """What the ledgers that were asked for read of the impressions, outcomes aside."""
        read = {name for ledger in self._feeds for name in ledger.columns}
        return frozenset(read.union(*self._by_search.values()))

    def expect(self, ledger: Ledger, keys: Array) -> None:
        """All keys of a sparse ledger that anybody meets a second time, packed and sorted."""
        self._expected[ledger] = keys
        for feed in self._feeds[ledger]:
            feed.expect(keys)

    def answer(
        self, ledger: Ledger, asked: Rows, posted: Rows, by_search: tuple[str, ...] | None = None
    ) -> pl.DataFrame:
        """The ledger's columns for each row that asks; then ``posted`` is taken in.

        Both frames are of one block, ``posted`` with outcomes. ``by_search`` names the
        columns that the events of whole searches were made from, where they are such.
        """
        if ledger not in self._feeds:
            self._feeds[ledger] = feeds_of(ledger)
            if by_search is not None:
                self._by_search[ledger] = by_search
        those = self._met_again(ledger, asked.keys(ledger.key))
        whose = Asked(those, asked.integers("search_s"))
        is_own = posted is asked
        of_posted = those if is_own else self._met_again(ledger, posted.keys(ledger.key))
        is_known = asked.keys(ledger.key).is_known
        found: dict[str, pl.Series] = {}
        for feed in self._feeds[ledger]:
            values = feed.answer(whose, posted, of_posted, is_own=is_own)
            found.update(_columns(feed, values, whose, is_known))
        return pl.DataFrame([found[name].alias(name) for name in ledger.names])

    def post(self, impressions: pl.DataFrame, until_s: int) -> None:
        """Take in the impressions of a time that is not built, with their measures.

        ``until_s`` is the first second that is built after them.
        """
        if impressions.height == 0:
            return
        rows, searches = Rows(impressions), Rows(self._per_search(impressions))
        with ThreadPoolExecutor(max_workers=2) as at_once:
            sources = (searches if ledger in self._by_search else rows for ledger in self._feeds)
            post = partial(self._post, until_s=until_s)
            for _ in at_once.map(post, self._feeds, sources):
                pass
        if self._gap_s is not None:
            self.sessions(nw.from_native(searches.frame.lazy()), self._gap_s)

    def _post(self, ledger: Ledger, source: Rows, until_s: int) -> None:
        keys = self._met_again(ledger, source.keys(ledger.key))
        for feed in self._feeds[ledger]:
            feed.post(source, keys, until_s)

    def sessions(self, block: Frame, gap_s: int) -> Frame:
        """As :func:`features.history.sessions.sessions`, of this block and what goes on into it."""
        self._gap_s = gap_s
        placed = settled(sessions(block, gap_s, self._open_sessions))
        last = block.select(nw.col("search_s").max()).collect()["search_s"].to_list()[0]
        if last is not None:
            self._open_sessions = settled(open_sessions(placed, int(last), gap_s))
        return placed

    def once(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed at the first call of this name; the last few are kept."""
        if name not in self._made:
            self._made[name] = tuple(settled(frame) for frame in make())
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

    def _met_again(self, ledger: Ledger, keys: Keys) -> Keys:
        """The keys, known only where somebody meets them a second time."""
        if ledger not in self._expected:
            return keys
        is_met = among(keys.unique, self._expected[ledger])
        return keys._replace(is_known=keys.is_known & is_met[keys.of_row])


def _columns(
    feed: Feed, values: tuple[list[Array], list[Array]], whose: Asked, is_known: Array
) -> dict[str, pl.Series]:
    sums, latest = values
    names = iter(feed.names)
    known = {next(names): _spread(amount, whose, 0, is_known) for amount in sums}
    for moment in latest:
        spread = _spread(moment, whose, NEVER, is_known)
        known[next(names)] = pl.select(pl.when(spread > NEVER).then(spread)).to_series()
    return known


def _spread(values: Array, whose: Asked, otherwise: int, is_known: Array) -> pl.Series:
    """The values of the rows that asked in their places among all rows; null without a key."""
    if len(whose.rows) < len(is_known):
        every = np.full(len(is_known), otherwise, dtype=np.int64)
        every[whose.rows] = values
        values = every
    series = pl.Series(values)
    if is_known.all():
        return series
    return pl.select(pl.when(pl.Series(is_known)).then(series)).to_series()
