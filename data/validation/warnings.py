"""Warnings about accepted rows that are unusual without breaking a rule.

The ingest report prints them as findings. No row is changed or rejected because of one.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from data.schema.geo import KM_PER_DEGREE
from data.schema.tables import Stage

__all__ = ["WarningLimits", "find_warnings"]


@dataclass(frozen=True, kw_only=True)
class WarningLimits:
    """Values beyond these are reported.

    Attributes:
        far_km: a listing further than this from the median place of its market.
        capacity: a listing that takes more guests than this.
        day_share: a day with less than this share of the mean rows of the days beside it,
        usual_rows: where that mean is at least this; small markets vary by themselves.
        days_apart: days without any search between two that have some.
    """

    far_km: float = 200.0
    capacity: int = 50
    day_share: float = 0.5
    usual_rows: int = 200
    days_apart: int = 27


def find_warnings(parts: list[Path], limits: WarningLimits | None = None) -> list[str]:
    """One sentence per kind of warning about the accepted rows of these staged parts."""
    limits = limits or WarningLimits()
    # one part per file is enough: all parts of a file have the same columns
    schemas = [pl.read_parquet_schema(part) for part in {p.parent: p for p in parts}.values()]
    schema = {name: dtype for each in schemas for name, dtype in each.items()}
    rows = pl.scan_parquet(
        parts, schema=schema, missing_columns="insert", extra_columns="ignore", glob=False
    )
    warnings = [*_far_days(rows, limits), *_short_days(rows, limits)]
    if {"listing_lat", "listing_lng"} <= set(schema):
        warnings += _far_listings(rows, limits)
    if "listing_person_capacity" in schema:
        warnings += _huge_listings(rows, limits)
    if "query_checkin" in schema:
        warnings += _late_searches(rows)
    if "book_day" not in schema:
        warnings.append(
            f"the log has no ds_book: a row whose label is {Stage.BOOKED.name.lower()} cannot be "
            "used (when the booking became known is not told) and is quarantined"
        )
    return warnings


def _far_days(rows: pl.LazyFrame, limits: WarningLimits) -> list[str]:
    """Days of searches with more than a month of nothing between: dates misread, most often."""
    days = rows.select(pl.col("ds_search").unique().sort()).collect()["ds_search"].to_list()
    gaps = [
        f"{before} and {after}"
        for before, after in itertools.pairwise(days)
        if (after - before).days > limits.days_apart
    ]
    if not gaps:
        return []
    more = f" and {len(gaps) - 3} more gaps" if len(gaps) > 3 else ""
    apart = f"days of the log lie months apart: {', '.join(gaps[:3])}{more}. "
    return [apart + "If it is one week, its dates are misread: write time_format into the mapping"]


def _short_days(rows: pl.LazyFrame, limits: WarningLimits) -> list[str]:
    """Days with far fewer rows than the day before and after; the first twenty."""
    days = rows.group_by("market", "ds_search").len().collect()
    neighbours = pl.concat(
        days.select("market", pl.col("ds_search").dt.offset_by(by), pl.col("len").alias("usual"))
        for by in ("1d", "-1d")
    )
    # an edge of the log, or a gap, leaves one neighbour or none: then the mean of what is there
    usual = neighbours.group_by("market", "ds_search").agg(pl.col("usual").mean())
    short = (
        days.join(usual, on=["market", "ds_search"])
        .filter(pl.col("usual") >= limits.usual_rows)
        .filter(pl.col("len") < limits.day_share * pl.col("usual"))
        .sort("market", "ds_search")
    )
    return [
        f"{market} {day}: {count:,} rows, its neighbours have {usual_count:,.0f}"
        for market, day, count, usual_count in short.head(20).rows()
    ]


def _far_listings(rows: pl.LazyFrame, limits: WarningLimits) -> list[str]:
    listings = (
        rows.group_by("market", "id_listing")
        .agg(pl.col("listing_lat").first(), pl.col("listing_lng").first())
        .drop_nulls()
        .collect(engine="streaming")
    )
    # a flat earth around the median, which a few misplaced listings cannot move
    lat, lng = pl.col("listing_lat"), pl.col("listing_lng")
    middle_lat, middle_lng = lat.median().over("market"), lng.median().over("market")
    east = (lng - middle_lng) * middle_lat.radians().cos()
    km = ((lat - middle_lat) ** 2 + east**2).sqrt() * KM_PER_DEGREE
    far = listings.with_columns(km=km).filter(pl.col("km") > limits.far_km)
    if far.is_empty():
        return []
    market, listing, *_, distance = far.sort("km", "id_listing").row(-1)
    count = f"{far.height:,} listing(s) lie more than {limits.far_km:.0f} km from the middle of "
    return [count + f"their market, such as {listing} ({market}, {distance:,.0f} km)"]


def _huge_listings(rows: pl.LazyFrame, limits: WarningLimits) -> list[str]:
    huge = (
        rows.filter(pl.col("listing_person_capacity") > limits.capacity)
        .group_by("id_listing")
        .agg(pl.col("listing_person_capacity").max())
        .sort("listing_person_capacity", "id_listing")
        .collect()
    )
    if huge.is_empty():
        return []
    listing, capacity = huge.row(-1)
    count = f"{huge.height:,} listing(s) take more than {limits.capacity} guests"
    return [f"{count}, such as {listing} ({capacity:,})"]


def _late_searches(rows: pl.LazyFrame) -> list[str]:
    late = rows.filter(pl.col("query_checkin") < pl.col("ds_search"))
    count = late.select(pl.len()).collect().item()
    return [f"{count:,} row(s) search for a check-in before the day of the search"] if count else []
