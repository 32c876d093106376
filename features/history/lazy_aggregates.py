"""What an aggregation counts, as lazy frames of events: one row per key and time.

For Spark, and for builds of all rows at once; :mod:`features.history.streaming_aggregates` does
the same block by block. Everything here sums integers, so no order of rows, threads or files
can show in a result.

Example: clicks per listing within an hour (``window_s`` 3,600). Listing A was clicked at second
10, and shown again at 20 and at 4,000. Its events, in the order in which they are made here:

====================  ===  ======  ========================================
from                  key  _at     clicks
====================  ===  ======  ========================================
``events_of``         A    10      1
``zero_events_of``    A    20      0, so that there is a sum at this time
``zero_events_of``    A    4,000   0
``window_ends``       A    3,610   −1: the click leaves the window
====================  ===  ======  ========================================

The running sum before each ``_at`` (``point_in_time._strictly_before``) is 0 at 10, 1 at 20,
1 at 3,610 and 0 at 4,000; the rows are joined to it by key and ``_at``. So a click counts up to
``window_s`` after it, that second included.

>>> import polars as pl
>>> rows = nw.from_native(
...     pl.LazyFrame({"listing": ["A"] * 3, "search_s": [10, 20, 4_000], "stage": [1, 0, 0]})
... )
>>> hourly = HistoryAggregation(
...     key=("listing",), aggregates=(Aggregate(name="clicks", stage=CLICKED, window_s=3_600),)
... )
>>> per_time = sum_per_time([*events_of(rows, hourly), zero_events_of(rows, hourly)], hourly)
>>> per_time = sum_per_time([per_time, window_ends(per_time, hourly)], hourly)
>>> per_time.filter(nw.col("clicks") != 0).sort(AT).collect().rows()
[('A', 10, 1), ('A', 3610, -1)]
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import reduce
from operator import and_
from typing import Any

import narwhals as nw

from data.schema.tables import CLICKED, IMPRESSED, Stage
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
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
"""Stands for "no event yet" among latest times while they are compared; every second is greater."""


def events_of(impressions: Frame, aggregation: HistoryAggregation) -> Iterator[Frame]:
    """The aggregation's events among these impressions: keys, ``_at``, aggregates, latest times.

    Not those of distinct counts, which :func:`first_occurrences` finds.
    """
    keyed = without_null_keys(impressions, aggregation.key)
    stages = {aggregate.stage for aggregate in aggregation.aggregates if aggregate.distinct is None}
    stages |= {entry.stage for entry in aggregation.latest}
    # Impressions and clicks are known at the same second, so one frame holds both.
    of_search_s = stages & {IMPRESSED, CLICKED}
    if of_search_s:
        yield _events_at(keyed.filter(is_event_of(min(of_search_s))), aggregation, of_search_s)
    for stage in sorted(stages - of_search_s):
        yield _events_at(keyed.filter(is_event_of(stage)), aggregation, {stage})


def first_occurrences(
    impressions: Frame, aggregation: HistoryAggregation, aggregate: Aggregate
) -> Frame:
    """Keys, ``_value`` and ``_known``: the first second of each value of a distinct count."""
    events = without_null_keys(impressions, aggregation.key).filter(is_event_of(aggregate.stage))
    values = events.filter(~nw.col(str(aggregate.distinct)).is_null()).select(
        *aggregation.key, _value=nw.col(str(aggregate.distinct)), _known=known_s(aggregate.stage)
    )
    return values.group_by(*aggregation.key, "_value").agg(nw.col("_known").min())


def as_events(first: Frame, aggregation: HistoryAggregation, counted: Aggregate) -> Frame:
    """The rows of :func:`first_occurrences` as events that count one each."""
    ones = [
        nw.lit(1, dtype=nw.Int64).alias(aggregate.name)
        if aggregate is counted
        else _zero(aggregate)
        for aggregate in aggregation.aggregates
    ]
    at = period(nw.col("_known"), aggregation).alias(AT)
    return first.select(*aggregation.key, at, *ones, *_no_latest(aggregation))


def zero_events_of(queries: Frame, aggregation: HistoryAggregation) -> Frame:
    """An event that adds 0 for every query, so that there is a sum at its time to join to."""
    zeros = [_zero(aggregate) for aggregate in aggregation.aggregates]
    times = period(nw.col("search_s"), aggregation).alias(AT)
    return without_null_keys(queries, aggregation.key).select(
        *aggregation.key, times, *zeros, *_no_latest(aggregation)
    )


def has_each_impression(aggregation: HistoryAggregation) -> bool:
    """Whether the time of every impression is among the times of the aggregation's events."""
    counted = any(
        aggregate.stage == IMPRESSED and aggregate.distinct is None
        for aggregate in aggregation.aggregates
    )
    return counted or any(entry.stage == IMPRESSED for entry in aggregation.latest)


def sum_per_time(frames: list[Frame], aggregation: HistoryAggregation) -> Frame:
    """One row per key and time, with the sums and latest times of all its events."""
    sums = [nw.col(aggregate.name).sum() for aggregate in aggregation.aggregates]
    latest = [nw.col(entry.name).max() for entry in aggregation.latest]
    together = nw.concat(frames, how="vertical") if len(frames) > 1 else frames[0]
    return together.group_by(*aggregation.key, AT).agg(*sums, *latest)


def window_ends(per_time: Frame, aggregation: HistoryAggregation) -> Frame:
    """For each row an equal and opposite one at the time at which it leaves the window."""
    ends = (nw.col(AT) + (aggregation.window_s or 0) // aggregation.refresh_s).alias(AT)
    amounts = [
        (-nw.col(aggregate.name)).alias(aggregate.name) if aggregate.window_s else _zero(aggregate)
        for aggregate in aggregation.aggregates
    ]
    return per_time.select(*aggregation.key, ends, *amounts, *_no_latest(aggregation))


def merged_before(events: Frame, aggregation: HistoryAggregation, since_s: int) -> Frame:
    """The events, the older ones moved to one period, so that fewer periods are left to sum.

    Older are those that every row from ``since_s`` on knows and that have left the window, where
    there is one: they are 0 in its aggregates and stay in the others. No such row can tell the
    difference.
    """
    window_periods = (aggregation.window_s or 0) // aggregation.refresh_s
    last = since_s // aggregation.refresh_s - 1 - window_periods
    is_older = nw.col(AT) <= last
    outside_window = {
        aggregate.name: nw.when(is_older).then(0).otherwise(nw.col(aggregate.name)).cast(nw.Int64)
        for aggregate in aggregation.aggregates
        if aggregate.window_s is not None
    }
    at = nw.when(is_older).then(last).otherwise(nw.col(AT)).cast(nw.Int64)
    return events.with_columns(**outside_window, **{AT: at})


def repeated_keys_only(per_time: Frame, aggregation: HistoryAggregation) -> Frame:
    """The rows of those keys that have events at more than one time."""
    times = per_time.group_by(*aggregation.key).agg(nw.len().alias("_times"))
    repeated = times.filter(nw.col("_times") > 1).drop("_times")
    return per_time.join(repeated, on=list(aggregation.key), how="semi")


def period(moment: nw.Expr, aggregation: HistoryAggregation) -> nw.Expr:
    """The aggregation's period that a second falls into."""
    seconds = moment.cast(nw.Int64)
    return seconds if aggregation.refresh_s == 1 else seconds // aggregation.refresh_s


def without_null_keys(frame: Frame, key: tuple[str, ...]) -> Frame:
    """The rows whose key holds no null: the others know no events, and count for no row."""
    return frame.filter(reduce(and_, (~nw.col(name).is_null() for name in key)))


def _events_at(rows: Frame, aggregation: HistoryAggregation, stages: Collection[Stage]) -> Frame:
    moment = known_s(max(stages))
    aggregates = [
        _amount(aggregate)
        if aggregate.stage in stages and aggregate.distinct is None
        else _zero(aggregate)
        for aggregate in aggregation.aggregates
    ]
    latest = [
        nw.when(is_event_of(entry.stage)).then(moment).otherwise(NEVER).alias(entry.name)
        if entry.stage in stages
        else nw.lit(NEVER, dtype=nw.Int64).alias(entry.name)
        for entry in aggregation.latest
    ]
    return rows.select(
        *aggregation.key, period(moment, aggregation).alias(AT), *aggregates, *latest
    )


def _amount(aggregate: Aggregate) -> nw.Expr:
    value = nw.col(aggregate.of).fill_null(0) if aggregate.of else nw.lit(1)
    amount = nw.when(is_event_of(aggregate.stage)).then(value).otherwise(0)
    return amount.cast(nw.Int64).alias(aggregate.name)


def _zero(aggregate: Aggregate) -> nw.Expr:
    return nw.lit(0, dtype=nw.Int64).alias(aggregate.name)


def _no_latest(aggregation: HistoryAggregation) -> list[nw.Expr]:
    return [nw.lit(NEVER, dtype=nw.Int64).alias(entry.name) for entry in aggregation.latest]
