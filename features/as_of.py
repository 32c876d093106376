"""The only door to the past.

A feature that looks back declares a :class:`~features.ledger.Ledger`: whose past it sums
(the key), what is summed (the tallies) and how often the sums are refreshed.
:meth:`Past.join` brings onto each row the sums over the events that were known *strictly
before* the row's own search. Nothing else in this room ever sees an outcome, so a feature
cannot see the future by a slip of its author.

All sums are sums of integers: they give the same bits in any row order, on any engine,
in one build or day by day.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import reduce
from operator import or_
from typing import Any

import narwhals as nw

from data.contract import CLICKED, IMPRESSED
from features.books import Books
from features.coding import coded_like, decoded
from features.events import (
    AT,
    NEVER,
    Frame,
    as_events,
    clamped,
    ended,
    events_of,
    first_met,
    has_each_impression,
    period,
    repeated,
    summed,
    without_null_keys,
    zeros_of,
)
from features.funnel import DAY_S, is_event_of
from features.ledger import Ledger
from features.native import beside, found_in_order, settled, settled_on_spark
from features.sessions import sessions

__all__ = ["Frame", "Past"]


class Past:
    """Impressions whose events may be known to somebody; gives them out as of a time only."""

    def __init__(
        self,
        impressions: Frame,
        *,
        asked: Frame,
        is_asked_by_itself: bool = False,
        since_s: int = 0,
        kept_in: tuple[Books, Frame] | None = None,
        is_in_order: bool = False,
    ) -> None:
        """Both frames have ``search_s`` and whatever keys the ledgers use.

        Args:
            impressions: the past, with its outcomes and what ledgers sum.
            asked: the rows that ask. Ledgers read keys and times from here rather than
                from the frame that is joined to, which keeps the query plan linear in
                the number of ledgers instead of doubling with each.
            is_asked_by_itself: each of ``asked`` is one of ``impressions``, so that the
                times asked about are among the times of the events already.
            since_s: none of ``asked`` is a search before this second. Older events are
                then summed into one per key at once: the same results, sooner.
            kept_in: the books of the days that ``impressions`` are of, and the impressions
                of earlier days; all rows that ask are of those days.
            is_in_order: every frame handed to :meth:`join` has the rows of ``asked`` in
                their order (Polars only): columns are then put beside one another.
        """
        self._impressions = impressions
        self._is_asked_by_itself = is_asked_by_itself
        self._since_s = since_s
        self._asked = asked
        self._schema = impressions.collect_schema()
        self._books = kept_in
        self._is_in_order = is_in_order

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema.names())

    def with_ids_alike(self, frame: Frame) -> Frame:
        """``frame`` with its ids coded where those of the past are."""
        return coded_like(frame, self._impressions)

    def asked_by(self, rows: Frame, *, in_order: bool = False) -> Past:
        """The same past, asked by other rows (one per search, say); ``in_order`` as above."""
        return self._with(self._impressions, rows, self._books, in_order)

    def _with(
        self,
        impressions: Frame,
        asked: Frame,
        kept_in: tuple[Books, Frame] | None,
        is_in_order: bool,
    ) -> Past:
        return Past(
            impressions,
            asked=asked,
            is_asked_by_itself=self._is_asked_by_itself,
            since_s=self._since_s,
            kept_in=kept_in,
            is_in_order=is_in_order,
        )

    def join(self, rows: Frame, ledger: Ledger) -> Frame:
        """``rows`` with the ledger's columns, each over events known strictly before it.

        ``rows`` are those that ask, whatever columns they have gained since; one row in,
        one row out. Tallies are int64, null where the key holds a null; ``latest`` columns
        are null also where there is no event. What this log does not support is not
        added. Raises ``ValueError`` when a summed column is not an integer.
        """
        kept = ledger.only(self.columns)
        if kept is None:
            return rows
        self._check_integers(kept)
        known = self._known(kept)
        at = period(nw.col("search_s"), kept).alias(AT)
        key = [*kept.key, AT]
        if self._is_in_order:
            asked = self._asked.select(*kept.key, at)
            found = found_in_order(asked, known, key)
            found = _with_empty_sums(found, kept) if kept.is_sparse else found
            return beside(rows, found.select(*kept.names))
        joined = rows.with_columns(at).join(known, on=key, how="left").drop(AT)
        return _with_empty_sums(joined, kept) if kept.is_sparse else joined

    def beside(self, rows: Frame, found: Frame, on: Collection[str]) -> Frame:
        """``rows`` with what ``found`` (keyed by ``on``) holds for the rows that ask."""
        if not self._is_in_order:
            return rows.join(found, on=list(on), how="left")
        names = [name for name in found.collect_schema().names() if name not in on]
        if not names:
            return rows
        asked = self._asked.select(*on)
        return beside(rows, found_in_order(asked, found, list(on)).select(*names))

    def beside_itself(self, rows: Frame, same: Frame, on: Collection[str]) -> Frame:
        """``rows`` with the further columns of ``same``: the same rows, with the key ``on``."""
        if not self._is_in_order:
            return rows.join(same, on=list(on), how="left")
        further = [name for name in same.collect_schema().names() if name not in on]
        return beside(rows, same.select(*further)) if further else rows

    def settled(self, frame: Frame) -> Frame:
        """``frame``, computed now where columns are put beside one another, and on Spark."""
        return settled(frame) if self._is_in_order else settled_on_spark(frame)

    @property
    def days(self) -> tuple[int, ...]:
        """The days of the rows that ask, sorted."""
        if self._books is not None:
            return self._books[0].days
        days = self._asked.select("search_day").unique().collect()
        return tuple(sorted(int(day) for day in days["search_day"].to_list()))

    def askers(self, day: int) -> Frame:
        """Guests with an id who ask on this day, and when: ``id_user``, ``search_s``."""
        rows = self._asked if self._books is None else self._impressions
        of_day = without_null_keys(rows.filter(nw.col("search_day") == day), ("id_user",))
        return of_day.select("id_user", "search_s").unique()

    def clicked_before(self, day: int) -> Past:
        """The clicks of this day and before alone, for ledgers of what is learnt of them.

        Whoever asks this past asks on ``day``.
        """
        rows = self._impressions
        if self._books is not None:
            rows = nw.concat([self._books[1].select(*self.columns), rows], how="vertical")
        clicks = rows.filter(is_event_of(CLICKED), nw.col("search_day") <= day)
        return Past(clicks, asked=self._asked, since_s=day * DAY_S)

    def once(self, name: str, make: Callable[[], tuple[Frame, ...]]) -> tuple[Frame, ...]:
        """What ``make`` gives, computed once for all that ask on the day of the books."""
        return make() if self._books is None else self._books[0].once(name, make)

    def by_search(self, columns: Collection[str]) -> Past:
        """The past with one event per search instead of one per impression shown.

        ``columns`` that the log lacks are left out; each holds the search's largest value.
        Only impressions can be counted there: outcomes belong to listings.
        """
        kept = [name for name in columns if name in self.columns]

        def searches(impressions: Frame) -> Frame:
            grouped = impressions.group_by("id_search").agg(*(nw.col(n).max() for n in kept))
            return grouped.with_columns(stage=nw.lit(int(IMPRESSED), dtype=nw.Int8))

        books = self._books
        kept_in = None if books is None else (books[0], searches(books[1]))
        return self._with(searches(self._impressions), self._asked, kept_in, self._is_in_order)

    def clicks_before(self, day: int) -> nw.DataFrame[Any]:
        """Clicks of guests with an id on days before ``day``, to learn from.

        One row per guest and listing: ``id_user``, ``id_listing``, sorted by both.
        """
        known = self._impressions.filter(
            is_event_of(CLICKED), ~nw.col("id_user").is_null(), nw.col("search_day") < day
        )
        pairs = known.group_by("id_user", "id_listing").agg(nw.len().alias("_clicks"))
        return (
            decoded(pairs).collect().select("id_user", "id_listing").sort("id_user", "id_listing")
        )

    def with_listing_values(self, values: Frame) -> Past:
        """The past whose impressions also hold ``values`` (keyed by ``id_listing``).

        Impressions of listings without values are left out.
        """
        valued = self._impressions.join(values, on="id_listing", how="inner")
        return self._with(valued, self._asked, None, self._is_in_order)

    def join_session(self, rows: Frame, *, last: str, gap_s: int) -> Frame:
        """``rows`` with ``session_start_s`` and ``session_searches``, of the guest's session.

        A session ends when the guest does not search for more than ``gap_s`` seconds.
        ``last`` names the column with the guest's latest search before the row's own, as a
        ledger's ``latest`` gave it. Both columns are null where the guest's last session
        is over, or where there was none; ``session_searches`` counts searches before this.
        """
        if self._books is None:
            placed = sessions(self._impressions, gap_s)
        else:
            books, earlier = self._books
            placed = books.sessions(self._impressions, earlier, gap_s)
        is_open = (nw.col(last) < nw.col("search_s")) & (nw.col("search_s") - nw.col(last) <= gap_s)
        asked = rows.with_columns(nw.when(is_open).then(nw.col(last)).alias(AT))
        placed = placed.rename({"search_s": AT})
        return asked.join(placed, on=["id_user", AT], how="left").drop(AT)

    def _known(self, ledger: Ledger) -> Frame:
        if self._books is not None:
            books, earlier = self._books
            return books.known(ledger, self._impressions, earlier, _strictly_before)
        frames = list(events_of(self._impressions, ledger))
        for tally in ledger.tallies:
            if tally.distinct is not None:
                first = first_met(self._impressions, ledger, tally)
                frames.append(as_events(first, ledger, tally))
        if not (self._is_asked_by_itself and has_each_impression(ledger)):
            frames.append(zeros_of(self._asked, ledger))
        if self._since_s:
            frames = [clamped(frame, ledger, self._since_s) for frame in frames]
        per_time = summed(frames, ledger)
        if ledger.within_s is not None:
            per_time = summed([per_time, ended(per_time, ledger)], ledger)
        if ledger.is_sparse:
            per_time = repeated(per_time, ledger)
        return settled_on_spark(_strictly_before(per_time, ledger))

    def _check_integers(self, ledger: Ledger) -> None:
        for tally in ledger.tallies:
            if tally.of is not None and not self._schema[tally.of].is_integer():
                raise ValueError(
                    f"tally {tally.name} sums {tally.of}, which is {self._schema[tally.of]}: "
                    "only integers are summed over the past, so that the order cannot matter"
                )


def _strictly_before(per_time: Frame, ledger: Ledger) -> Frame:
    # One row per (key, time) by now, so all events of a tie are in the row that is
    # taken off, and events of one second never know each other.
    window: dict[str, Any] = {"order_by": AT}
    sums = {
        t.name: nw.col(t.name).cum_sum().over(*ledger.key, **window) - nw.col(t.name)
        for t in ledger.tallies
    }
    running = {e.name: nw.col(e.name).cum_max().over(*ledger.key, **window) for e in ledger.latest}
    summed_up = per_time.with_columns(**sums, **running)
    if not ledger.latest:
        return summed_up
    shifted = summed_up.with_columns(
        **{e.name: nw.col(e.name).shift(1).over(*ledger.key, **window) for e in ledger.latest}
    )
    return shifted.with_columns(
        **{e.name: nw.when(nw.col(e.name) > NEVER).then(nw.col(e.name)) for e in ledger.latest}
    )


def _with_empty_sums(rows: Frame, ledger: Ledger) -> Frame:
    known = ~reduce(or_, (nw.col(name).is_null() for name in ledger.key))
    return rows.with_columns(
        **{t.name: nw.when(known).then(nw.col(t.name).fill_null(0)) for t in ledger.tallies}
    )
