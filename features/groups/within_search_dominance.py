"""How many results of the same search are better than a result in every respect.

On Spark each search is joined with itself; on Polars
:meth:`~features.groups.within_search_arrays.ResultsBySearch.dominated_by` compares without
holding pairs in memory. A test holds the two equal. Example, one search with four results:

=====  ========  ======  ============  ====================================================
price  distance  rating  dominated_by  because
=====  ========  ======  ============  ====================================================
90     1.0       4.5     1             the next is cheaper, as near and as well rated
80     1.0       4.5     0
70     2.0       4.0     0             cheapest: the others are nearer, but dearer
null   0.0       5.0     null          the price is unknown, so it beats nobody either
=====  ========  ======  ============  ====================================================
"""

from __future__ import annotations

from functools import partial, reduce
from operator import and_, or_
from typing import Any

import narwhals as nw
import polars as pl

from features.groups.within_search_arrays import ResultsBySearch, as_array

__all__ = ["dominated_by"]

_NAME = "in_search_dominated_by"


def dominated_by(
    rows: nw.LazyFrame[Any], *, low: tuple[str, ...], high: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    """``rows`` with ``in_search_dominated_by``: how many results of its search are better.

    Better means: no worse in any of the columns ``low`` (lower is better) and ``high``
    (higher is better), and better in one. int32; null where one of the columns is null,
    and such a result is not better than any other.
    """
    if not rows.implementation.is_polars():
        return _by_pairs(rows, low, high)
    native: pl.LazyFrame = rows.to_native()
    schema = {**native.collect_schema(), _NAME: pl.Int32()}
    count = partial(_by_arrays, low=low, high=high)
    counted = native.map_batches(
        count, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(counted)


def _by_pairs(
    rows: nw.LazyFrame[Any], low: tuple[str, ...], high: tuple[str, ...]
) -> nw.LazyFrame[Any]:
    values = (*low, *high)
    known = rows.select("id_search", "id_listing", *values).drop_nulls()
    others = known.drop("id_listing").rename({name: f"_other_{name}" for name in values})
    pairs = known.join(others, on="id_search", how="inner")
    of_low = [(nw.col(f"_other_{name}"), nw.col(name)) for name in low]
    of_high = [(nw.col(f"_other_{name}"), nw.col(name)) for name in high]
    no_worse = [other <= own for other, own in of_low] + [o >= own for o, own in of_high]
    better = [other < own for other, own in of_low] + [o > own for o, own in of_high]
    dominating = nw.when(reduce(and_, no_worse) & reduce(or_, better)).then(1).otherwise(0)
    counts = pairs.group_by("id_search", "id_listing").agg(
        dominating.cast(nw.Int32).sum().cast(nw.Int32).alias(_NAME)
    )
    return rows.join(counts, on=["id_search", "id_listing"], how="left")


def _by_arrays(rows: pl.DataFrame, *, low: tuple[str, ...], high: tuple[str, ...]) -> pl.DataFrame:
    values = [as_array(rows[name]) for name in low] + [-as_array(rows[name]) for name in high]
    counts = pl.Series(ResultsBySearch(rows["id_search"]).dominated_by(values))
    has_all = pl.all_horizontal(pl.col(name).is_not_null() for name in (*low, *high))
    return rows.with_columns(pl.when(has_all).then(counts).alias(_NAME))
