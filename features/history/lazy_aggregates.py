"""What an aggregation counts, as lazy frames of events: one row per key and time.

For Spark, and for builds of all rows at once; :mod:`features.history.streaming_aggregates` does
the same block by block. Everything here sums integers, so no order of rows, threads or files
can show in a result.

Example: clicks per listing within an hour (``window_s`` 3,600). Listing A was clicked at second
10, and asks at 20 and at 4,000. Its events, in the order in which they are made here:

====================  ===  ======  ========================================
from                  key  _at     clicks
====================  ===  ======  ========================================
``events_of``         A    10      1
``zero_events_of``    A    20      0, so that the time asked about is there
``zero_events_of``    A    4,000   0
``window_ends``       A    3,610   −1: the click leaves the window
====================  ===  ======  ========================================

The running sum before each ``_at`` (``point_in_time._strictly_before``) is 0 at 10, 1 at 20,
1 at 3,610 and 0 at 4,000; the rows are joined to it by key and ``_at``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw

from data.schema.tables import CLICKED, IMPRESSED, Stage
from features.history.aggregation import Aggregate, HistoryAggregation
from features.history.event_times import is_event_of, known_s

__all__ = [
    "AT",
    "NEVER",
    "Frame",
    "as_events",
    "events_of",
    "first_occurrences",
    "has_each_impression",
    "merged_before",
    "period",
    "repeated_keys_only",
    "sum_per_time",
    "window_ends",
    "without_null_keys",
    "zero_events_of",
]

Frame = nw.LazyFrame[Any]

AT = "_at"
"""The period in which an event became known: seconds since 1970 over ``refresh_s``."""

NEVER = -1


def events_of(impressions: Frame, aggregation: HistoryAggregation) -> Iterator[Frame]:
    """The aggregation's events among these impressions: keys, ``_at``, aggregates, latest times.

    Not those of distinct counts, which :func:`first_occurrences` finds.
    """
    past = without_null_keys(impressions, aggregation.key)
    stages = {t.stage for t in aggregation.aggregates if t.distinct is None}
    stages |= {entry.stage for entry in aggregation.latest}
    instants = stages & {IMPRESSED, CLICKED}
    if instants:
        yield _events_at(past.filter(is_event_of(min(instants))), aggregation, instants)
    for stage in sorted(stages - instants):
        yield _events_at(past.filter(is_event_of(stage)), aggregation, {stage})


def first_occurrences(
    impressions: Frame, aggregation: HistoryAggregation, aggregate: Aggregate
) -> Frame:
    """Keys, ``_whom`` and ``_known``: when each value of a distinct count was first met."""
    past = without_null_keys(impressions, aggregation.key).filter(is_event_of(aggregate.stage))
    known = past.filter(~nw.col(str(aggregate.distinct)).is_null()).select(
        *aggregation.key, _whom=nw.col(str(aggregate.distinct)), _known=known_s(aggregate.stage)
    )
    return known.group_by(*aggregation.key, "_whom").agg(nw.col("_known").min())


def as_events(first: Frame, aggregation: HistoryAggregation, aggregate: Aggregate) -> Frame:
    """What :func:`first_occurrences` found, as events that count one each."""
    ones = [
        nw.lit(1, dtype=nw.Int64).alias(t.name) if t is aggregate else _zero(t)
        for t in aggregation.aggregates
    ]
    at = period(nw.col("_known"), aggregation).alias(AT)
    return first.select(*aggregation.key, at, *ones, *_no_latest(aggregation))


def zero_events_of(queries: Frame, aggregation: HistoryAggregation) -> Frame:
    """An event of nothing for every row that asks, so that its time is among the times."""
    zeros = [_zero(t) for t in aggregation.aggregates]
    times = period(nw.col("search_s"), aggregation).alias(AT)
    return without_null_keys(queries, aggregation.key).select(
        *aggregation.key, times, *zeros, *_no_latest(aggregation)
    )


def has_each_impression(aggregation: HistoryAggregation) -> bool:
    """Whether the time of every impression is among the times of the aggregation's events."""
    counted = any(t.stage == IMPRESSED and t.distinct is None for t in aggregation.aggregates)
    return counted or any(entry.stage == IMPRESSED for entry in aggregation.latest)


def sum_per_time(frames: list[Frame], aggregation: HistoryAggregation) -> Frame:
    """One row per key and time, which holds all that happened then."""
    sums = [nw.col(t.name).sum() for t in aggregation.aggregates]
    latest = [nw.col(entry.name).max() for entry in aggregation.latest]
    together = nw.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
    return together.group_by(*aggregation.key, AT).agg(*sums, *latest)


def window_ends(per_time: Frame, aggregation: HistoryAggregation) -> Frame:
    """What falls out of the aggregation's window, and when."""
    # A window is a sum that an equal and opposite event ends.
    ends = (nw.col(AT) + (aggregation.window_s or 0) // aggregation.refresh_s).alias(AT)
    amounts = [
        (-nw.col(t.name)).alias(t.name) if t.window_s else _zero(t) for t in aggregation.aggregates
    ]
    return per_time.select(*aggregation.key, ends, *amounts, *_no_latest(aggregation))


def merged_before(events: Frame, aggregation: HistoryAggregation, since_s: int) -> Frame:
    """The events with all that lies behind ``since_s`` moved to one period just before it.

    No row from ``since_s`` on can tell the difference. Behind a window's reach, events
    leave the window's aggregates and stay in the others.
    """
    totals_before_each_query = (aggregation.window_s or 0) // aggregation.refresh_s
    last = since_s // aggregation.refresh_s - 1 - totals_before_each_query
    is_older = nw.col(AT) <= last
    gone = {
        t.name: nw.when(is_older).then(0).otherwise(nw.col(t.name)).cast(nw.Int64)
        for t in aggregation.aggregates
        if t.window_s is not None
    }
    at = nw.when(is_older).then(last).otherwise(nw.col(AT)).cast(nw.Int64)
    return events.with_columns(**gone, **{AT: at})


def repeated_keys_only(per_time: Frame, aggregation: HistoryAggregation) -> Frame:
    """The rows of those keys that have events at more than one time."""
    times = per_time.group_by(*aggregation.key).agg(nw.len().alias("_times"))
    pad_single_row = times.filter(nw.col("_times") > 1).drop("_times")
    return per_time.join(pad_single_row, on=list(aggregation.key), how="semi")


def period(moment: nw.Expr, aggregation: HistoryAggregation) -> nw.Expr:
    """The aggregation's period that a second falls into."""
    seconds = moment.cast(nw.Int64)
    return seconds if aggregation.refresh_s == 1 else seconds // aggregation.refresh_s


def without_null_keys(frame: Frame, key: tuple[str, ...]) -> Frame:
    """The rows whose key holds no null: the others have no past, and are nobody's."""
    return frame.filter(reduce(and_, (~nw.col(name).is_null() for name in key)))


def _events_at(past: Frame, aggregation: HistoryAggregation, stages: Collection[Stage]) -> Frame:
    moment = known_s(max(stages))
    aggregates = [
        _amount(t) if t.stage in stages and t.distinct is None else _zero(t)
        for t in aggregation.aggregates
    ]
    latest = [
        nw.when(is_event_of(e.stage)).then(moment).otherwise(NEVER).alias(e.name)
        if e.stage in stages
        else nw.lit(NEVER, dtype=nw.Int64).alias(e.name)
        for e in aggregation.latest
    ]
    return past.select(
        *aggregation.key, period(moment, aggregation).alias(AT), *aggregates, *latest
    )


def _amount(aggregate: Aggregate) -> nw.Expr:
    value = nw.col(aggregate.of).fill_null(0) if aggregate.of else nw.lit(1)
    held = nw.when(is_event_of(aggregate.stage)).then(value).otherwise(0)
    return held.cast(nw.Int64).alias(aggregate.name)


def _zero(aggregate: Aggregate) -> nw.Expr:
    return nw.lit(0, dtype=nw.Int64).alias(aggregate.name)


def _no_latest(aggregation: HistoryAggregation) -> list[nw.Expr]:
    return [nw.lit(NEVER, dtype=nw.Int64).alias(e.name) for e in aggregation.latest]
