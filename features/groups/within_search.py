"""How a listing compares with the other results of its own search.

"The results" are the rows of that search that are in the frame. Example, the nightly prices of
one search with four results; low is good:

=====  ====  ======  =========  =======
price  rank  z       to_median  to_best
=====  ====  ======  =========  =======
100    1     -1.147  0.5        1.0
200    2     -0.229  1.0        2.0
200    2     -0.229  1.0        2.0
400    4     1.606   2.0        4.0
=====  ====  ======  =========  =======

Written as windows, for any engine; on Polars :mod:`features.groups.within_search_arrays`
computes the same (its doctests compute this table), and a test holds the two equal. All sums
are of integers, so that the order of the rows cannot change the last bit.

To add a value by which listings are compared: one :class:`ComparedValue` in ``_COMPARED_VALUES``.
To add a way of comparing them: its description in :func:`comparison_features`, its windows in
``_expressions``, and a method of that name in ``within_search_arrays``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import narwhals as nw
import polars as pl

from data.schema.feature_set import Feature
from features.formulas.feature_declaration import NEVER_NULL, feature, grouped, with_wanted
from features.formulas.ratios import ratio
from features.groups.within_search_arrays import RESOLUTION, ResultsBySearch, as_array
from features.groups.within_search_dominance import dominated_by

__all__ = [
    "FEATURES",
    "ROW_COLUMNS",
    "ComparedValue",
    "add_comparisons",
    "comparison_features",
    "within_search_features",
]


@dataclass(frozen=True, kw_only=True)
class ComparedValue:
    """A value by which listings of one search are compared.

    Attributes:
        name: short name, part of the features' names.
        column: column of the frame that holds the value.
        needs: columns of the impressions behind it.
        low_is_good: the best value is the lowest (price, distance).
    """

    name: str
    column: str
    needs: tuple[str, ...]
    low_is_good: bool = False


_PRICE = ("listing_total_price",)
_PLACE = ("listing_lat", "listing_lng", "query_center_lat", "query_center_lng")
_RATING = ("listing_review_rating",)

_COMPARED_VALUES = (
    ComparedValue(name="price", column="listing_nightly_price", needs=_PRICE, low_is_good=True),
    ComparedValue(name="rating", column="listing_review_rating", needs=_RATING),
    ComparedValue(name="reviews", column="listing_review_count", needs=("listing_review_count",)),
    ComparedValue(name="distance", column="fit_distance_km", needs=_PLACE, low_is_good=True),
    ComparedValue(
        name="occupancy", column="listing_occupancy_rate", needs=("listing_occupancy_rate",)
    ),
)


def comparison_features(compared: ComparedValue) -> tuple[Feature, ...]:
    """The four features of one value (rank, z, to_median, to_best), without a group."""
    of, needs = compared.name, compared.needs
    unknown = f"{of} unknown"
    best = "lowest" if compared.low_is_good else "highest"
    return (
        feature(
            f"in_search_{of}_rank",
            f"rank by {of} among the results shown, 1 is the {best}; ties share the better rank",
            needs,
            null=unknown,
        ),
        feature(
            f"in_search_{of}_z",
            f"{of} less its mean over the results, in standard deviations of the results",
            needs,
            unit="standard deviations",
            null=f"{unknown}, or all results alike",
        ),
        feature(
            f"in_search_{of}_to_median",
            f"{of} as a multiple of its median over the results",
            needs,
            unit="ratio",
            null=f"{unknown}, or the median is not positive",
        ),
        feature(
            f"in_search_{of}_to_best",
            f"{of} as a multiple of the {best} of the results",
            needs,
            unit="ratio",
            null=f"{unknown}, or the best is not positive",
        ),
    )


FEATURES = grouped(
    "in_search",
    (
        *(entry for value in _COMPARED_VALUES for entry in comparison_features(value)),
        feature("in_search_results", "listings shown in this search", null=NEVER_NULL),
        feature(
            "in_search_room_type_share",
            "share of the results with this room type",
            ("listing_room_type",),
            unit="share",
            null="room type not given",
        ),
        feature(
            "in_search_dominated_by",
            "results that are no dearer, no farther and no worse rated, and better in one of these",
            (*_PRICE, *_PLACE, *_RATING),
            unit="listings",
            null="price, place or rating unknown",
        ),
    ),
)


ROW_COLUMNS = (*(value.column for value in _COMPARED_VALUES), "listing_room_type")
"""Columns of a row that these features read."""


def within_search_features(rows: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """One impression per row, with nightly price and distance, in; with the wanted features out."""
    compared = add_comparisons(rows, _COMPARED_VALUES, wanted)
    if {"in_search_results", "in_search_room_type_share"} & set(wanted):
        compared = _with_counts(compared, with_room_type="in_search_room_type_share" in wanted)
    if "in_search_dominated_by" in wanted:
        compared = dominated_by(compared, low=_LOW_IS_BETTER, high=_HIGH_IS_BETTER)
    return compared


_LOW_IS_BETTER = ("listing_nightly_price", "fit_distance_km")
_HIGH_IS_BETTER = ("listing_review_rating",)

_SAME_ROOM_TYPE = "_in_search_same_room_type"


def _with_counts(rows: nw.LazyFrame[Any], *, with_room_type: bool) -> nw.LazyFrame[Any]:
    if rows.implementation.is_polars():
        counted = _counted_by_arrays(rows, with_room_type=with_room_type)
    else:
        counted = _counted_by_windows(rows, with_room_type=with_room_type)
    if not with_room_type:
        return counted
    share = nw.col(_SAME_ROOM_TYPE) / nw.col("in_search_results")
    is_known = ~nw.col("listing_room_type").is_null()
    shared = counted.with_columns(in_search_room_type_share=nw.when(is_known).then(share))
    return shared.drop(_SAME_ROOM_TYPE)


def _counted_by_windows(rows: nw.LazyFrame[Any], *, with_room_type: bool) -> nw.LazyFrame[Any]:
    count = nw.col("id_listing").count()
    counts = {"in_search_results": count.over("id_search")}
    if with_room_type:
        counts[_SAME_ROOM_TYPE] = count.over("id_search", "listing_room_type")
    return rows.with_columns(**counts)


def _counted_by_arrays(rows: nw.LazyFrame[Any], *, with_room_type: bool) -> nw.LazyFrame[Any]:
    native: pl.LazyFrame = rows.to_native()

    def with_counts(frame: pl.DataFrame) -> pl.DataFrame:
        results = ResultsBySearch(frame["id_search"])
        counts = {"in_search_results": results.result_counts()}
        if with_room_type:
            codes = frame["listing_room_type"].cast(pl.Categorical).to_physical()
            codes = codes.cast(pl.Int64).fill_null(-1)
            counts[_SAME_ROOM_TYPE] = results.same_code_counts(codes.to_numpy())
        return frame.with_columns(pl.Series(name, array) for name, array in counts.items())

    names = ["in_search_results", *([_SAME_ROOM_TYPE] if with_room_type else [])]
    schema = {**native.collect_schema(), **dict.fromkeys(names, pl.UInt32())}
    counted = native.map_batches(
        with_counts, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(counted)


def add_comparisons(
    rows: nw.LazyFrame[Any], values: Collection[ComparedValue], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """``rows`` with the wanted rank, z-score and ratios of each value."""
    used = [v for v in values if any(f.name in wanted for f in comparison_features(v))]
    if not used:
        return rows
    if rows.implementation.is_polars():
        return _by_arrays(rows, used, wanted)
    return _by_windows(rows, used, wanted)


def _by_arrays(
    rows: nw.LazyFrame[Any], used: Collection[ComparedValue], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    native: pl.LazyFrame = rows.to_native()
    names = [f.name for v in used for f in comparison_features(v) if f.name in wanted]
    dtypes = {n: pl.UInt32() if n.endswith("_rank") else pl.Float64() for n in names}
    compare = partial(_compared, used=tuple(used), names=names)
    schema = {**native.collect_schema(), **dtypes}
    compared = native.map_batches(
        compare, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(compared)


def _compared(
    rows: pl.DataFrame, *, used: tuple[ComparedValue, ...], names: list[str]
) -> pl.DataFrame:
    results = ResultsBySearch(rows["id_search"])
    columns: list[pl.Series] = []
    for compared in used:
        value, prefix = rows[compared.column], f"in_search_{compared.name}_"
        kinds = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        arrays = results.comparisons(as_array(value), kinds, low_is_good=compared.low_is_good)
        columns += [_null_where_unknown(f"{prefix}{k}", a, value) for k, a in arrays.items()]
    return rows.with_columns(columns).select(*rows.columns, *names)


def _null_where_unknown(name: str, array: Any, value: pl.Series) -> pl.Series:
    if name.endswith("_rank"):
        return pl.select(
            pl.when(value.is_not_null()).then(pl.Series(array)).alias(name)
        ).to_series()
    return pl.Series(name, array, nan_to_null=True)


def _by_windows(
    rows: nw.LazyFrame[Any], used: Collection[ComparedValue], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    levels = rows.with_columns(*(e for v in used for e in _levels(v)))
    positioned = levels.with_columns(*(_position_in_range(v) for v in used))
    with_moments = positioned.with_columns(*(e for v in used for e in _moments(v)))
    expressions = {name: e for v in used for name, e in _expressions(v).items()}
    temporary = [name for v in used for name in _temporary_columns(v)]
    return with_wanted(with_moments, expressions, wanted).drop(*temporary)


def _temporary_columns(compared: ComparedValue) -> tuple[str, ...]:
    parts = ("median", "min", "max", "position", "n", "sum", "squares")
    return tuple(f"_{compared.name}_{part}" for part in parts)


def _levels(compared: ComparedValue) -> list[nw.Expr]:
    value, of = nw.col(compared.column), compared.name
    return [
        value.median().over("id_search").alias(f"_{of}_median"),
        value.min().over("id_search").cast(nw.Float64).alias(f"_{of}_min"),
        value.max().over("id_search").cast(nw.Float64).alias(f"_{of}_max"),
    ]


def _position_in_range(compared: ComparedValue) -> nw.Expr:
    # From 0 at the search's lowest value to a million at its highest: an integer, so
    # that its sums are exact, at a scale that suits every column.
    of = compared.name
    low, high = nw.col(f"_{of}_min"), nw.col(f"_{of}_max")
    share = (nw.col(compared.column).cast(nw.Float64) - low) / (high - low)
    scaled = (share * RESOLUTION + 0.5).floor().cast(nw.Int64)
    return nw.when(high > low).then(scaled).alias(f"_{of}_position")


def _moments(compared: ComparedValue) -> list[nw.Expr]:
    position, of = nw.col(f"_{compared.name}_position"), compared.name
    return [
        position.count().over("id_search").alias(f"_{of}_n"),
        position.sum().over("id_search").alias(f"_{of}_sum"),
        (position * position).sum().over("id_search").alias(f"_{of}_squares"),
    ]


def _expressions(compared: ComparedValue) -> dict[str, nw.Expr]:
    value, of = nw.col(compared.column), compared.name
    n, total = nw.col(f"_{of}_n"), nw.col(f"_{of}_sum")
    spread = (n * nw.col(f"_{of}_squares") - total * total).cast(nw.Float64).sqrt()
    away = (n * nw.col(f"_{of}_position") - total).cast(nw.Float64)
    best = nw.col(f"_{of}_min" if compared.low_is_good else f"_{of}_max")
    median = nw.col(f"_{of}_median")
    rank = value.rank(method="min", descending=not compared.low_is_good).over("id_search")
    return {
        f"in_search_{of}_rank": nw.when(~value.is_null()).then(rank),
        f"in_search_{of}_z": ratio(away, spread),
        f"in_search_{of}_to_median": ratio(value, median),
        f"in_search_{of}_to_best": ratio(value, best),
    }
