"""What a ledger counts, as frames of events: one row per key and time.

Everything here sums integers, so no order of rows, threads or files can show in a result.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw

from data.schema.tables import CLICKED, IMPRESSED, Stage
from features.history.aggregation import Ledger, Tally
from features.history.event_times import is_event_of, known_s

__all__ = [
    "AT",
    "NEVER",
    "Frame",
    "as_events",
    "clamped",
    "ended",
    "events_of",
    "first_met",
    "has_each_impression",
    "period",
    "repeated",
    "summed",
    "without_null_keys",
    "zeros_of",
]

Frame = nw.LazyFrame[Any]

AT = "_at"
"""The period in which an event became known: seconds since 1970 over the ledger's ``every_s``."""

NEVER = -1


def events_of(impressions: Frame, ledger: Ledger) -> Iterator[Frame]:
    """The ledger's events among these impressions: keys, ``_at``, tallies, latest times.

    Those of distinct counts aside, which :func:`first_met` finds.
    """
    past = without_null_keys(impressions, ledger.key)
    stages = {t.stage for t in ledger.tallies if t.distinct is None}
    stages |= {entry.stage for entry in ledger.latest}
    instants = stages & {IMPRESSED, CLICKED}
    if instants:
        yield _events_at(past.filter(is_event_of(min(instants))), ledger, instants)
    for stage in sorted(stages - instants):
        yield _events_at(past.filter(is_event_of(stage)), ledger, {stage})


def first_met(impressions: Frame, ledger: Ledger, tally: Tally) -> Frame:
    """Keys, ``_whom`` and ``_known``: when each value of a distinct count was first met."""
    past = without_null_keys(impressions, ledger.key).filter(is_event_of(tally.stage))
    known = past.filter(~nw.col(str(tally.distinct)).is_null()).select(
        *ledger.key, _whom=nw.col(str(tally.distinct)), _known=known_s(tally.stage)
    )
    return known.group_by(*ledger.key, "_whom").agg(nw.col("_known").min())


def as_events(first: Frame, ledger: Ledger, tally: Tally) -> Frame:
    """What :func:`first_met` found, as events that count one each."""
    ones = [
        nw.lit(1, dtype=nw.Int64).alias(t.name) if t is tally else _zero(t) for t in ledger.tallies
    ]
    at = period(nw.col("_known"), ledger).alias(AT)
    return first.select(*ledger.key, at, *ones, *_no_latest(ledger))


def zeros_of(asked: Frame, ledger: Ledger) -> Frame:
    """An event of nothing for every row that asks, so that its time is among the times."""
    zeros = [_zero(t) for t in ledger.tallies]
    times = period(nw.col("search_s"), ledger).alias(AT)
    return without_null_keys(asked, ledger.key).select(
        *ledger.key, times, *zeros, *_no_latest(ledger)
    )


def has_each_impression(ledger: Ledger) -> bool:
    """Whether the time of every impression is among the times of the ledger's events."""
    counted = any(t.stage == IMPRESSED and t.distinct is None for t in ledger.tallies)
    return counted or any(entry.stage == IMPRESSED for entry in ledger.latest)


def summed(frames: list[Frame], ledger: Ledger) -> Frame:
    """One row per key and time, which holds all that happened then."""
    sums = [nw.col(t.name).sum() for t in ledger.tallies]
    latest = [nw.col(entry.name).max() for entry in ledger.latest]
    together = nw.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
    return together.group_by(*ledger.key, AT).agg(*sums, *latest)


def ended(per_time: Frame, ledger: Ledger) -> Frame:
    """What falls out of the ledger's window, and when."""
    # A window is a sum that an equal and opposite event ends.
    ends = (nw.col(AT) + (ledger.within_s or 0) // ledger.every_s).alias(AT)
    amounts = [(-nw.col(t.name)).alias(t.name) if t.within_s else _zero(t) for t in ledger.tallies]
    return per_time.select(*ledger.key, ends, *amounts, *_no_latest(ledger))


def clamped(events: Frame, ledger: Ledger, since_s: int) -> Frame:
    """The events with all that lies behind ``since_s`` moved to one period just before it.

    No row from ``since_s`` on can tell the difference. Behind a window's reach, events
    leave the window's tallies and stay in the others.
    """
    reach = (ledger.within_s or 0) // ledger.every_s
    last = since_s // ledger.every_s - 1 - reach
    is_older = nw.col(AT) <= last
    gone = {
        t.name: nw.when(is_older).then(0).otherwise(nw.col(t.name)).cast(nw.Int64)
        for t in ledger.tallies
        if t.within_s is not None
    }
    at = nw.when(is_older).then(last).otherwise(nw.col(AT)).cast(nw.Int64)
    return events.with_columns(**gone, **{AT: at})


def repeated(per_time: Frame, ledger: Ledger) -> Frame:
    """The rows of those keys that have events at more than one time."""
    times = per_time.group_by(*ledger.key).agg(nw.len().alias("_times"))
    several = times.filter(nw.col("_times") > 1).drop("_times")
    return per_time.join(several, on=list(ledger.key), how="semi")


def period(moment: nw.Expr, ledger: Ledger) -> nw.Expr:
    """The ledger's period that a second falls into."""
    seconds = moment.cast(nw.Int64)
    return seconds if ledger.every_s == 1 else seconds // ledger.every_s


def without_null_keys(frame: Frame, key: tuple[str, ...]) -> Frame:
    """The rows whose key holds no null: the others have no past, and are nobody's."""
    return frame.filter(reduce(and_, (~nw.col(name).is_null() for name in key)))


def _events_at(past: Frame, ledger: Ledger, stages: Collection[Stage]) -> Frame:
    moment = known_s(max(stages))
    tallies = [
        _amount(t) if t.stage in stages and t.distinct is None else _zero(t) for t in ledger.tallies
    ]
    latest = [
        nw.when(is_event_of(e.stage)).then(moment).otherwise(NEVER).alias(e.name)
        if e.stage in stages
        else nw.lit(NEVER, dtype=nw.Int64).alias(e.name)
        for e in ledger.latest
    ]
    return past.select(*ledger.key, period(moment, ledger).alias(AT), *tallies, *latest)


def _amount(tally: Tally) -> nw.Expr:
    value = nw.col(tally.of).fill_null(0) if tally.of else nw.lit(1)
    held = nw.when(is_event_of(tally.stage)).then(value).otherwise(0)
    return held.cast(nw.Int64).alias(tally.name)


def _zero(tally: Tally) -> nw.Expr:
    return nw.lit(0, dtype=nw.Int64).alias(tally.name)


def _no_latest(ledger: Ledger) -> list[nw.Expr]:
    return [nw.lit(NEVER, dtype=nw.Int64).alias(e.name) for e in ledger.latest]
