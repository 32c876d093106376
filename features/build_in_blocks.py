"""The features table in order of time: memory bounded by a block, one more day for little.

Rows are read once, block by block, and each block is built from the running sums of what
came before it (:mod:`features.history.running_past`). A day built alone holds the
same bits as the day in a build of everything.

Example: six impressions of days 0, 1 and 2, of which days 1 and 2 are built, in blocks of two
rows. What is not built is read too, for its events; a second is never cut in two, since its
searches must not know each other.

>>> log = pl.LazyFrame(
...     {
...         "search_day": [0, 0, 1, 1, 1, 2],
...         "search_s": [5, 9, 86_405, 86_405, 86_410, 172_801],
...     }
... )
>>> for span in _spans(log, days=[1, 2], block_rows=2):
...     print(span.first_s, span.last_s, span.rows, "built" if span.is_built else "events only")
5 9 2 events only
86405 86405 2 built
86410 172801 2 built
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from data.prefetch import prefetched
from data.schema.feature_set import FeatureSet
from data.schema.time import date_of
from features.build import Block, events_of, planned, with_text
from features.definitions.plan import EVENT_COLUMNS, Plan
from features.history.aggregation_declaration import HistoryAggregation
from features.history.closing_totals import closing_totals, resume
from features.history.id_codes import encode_ids
from features.history.packed_keys import Array, Rows, sorted_unique
from features.history.running_past import RunningPast
from features.market_days import SecondsOfDays, is_closed, seconds_of_days, tells_instants

__all__ = [
    "BLOCK_ROWS",
    "Closing",
    "FeatureBlock",
    "build_by_day",
    "rows_of_days",
]

Closing: TypeAlias = Mapping[str, pl.DataFrame]

BLOCK_ROWS = 250_000
"""More rows are built in several blocks, cut by time."""

_KEYS_AT_ONCE = 1 << 25
"""Keys that are sorted together to find the repeated ones: 256 MB."""

# Fibonacci hashing (Knuth): the upper half of a product with this number is spread evenly.
_SCATTER, _UPPER_HALF = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)

_UNBUILT_BLOCKS = 8
"""Rows that are not built have few columns, so that these many blocks are read at once."""


@dataclass(frozen=True, kw_only=True)
class FeatureBlock:
    """Some whole searches, with their features.

    Attributes:
        last_day: the latest day that was begun, counted from 1970.
        rows: columns as :func:`features.build.build_features` gives them.
    """

    last_day: int
    rows: pl.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Span:
    """Times that are read together: from the first second to the last, both included."""

    first_s: int
    last_s: int
    first_day: int
    last_day: int
    rows: int
    is_built: bool


def build_by_day(
    impressions: pl.LazyFrame,
    days: Collection[int],
    *,
    features: FeatureSet | None = None,
    block_rows: int = BLOCK_ROWS,
    opening: Closing | None = None,
    closing_days: Collection[int] = (),
    on_close: Callable[[int, Closing], None] | None = None,
) -> Iterator[FeatureBlock]:
    """The features of the impressions of each of ``days``, block by block.

    Days count from 1970 and are built in order. Write each block before asking for the
    next, and no more than two are held at a time.

    Args:
        impressions: the log.
        days: which to build.
        features: which features; by default all that the columns support.
        block_rows: rows of a block at most.
        opening: the closing totals of all days before the first of ``days``, of the same
            features (:mod:`features.history.closing_totals`): of those days only the pairs of
            guests who come again are read then. Not used where those days had not ended when
            the first of ``days`` began (:mod:`features.market_days`).
        closing_days: of ``days``, those whose closing totals ``on_close`` is given; where days
            of several clocks overlap, none.
        on_close: takes the day and its closing totals, once all its rows are built.

    Raises as :func:`features.build.build_features` does.
    """
    schema = impressions.collect_schema()
    plan = planned(schema, schema, features)
    seconds = seconds_of_days(impressions) if tells_instants(schema) else None
    if seconds is not None:
        closing_days = [day for day in closing_days if is_closed(day, seconds)]
        if days and not is_closed(min(days) - 1, seconds):
            opening = None
    spans = _spans(impressions, days, block_rows, closing_days, seconds)
    past = RunningPast(plan.sources)
    blocks_to_read = _read(impressions, spans, plan, has_opening=opening is not None)
    with prefetched(blocks_to_read, ahead=1) as blocks:
        # While the first block is read.
        if opening is not None:
            resume(past, opening)
        _restrict_sparse(past, impressions, spans)
        for number, (span, rows) in enumerate(blocks):
            if not span.is_built:
                until_s = _next_built_s(spans, span)
                past.add_events(rows, until_s, only_sparse=opening is not None)
                continue
            block = Block(encode_ids(rows), plan)
            built = block.built(past.of_block(block.rows, searches=block.searches))
            if on_close is not None and _is_last_of_day(spans, number, closing_days):
                on_close(span.last_day, closing_totals(past, block.rows.frame.schema))
            of_days = with_text(built, rows)
            if seconds is not None:
                of_days = of_days.filter(pl.col("search_day").is_in(list(days)))
            yield FeatureBlock(last_day=span.last_day, rows=of_days)


def _spans(
    impressions: pl.LazyFrame,
    days: Collection[int],
    block_rows: int,
    cut_after: Collection[int] = (),
    seconds: SecondsOfDays | None = None,
) -> list[_Span]:
    """All times up to the last of ``days``, in order, cut where a block is full.

    Also after each of the days ``cut_after``, whose end is asked for. ``seconds``: where the
    log tells instants.
    """
    last = max(days, default=-1)
    known = impressions if seconds is not None else impressions.filter(pl.col("search_day") <= last)
    of_seconds = known.group_by("search_s").agg(
        rows=pl.len(), first_day=pl.col("search_day").min(), last_day=pl.col("search_day").max()
    )
    sizes = of_seconds.sort("search_s").collect()
    sizes = sizes.with_columns(is_built=_is_built(days, seconds))
    ended = [(pl.col("first_day") > day).cast(pl.Int32) for day in cut_after]
    sizes = sizes.with_columns(ended=pl.sum_horizontal(pl.lit(0), *ended))
    sizes = sizes.with_columns(run=pl.struct("is_built", "ended").rle_id())
    before = pl.col("rows").cum_sum().over("run") - 1
    most = pl.when("is_built").then(block_rows).otherwise(_UNBUILT_BLOCKS * block_rows)
    sizes = sizes.with_columns(block=before // most)
    spans = sizes.group_by("run", "block", "is_built", maintain_order=True).agg(
        pl.col("rows").sum(),
        first_s=pl.col("search_s").min(),
        last_s=pl.col("search_s").max(),
        first_day=pl.col("first_day").min(),
        last_day=pl.col("last_day").max(),
    )
    in_order = [_Span(**row) for row in spans.drop("run", "block").iter_rows(named=True)]
    last_built = max((n for n, span in enumerate(in_order) if span.is_built), default=-1)
    return in_order[: last_built + 1]


def _is_built(days: Collection[int], seconds: SecondsOfDays | None) -> pl.Expr:
    """Whether rows of ``days`` lie at a second, or around it.

    Where days of several clocks overlap, rows of other days between are built too, and left
    out of what is given.
    """
    if seconds is None:
        return pl.col("first_day").is_in(list(days))
    within = [pl.col("search_s").is_between(*seconds[day]) for day in days if day in seconds]
    return pl.any_horizontal(*within) if within else pl.lit(value=False)


def _is_last_of_day(spans: list[_Span], number: int, days: Collection[int]) -> bool:
    """Whether the span of this number is the last of a day that is one of ``days``."""
    day = spans[number].last_day
    is_last = number + 1 == len(spans) or spans[number + 1].first_day > day
    return is_last and day in days


def _read(
    impressions: pl.LazyFrame, spans: list[_Span], plan: Plan, *, has_opening: bool
) -> Iterator[tuple[_Span, pl.DataFrame]]:
    """Rows of each span: all that a block reads, or its events alone if it is not built.

    ``has_opening``: of those events the pairs of guests who come again.
    """
    guests = _guests(impressions, spans) if has_opening else None
    for span in spans:
        rows = _within(impressions, span)
        if span.is_built:
            yield span, rows.select(plan.read).collect()
        elif guests is None:
            yield span, events_of(rows.select(plan.read_of_events).collect(), plan)
        else:
            pairs = rows.select(name for name in EVENT_COLUMNS if name in plan.read_of_events)
            again = pairs.join(guests.lazy(), on="id_user", how="semi")
            yield span, encode_ids(again.collect(engine="streaming"))


def _guests(impressions: pl.LazyFrame, spans: list[_Span]) -> pl.DataFrame | None:
    """The guests of the days that are built; ``None`` in a log without guests."""
    if "id_user" not in impressions.collect_schema().names():
        return None
    days = sorted({d for s in spans if s.is_built for d in range(s.first_day, s.last_day + 1)})
    parts = [rows_of_days(impressions, day, day).select("id_user").drop_nulls() for day in days]
    return pl.concat(parts).unique().collect(engine="streaming")


def _within(impressions: pl.LazyFrame, span: _Span) -> pl.LazyFrame:
    rows = impressions.filter(pl.col("search_s").is_between(span.first_s, span.last_s))
    return rows_of_days(rows, span.first_day, span.last_day)


def rows_of_days(impressions: pl.LazyFrame, first: int, last: int) -> pl.LazyFrame:
    """The impressions of these days, both included (days since 1970)."""
    rows = impressions.filter(pl.col("search_day").is_between(first, last))
    if "ds_search" in impressions.collect_schema().names():
        # The same rows by the partition column, so that files of other days are not opened.
        begin, end = (date_of(day) for day in (first, last))
        return rows.filter(pl.col("ds_search").is_between(begin, end))
    return rows


def _next_built_s(spans: list[_Span], after: _Span) -> int:
    return min(s.first_s for s in spans if s.is_built and s.first_s > after.last_s)


def _restrict_sparse(past: RunningPast, impressions: pl.LazyFrame, spans: list[_Span]) -> None:
    """Keep totals of a sparse aggregation for the few keys alone that need them.

    Where all days are built these are the keys with more than one row; where some are only read
    for their events, the keys of the rows that are built.
    """
    find_keys = _repeated_keys if all(span.is_built for span in spans) else _built_keys
    for aggregation in past.sparse if spans else ():
        past.restrict_to_keys(aggregation, find_keys(impressions, spans, aggregation))


def _repeated_keys(
    impressions: pl.LazyFrame, spans: list[_Span], aggregation: HistoryAggregation
) -> Array:
    """Packed keys with more than one row, sorted.

    If there are very many they are sorted in parts, by a hash, so that memory stays bounded.
    """
    days = range(min(s.first_day for s in spans), max(s.last_day for s in spans) + 1)
    parts = -(-sum(span.rows for span in spans) // _KEYS_AT_ONCE)
    repeated = [
        _more_than_once(_keys_of(impressions, days, aggregation, part=n, parts=parts))
        for n in range(parts)
    ]
    return np.sort(np.concatenate(repeated))


def _built_keys(
    impressions: pl.LazyFrame, spans: list[_Span], aggregation: HistoryAggregation
) -> Array:
    """Packed keys of the rows that are built, sorted: no sums of other keys are needed."""
    days = sorted({d for s in spans if s.is_built for d in range(s.first_day, s.last_day + 1)})
    return sorted_unique(_keys_of(impressions, days, aggregation))


def _keys_of(
    impressions: pl.LazyFrame,
    days: Sequence[int],
    aggregation: HistoryAggregation,
    *,
    part: int = 0,
    parts: int = 1,
) -> Array:
    """The packed keys of the rows of these days; of them one of ``parts`` parts, by their hash."""
    keys = []
    for day in days:
        rows = rows_of_days(impressions, day, day).select(*aggregation.key).drop_nulls()
        packed = Rows(encode_ids(rows.collect())).packed(aggregation.key)
        hashes = packed * _SCATTER >> _UPPER_HALF
        keys.append(packed[hashes % np.uint64(parts) == np.uint64(part)])
    return np.concatenate(keys)


def _more_than_once(keys: Array) -> Array:
    """The keys that occur more than once, each once and sorted; ``keys`` is sorted in place."""
    keys.sort()
    return sorted_unique(keys[1:][keys[1:] == keys[:-1]])
