"""The listing's standing among the results of its own search.

Written as windows, for any engine; on Polars :mod:`features.groups.within_search_arrays`
computes the same, and a test holds the two equal. Computed over the rows of one search that
are in the frame. All sums are of integers, so that the order of the rows cannot show in the
last bit.
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
from features.groups.within_search_arrays import RESOLUTION, Results, as_array
from features.groups.within_search_dominance import dominated_by

__all__ = ["FEATURES", "Standing", "add_standings", "standing_features", "within_search_features"]


@dataclass(frozen=True, kw_only=True)
class Standing:
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
_PRICE_OF, _DISTANCE_OF, _RATING_OF = (
    "listing_nightly_price",
    "fit_distance_km",
    "listing_review_rating",
)

_STANDINGS = (
    Standing(name="price", column="listing_nightly_price", needs=_PRICE, low_is_good=True),
    Standing(name="rating", column="listing_review_rating", needs=_RATING),
    Standing(name="reviews", column="listing_review_count", needs=("listing_review_count",)),
    Standing(name="distance", column="fit_distance_km", needs=_PLACE, low_is_good=True),
    Standing(name="occupancy", column="listing_occupancy_rate", needs=("listing_occupancy_rate",)),
)


def standing_features(standing: Standing) -> tuple[Feature, ...]:
    """The four features of one standing, without a group."""
    of, needs = standing.name, standing.needs
    unknown = f"{of} unknown"
    best = "lowest" if standing.low_is_good else "highest"
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
        *(entry for standing in _STANDINGS for entry in standing_features(standing)),
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


def within_search_features(rows: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """One impression per row, with nightly price and distance, in; with the wanted ones out."""
    compared = add_standings(rows, _STANDINGS, wanted)
    if {"in_search_results", "in_search_room_type_share"} & set(wanted):
        compared = _with_counts(compared, with_room_type="in_search_room_type_share" in wanted)
    if "in_search_dominated_by" in wanted:
        compared = dominated_by(compared, low=(_PRICE_OF, _DISTANCE_OF), high=(_RATING_OF,))
    return compared


def _with_counts(rows: nw.LazyFrame[Any], *, with_room_type: bool) -> nw.LazyFrame[Any]:
    if rows.implementation.is_polars():
        counted = _counted_as_arrays(rows, with_room_type=with_room_type)
    else:
        of = nw.col("id_listing").count()
        room = {_ALIKE: of.over("id_search", "listing_room_type")} if with_room_type else {}
        counted = rows.with_columns(in_search_results=of.over("id_search"), **room)
    if not with_room_type:
        return counted
    share = nw.col(_ALIKE) / nw.col("in_search_results")
    is_known = ~nw.col("listing_room_type").is_null()
    return counted.with_columns(in_search_room_type_share=nw.when(is_known).then(share)).drop(
        _ALIKE
    )


_ALIKE = "_in_search_room_type"


def _counted_as_arrays(rows: nw.LazyFrame[Any], *, with_room_type: bool) -> nw.LazyFrame[Any]:
    native: pl.LazyFrame = rows.to_native()
    names = ["in_search_results", *([_ALIKE] if with_room_type else [])]

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        results = Results(frame["id_search"])
        alike = {"in_search_results": results.alike(None)}
        if with_room_type:
            codes = frame["listing_room_type"].cast(pl.Categorical).to_physical()
            alike[_ALIKE] = results.alike(codes.cast(pl.Int64).fill_null(-1).to_numpy())
        return frame.with_columns(pl.Series(name, alike[name]) for name in names)

    schema = {**native.collect_schema(), **dict.fromkeys(names, pl.UInt32())}
    counted = native.map_batches(
        count, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(counted)


def add_standings(
    rows: nw.LazyFrame[Any], standings: Collection[Standing], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """``rows`` with the wanted rank, z-score and ratios of each standing."""
    used = [s for s in standings if any(f.name in wanted for f in standing_features(s))]
    if not used:
        return rows
    if rows.implementation.is_polars():
        return _by_arrays(rows, used, wanted)
    return _by_windows(rows, used, wanted)


def _by_arrays(
    rows: nw.LazyFrame[Any], used: Collection[Standing], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    native: pl.LazyFrame = rows.to_native()
    names = [f.name for s in used for f in standing_features(s) if f.name in wanted]
    dtypes = {n: pl.UInt32() if n.endswith("_rank") else pl.Float64() for n in names}
    compare = partial(_compared, used=tuple(used), names=names)
    schema = {**native.collect_schema(), **dtypes}
    compared = native.map_batches(
        compare, predicate_pushdown=False, projection_pushdown=False, schema=schema
    )
    return nw.from_native(compared)


def _compared(rows: pl.DataFrame, *, used: tuple[Standing, ...], names: list[str]) -> pl.DataFrame:
    results = Results(rows["id_search"])
    found: list[pl.Series] = []
    for standing in used:
        value, prefix = rows[standing.column], f"in_search_{standing.name}_"
        kinds = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        placed = results.standings(as_array(value), kinds, low_is_good=standing.low_is_good)
        found += [_where_known(f"{prefix}{k}", array, value) for k, array in placed.items()]
    return rows.with_columns(found).select(*rows.columns, *names)


def _where_known(name: str, array: Any, value: pl.Series) -> pl.Series:
    if name.endswith("_rank"):
        return pl.select(
            pl.when(value.is_not_null()).then(pl.Series(array)).alias(name)
        ).to_series()
    return pl.Series(name, array, nan_to_null=True)


def _by_windows(
    rows: nw.LazyFrame[Any], used: Collection[Standing], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    levels = rows.with_columns(*(e for s in used for e in _levels(s)))
    placed = levels.with_columns(*(_place_in_range(s) for s in used))
    measured = placed.with_columns(*(e for s in used for e in _moments(s)))
    expressions = {name: e for s in used for name, e in _expressions(s).items()}
    scaffold = [name for s in used for name in _scaffold(s)]
    return with_wanted(measured, expressions, wanted).drop(*scaffold)


def _scaffold(standing: Standing) -> tuple[str, ...]:
    parts = ("median", "min", "max", "place", "n", "sum", "squares")
    return tuple(f"_{standing.name}_{part}" for part in parts)


def _levels(standing: Standing) -> list[nw.Expr]:
    value, of = nw.col(standing.column), standing.name
    return [
        value.median().over("id_search").alias(f"_{of}_median"),
        value.min().over("id_search").cast(nw.Float64).alias(f"_{of}_min"),
        value.max().over("id_search").cast(nw.Float64).alias(f"_{of}_max"),
    ]


def _place_in_range(standing: Standing) -> nw.Expr:
    # From 0 at the search's lowest value to a million at its highest: an integer, so
    # that its sums are exact, at a scale that suits every column.
    of = standing.name
    low, high = nw.col(f"_{of}_min"), nw.col(f"_{of}_max")
    place = (nw.col(standing.column).cast(nw.Float64) - low) / (high - low)
    scaled = (place * RESOLUTION + 0.5).floor().cast(nw.Int64)
    return nw.when(high > low).then(scaled).alias(f"_{of}_place")


def _moments(standing: Standing) -> list[nw.Expr]:
    place, of = nw.col(f"_{standing.name}_place"), standing.name
    return [
        place.count().over("id_search").alias(f"_{of}_n"),
        place.sum().over("id_search").alias(f"_{of}_sum"),
        (place * place).sum().over("id_search").alias(f"_{of}_squares"),
    ]


def _expressions(standing: Standing) -> dict[str, nw.Expr]:
    value, of = nw.col(standing.column), standing.name
    n, total = nw.col(f"_{of}_n"), nw.col(f"_{of}_sum")
    spread = (n * nw.col(f"_{of}_squares") - total * total).cast(nw.Float64).sqrt()
    away = (n * nw.col(f"_{of}_place") - total).cast(nw.Float64)
    best = nw.col(f"_{of}_min" if standing.low_is_good else f"_{of}_max")
    median = nw.col(f"_{of}_median")
    rank = value.rank(method="min", descending=not standing.low_is_good).over("id_search")
    return {
        f"in_search_{of}_rank": nw.when(~value.is_null()).then(rank),
        f"in_search_{of}_z": nw.when(spread > 0).then(away / spread),
        f"in_search_{of}_to_median": nw.when(median > 0).then(value / median),
        f"in_search_{of}_to_best": nw.when(best > 0).then(value / best),
    }
