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

from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw

from data.contract import CLICKED, IMPRESSED, Stage
from features.funnel import is_event_of, known_s
from features.ledger import Ledger, Tally

__all__ = ["Frame", "Past"]

Frame = nw.LazyFrame[Any]

_AT = "_at"
_NEVER = -1


class Past:
    """Impressions whose events may be known to somebody; gives them out as of a time only."""

    def __init__(
        self,
        impressions: Frame,
        *,
        asked: Frame,
        is_asked_by_itself: bool = False,
        since_s: int = 0,
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
        """
        self._impressions = impressions
        self._is_asked_by_itself = is_asked_by_itself
        self._since_s = since_s
        self._asked = asked
        self._schema = impressions.collect_schema()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self._schema.names())

    def asked_by(self, rows: Frame) -> Past:
        """The same past, asked by other rows (one per search, say)."""
        return self._with(self._impressions, rows)

    def _with(self, impressions: Frame, asked: Frame) -> Past:
        return Past(
            impressions,
            asked=asked,
            is_asked_by_itself=self._is_asked_by_itself,
            since_s=self._since_s,
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
        known = self._known(_without_null_keys(self._asked, kept.key), kept)
        timed = rows.with_columns(_period(nw.col("search_s"), kept).alias(_AT))
        joined = timed.join(known, on=[*kept.key, _AT], how="left").drop(_AT)
        return _with_empty_sums(joined, kept) if kept.is_sparse else joined

    def by_search(self, columns: Collection[str]) -> Past:
        """The past with one event per search instead of one per impression shown.

        ``columns`` that the log lacks are left out; each holds the search's largest value.
        Only impressions can be counted there: outcomes belong to listings.
        """
        kept = [name for name in columns if name in self.columns]
        searches = self._impressions.group_by("id_search").agg(*(nw.col(n).max() for n in kept))
        events = searches.with_columns(stage=nw.lit(int(IMPRESSED), dtype=nw.Int8))
        return self._with(events, self._asked)

    def clicks_before(self, day: int) -> nw.DataFrame[Any]:
        """Clicks of guests with an id on days before ``day``, to learn from.

        One row per guest and listing: ``id_user``, ``id_listing``, sorted by both.
        """
        known = self._impressions.filter(
            is_event_of(CLICKED), ~nw.col("id_user").is_null(), nw.col("search_day") < day
        )
        pairs = known.group_by("id_user", "id_listing").agg(nw.len().alias("_clicks"))
        return pairs.collect().select("id_user", "id_listing").sort("id_user", "id_listing")

    def with_listing_values(self, values: Frame) -> Past:
        """The past whose impressions also hold ``values`` (keyed by ``id_listing``).

        Impressions of listings without values are left out.
        """
        return self._with(self._impressions.join(values, on="id_listing", how="inner"), self._asked)

    def join_session(self, rows: Frame, *, last: str, gap_s: int) -> Frame:
        """``rows`` with ``session_start_s`` and ``session_searches``, of the guest's session.

        A session ends when the guest does not search for more than ``gap_s`` seconds.
        ``last`` names the column with the guest's latest search before the row's own, as a
        ledger's ``latest`` gave it. Both columns are null where the guest's last session
        is over, or where there was none; ``session_searches`` counts searches before this.
        """
        sessions = _sessions(_without_null_keys(self._impressions, ("id_user",)), gap_s)
        is_open = (nw.col(last) < nw.col("search_s")) & (nw.col("search_s") - nw.col(last) <= gap_s)
        asked = rows.with_columns(nw.when(is_open).then(nw.col(last)).alias(_AT))
        return asked.join(sessions, on=["id_user", _AT], how="left").drop(_AT)

    def _known(self, asked: Frame, ledger: Ledger) -> Frame:
        frames = list(self._events(ledger))
        if not (self._is_asked_by_itself and _has_each_impression(ledger)):
            period = _period(nw.col("search_s"), ledger).alias(_AT)
            zeros = [_zero(t) for t in ledger.tallies]
            frames.append(asked.select(*ledger.key, period, *zeros, *_no_latest(ledger)))
        if self._since_s and ledger.within_s is None:
            frames = [self._with_older_at_once(frame, ledger) for frame in frames]
        per_time = _summed(frames, ledger)
        if ledger.within_s is not None:
            per_time = _summed([per_time, _ended(per_time, ledger)], ledger)
        return _strictly_before(
            _repeated(per_time, ledger) if ledger.is_sparse else per_time, ledger
        )

    def _with_older_at_once(self, events: Frame, ledger: Ledger) -> Frame:
        just_before = self._since_s // ledger.every_s - 1
        return events.with_columns(
            nw.when(nw.col(_AT) > just_before).then(nw.col(_AT)).otherwise(just_before).alias(_AT)
        )

    def _events(self, ledger: Ledger) -> Iterator[Frame]:
        past = _without_null_keys(self._impressions, ledger.key)
        stages = {t.stage for t in ledger.tallies if t.distinct is None}
        stages |= {entry.stage for entry in ledger.latest}
        instants = stages & {IMPRESSED, CLICKED}
        if instants:
            yield _events_at(past.filter(is_event_of(min(instants))), ledger, instants)
        for stage in sorted(stages - instants):
            yield _events_at(past.filter(is_event_of(stage)), ledger, {stage})
        for tally in ledger.tallies:
            if tally.distinct is not None:
                yield _first_events(past.filter(is_event_of(tally.stage)), ledger, tally)

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
    window: dict[str, Any] = {"order_by": _AT}
    sums = {
        t.name: nw.col(t.name).cum_sum().over(*ledger.key, **window) - nw.col(t.name)
        for t in ledger.tallies
    }
    running = {e.name: nw.col(e.name).cum_max().over(*ledger.key, **window) for e in ledger.latest}
    summed = per_time.with_columns(**sums, **running)
    if not ledger.latest:
        return summed
    shifted = summed.with_columns(
        **{e.name: nw.col(e.name).shift(1).over(*ledger.key, **window) for e in ledger.latest}
    )
    return shifted.with_columns(
        **{e.name: nw.when(nw.col(e.name) > _NEVER).then(nw.col(e.name)) for e in ledger.latest}
    )


def _events_at(past: Frame, ledger: Ledger, stages: Collection[Stage]) -> Frame:
    moment = known_s(max(stages))
    tallies = [
        _amount(t) if t.stage in stages and t.distinct is None else _zero(t) for t in ledger.tallies
    ]
    latest = [
        nw.when(is_event_of(e.stage)).then(moment).otherwise(_NEVER).alias(e.name)
        if e.stage in stages
        else nw.lit(_NEVER, dtype=nw.Int64).alias(e.name)
        for e in ledger.latest
    ]
    return past.select(*ledger.key, _period(moment, ledger).alias(_AT), *tallies, *latest)


def _has_each_impression(ledger: Ledger) -> bool:
    counted = any(t.stage == IMPRESSED and t.distinct is None for t in ledger.tallies)
    return counted or any(entry.stage == IMPRESSED for entry in ledger.latest)


def _summed(frames: list[Frame], ledger: Ledger) -> Frame:
    """One row per key and time, which holds all that happened then."""
    sums = [nw.col(t.name).sum() for t in ledger.tallies]
    latest = [nw.col(entry.name).max() for entry in ledger.latest]
    together = nw.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
    return together.group_by(*ledger.key, _AT).agg(*sums, *latest)


def _ended(per_time: Frame, ledger: Ledger) -> Frame:
    # A window is a sum that an equal and opposite event ends.
    assert ledger.within_s is not None  # noqa: S101 - the caller asked
    ends = (nw.col(_AT) + ledger.within_s // ledger.every_s).alias(_AT)
    amounts = [(-nw.col(t.name)).alias(t.name) if t.within_s else _zero(t) for t in ledger.tallies]
    return per_time.select(*ledger.key, ends, *amounts, *_no_latest(ledger))


def _repeated(per_time: Frame, ledger: Ledger) -> Frame:
    times = per_time.group_by(*ledger.key).agg(nw.len().alias("_times"))
    repeated = times.filter(nw.col("_times") > 1).drop("_times")
    return per_time.join(repeated, on=list(ledger.key), how="semi")


def _with_empty_sums(rows: Frame, ledger: Ledger) -> Frame:
    known = reduce(and_, (~nw.col(name).is_null() for name in ledger.key))
    return rows.with_columns(
        **{t.name: nw.when(known).then(nw.col(t.name).fill_null(0)) for t in ledger.tallies}
    )


def _first_events(past: Frame, ledger: Ledger, tally: Tally) -> Frame:
    assert tally.distinct is not None  # noqa: S101 - the caller asked
    known = past.filter(~nw.col(tally.distinct).is_null()).select(
        *ledger.key, _whom=nw.col(tally.distinct), _known=known_s(tally.stage)
    )
    first = known.group_by(*ledger.key, "_whom").agg(nw.col("_known").min())
    ones = [
        nw.lit(1, dtype=nw.Int64).alias(t.name) if t is tally else _zero(t) for t in ledger.tallies
    ]
    period = _period(nw.col("_known"), ledger).alias(_AT)
    return first.select(*ledger.key, period, *ones, *_no_latest(ledger))


def _sessions(past: Frame, gap_s: int) -> Frame:
    searches = nw.col("id_search").n_unique().cast(nw.Int64)
    times = past.group_by("id_user", "search_s").agg(searches.alias("_searches"))
    before = times.with_columns(
        _before=nw.col("search_s").shift(1).over("id_user", order_by="search_s")
    )
    goes_on = nw.col("search_s") - nw.col("_before") <= gap_s
    starts = before.with_columns(
        _start=nw.when(goes_on.fill_null(value=False)).then(_NEVER).otherwise(nw.col("search_s"))
    )
    placed = starts.with_columns(
        session_start_s=nw.col("_start").cum_max().over("id_user", order_by="search_s")
    )
    session = ("id_user", "session_start_s")
    counted = placed.with_columns(
        session_searches=nw.col("_searches").cum_sum().over(*session, order_by="search_s")
    )
    return counted.select(
        "id_user", nw.col("search_s").alias(_AT), "session_start_s", "session_searches"
    )


def _amount(tally: Tally) -> nw.Expr:
    value = nw.col(tally.of).fill_null(0) if tally.of else nw.lit(1)
    held = nw.when(is_event_of(tally.stage)).then(value).otherwise(0)
    return held.cast(nw.Int64).alias(tally.name)


def _zero(tally: Tally) -> nw.Expr:
    return nw.lit(0, dtype=nw.Int64).alias(tally.name)


def _no_latest(ledger: Ledger) -> list[nw.Expr]:
    return [nw.lit(_NEVER, dtype=nw.Int64).alias(e.name) for e in ledger.latest]


def _period(moment: nw.Expr, ledger: Ledger) -> nw.Expr:
    seconds = moment.cast(nw.Int64)
    return seconds if ledger.every_s == 1 else seconds // ledger.every_s


def _without_null_keys(frame: Frame, key: tuple[str, ...]) -> Frame:
    return frame.filter(reduce(and_, (~nw.col(name).is_null() for name in key)))
