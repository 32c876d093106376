"""Which results of a search are beaten in every respect by another result shown.

On Spark by joining each search with itself; on Polars by comparing the results of all
searches of one size class at once, which needs no pairs in memory. A test holds the two
equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial, reduce
from operator import and_, or_
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

__all__ = ["dominated_by"]

Matrix = np.ndarray[Any, np.dtype[Any]]

_NAME = "in_search_dominated_by"


def dominated_by(
    rows: nw.LazyFrame[Any], *, low: tuple[str, ...], high: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    """``rows`` with ``in_search_dominated_by``: how many results of its search are better.

    Better means: no worse in any of the columns ``low`` (lower is better) and ``high``
    (higher is better), and better in one. int32; null where one of the columns is null,
    and such a result is nobody's better.
    """
    if not rows.implementation.is_polars():
        return _by_pairs(rows, low, high)
    native: pl.LazyFrame = rows.to_native()
    schema = {**native.collect_schema(), _NAME: pl.Int32()}
    count = partial(_by_size, low=low, high=high)
    counted = native.map_batches(
        count, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(counted)


def _by_pairs(
    rows: nw.LazyFrame[Any], low: tuple[str, ...], high: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    values = (*low, *high)
    shown = rows.select("id_search", "id_listing", *values).drop_nulls()
    others = shown.drop("id_listing").rename({name: f"_other_{name}" for name in values})
    pairs = shown.join(others, on="id_search", how="inner")
    of_low = [(nw.col(f"_other_{name}"), nw.col(name)) for name in low]
    of_high = [(nw.col(f"_other_{name}"), nw.col(name)) for name in high]
    no_worse = [other <= own for other, own in of_low] + [o >= own for o, own in of_high]
    better = [other < own for other, own in of_low] + [o > own for o, own in of_high]
    dominating = nw.when(reduce(and_, no_worse) & reduce(or_, better)).then(1).otherwise(0)
    counts = pairs.group_by("id_search", "id_listing").agg(
        dominating.cast(nw.Int32).sum().cast(nw.Int32).alias(_NAME)
    )
    return rows.join(counts, on=["id_search", "id_listing"], how="left")


def _by_size(rows: pl.DataFrame, *, low: tuple[str, ...], high: tuple[str, ...]) -> pl.DataFrame:
    known = rows.select(
        "id_search",
        *(pl.col(name).cast(pl.Float64) for name in low),
        *(-pl.col(name).cast(pl.Float64) for name in high),
    ).with_row_index("_row")
    known = known.drop_nulls()
    counts = np.zeros(rows.height, dtype=np.int32)
    if known.height:
        known = known if known["id_search"].is_sorted() else known.sort("id_search")
        places = known["_row"].to_numpy()
        values = [known[name].to_numpy() for name in (*low, *high)]
        for size in _classes_by_size(known["id_search"]):
            counts[places[size]] = _counted([value[size] for value in values])
    has_all = pl.all_horizontal(pl.col(name).is_not_null() for name in (*low, *high))
    return rows.with_columns(pl.when(has_all).then(pl.Series(counts)).alias(_NAME))


def _classes_by_size(searches: pl.Series) -> Iterator[Matrix]:
    """Row numbers (searches × results) of the searches with equally many results."""
    lengths = searches.rle().struct.field("len").to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    for length in np.unique(lengths):
        yield starts[lengths == length][:, None] + np.arange(length)


def _counted(values: list[Matrix]) -> Matrix:
    """Per search and result, how many others dominate it; low is good in each of ``values``."""
    counts = np.zeros(values[0].shape, dtype=np.int32)
    results = int(counts.shape[-1])
    for other in range(results):
        rivals = [value[:, other : other + 1] for value in values]
        no_worse = reduce(and_, (r <= v for r, v in zip(rivals, values, strict=True)))
        better = reduce(or_, (r < v for r, v in zip(rivals, values, strict=True)))
        counts += no_worse & better
    return counts
