"""The features table day by day: memory bounded by one market-day, one more day for little.

The books of a day (:mod:`features.books`) are drawn from that day's rows and the balances
carried over from the day before; then each market's rows are built in blocks of whole
searches. A day built alone holds the same bits as the day in a build of everything.
Polars only: on Spark, :func:`features.build.build_features` builds all days at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import narwhals as nw
import polars as pl

from data.feature_set import FeatureSet
from features.as_of import Past
from features.books import Books
from features.build import build_block, checked_features, columns_read
from features.coding import ID_COLUMNS, coded
from features.measures import narrowed
from features.native import settled

__all__ = ["BLOCK_ROWS", "TOGETHER_ROWS", "Block", "affected_days", "build_by_day"]

BLOCK_ROWS = 250_000
"""A market-day of more rows is built in several blocks, cut by time of the day."""

TOGETHER_ROWS = 500_000
"""Small days that follow one another share their books as long as they have no more rows."""

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Some whole searches of one market, with their features.

    Attributes:
        market: slug of the market.
        last_day: the latest day that was begun, counted from 1970.
        rows: columns as :func:`features.build.build_features` gives them.
    """

    market: str
    last_day: int
    rows: pl.DataFrame


def build_by_day(
    impressions: pl.LazyFrame,
    days: Collection[int],
    *,
    features: FeatureSet | None = None,
    block_rows: int = BLOCK_ROWS,
    together_rows: int = TOGETHER_ROWS,
) -> Iterator[Block]:
    """The features of the impressions of each of ``days``, block by block.

    Days count from 1970 and are built in order. Write each block before asking for the
    next, and no more than two are held at a time. Raises as
    :func:`features.build.build_features` does.
    """
    frame = nw.from_native(impressions)
    chosen = checked_features(frame, frame, features)
    log = _rows_per_day(impressions)
    books: Books | None = None
    for some in _together({day: log[day] for day in sorted(set(days) & set(log))}, together_rows):
        follows = books is not None and not any(books.days[-1] < d < some[0] for d in log)
        books = books.closed(some) if books is not None and follows else Books(some)
        yield from _built(impressions, books, chosen, block_rows)


def affected_days(changed: Collection[int], days: Collection[int]) -> tuple[int, ...]:
    """Which of ``days`` must be rebuilt when impressions of the ``changed`` days changed.

    A day's features know that day and all before it, so these are the changed days and
    every later one; the others keep their bits.

    >>> affected_days({3}, [1, 2, 3, 4, 7])
    (3, 4, 7)
    >>> affected_days(set(), [1, 2])
    ()
    """
    if not changed:
        return ()
    first = min(changed)
    return tuple(sorted(day for day in set(days) if day >= first))


def _rows_per_day(impressions: pl.LazyFrame) -> dict[int, int]:
    counts = impressions.group_by("search_day").agg(pl.len()).sort("search_day").collect()
    return {int(day): int(rows) for day, rows in counts.iter_rows()}


def _together(rows: Mapping[int, int], most: int) -> Iterator[list[int]]:
    """Runs of days with no more than ``most`` rows together; a larger day is a run of its own."""
    run: list[int] = []
    for day in rows:
        if run and sum(rows[d] for d in [*run, day]) > most:
            yield run
            run = []
        run.append(day)
    if run:
        yield run


def _built(
    impressions: pl.LazyFrame, books: Books, features: FeatureSet, block_rows: int
) -> Iterator[Block]:
    chosen = _of_days(impressions, books.days)
    past = _past_of(impressions, chosen, books)
    read = columns_read(impressions.collect_schema(), set(features.names))
    for market, rows in _cut(chosen.select(read), block_rows):
        text, block = _in_order(rows)
        built = build_block(block, past, features)
        yield Block(market=market, last_day=books.days[-1], rows=built.with_columns(text))


def _past_of(impressions: pl.LazyFrame, chosen: pl.LazyFrame, books: Books) -> Past:
    present = settled(_narrow(chosen))
    earlier = _narrow(impressions.filter(pl.col("search_day") < books.days[0]))
    return Past(present, asked=present, is_asked_by_itself=True, kept_in=(books, earlier))


def _of_days(impressions: pl.LazyFrame, days: Sequence[int]) -> pl.LazyFrame:
    chosen = impressions.filter(pl.col("search_day").is_in(days))
    if "ds_search" in impressions.collect_schema().names():
        # The same rows, said in the words of the partitions: others are not opened.
        dates = [_EPOCH + timedelta(days=day) for day in days]
        return chosen.filter(pl.col("ds_search").is_in(dates))
    return chosen


def _narrow(impressions: pl.LazyFrame) -> nw.LazyFrame[pl.LazyFrame]:
    return narrowed(nw.from_native(coded(impressions)))


def _cut(rows: pl.LazyFrame, block_rows: int) -> Iterator[tuple[str, pl.DataFrame]]:
    """Blocks of whole searches: a market's rows, cut by time where they are many."""
    sizes = rows.group_by("market", "search_s").agg(rows=pl.len()).sort("market", "search_s")
    per_time = sizes.collect().with_columns(
        block=(pl.col("rows").cum_sum().over("market") - 1) // block_rows
    )
    bounds = per_time.group_by("market", "block").agg(
        first=pl.col("search_s").min(), last=pl.col("search_s").max()
    )
    for market, _, first, last in bounds.sort("market", "block").iter_rows():
        within = pl.col("search_s").is_between(first, last)
        yield market, rows.filter(pl.col("market") == market, within).collect(engine="streaming")


def _in_order(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The text of the ids, and the rows with codes, both sorted by the search's code."""
    block = coded(rows.lazy()).collect()
    order = block["id_search"].arg_sort()
    text = rows.select(name for name in ID_COLUMNS if name in rows.columns)
    return text[order], block[order].with_columns(pl.col("id_search").set_sorted())
