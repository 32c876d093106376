"""Tables for the marketplace's own people: demand, prices, hosts, expected bookings.

All of it describes the searches and bookings of the log. None of it is causal: a stay that
is cheaper than comparable ones and sells better may do so for a reason that the log lacks.
"""

from __future__ import annotations

from itertools import pairwise

import polars as pl

from data.lake.store import Lake
from data.schema.tables import BOOKED, CLICKED
from data.schema.time import date_of
from models.evaluation.sample_size import FEWEST
from pipelines.evaluation.log_maturity import maturity_of_log

__all__ = [
    "expected_bookings",
    "hosts_to_recruit",
    "price_bands",
    "price_guidance",
    "unmet_demand",
]

AREA_DEGREES = 0.02
# An area's click rate is drawn towards its market's, as if so many of the market's searches
# were added to it.
PRIOR_SEARCHES = 50.0
FEWEST_COMPARABLE = 5
CAPACITY_BANDS = (3, 5)
PRICE_BANDS = (0.5, 0.8, 1.25, 2.0)


def unmet_demand(impressions: pl.LazyFrame) -> pl.DataFrame:
    """Searches that ended without a click, by area searched and week of check-in.

    One row per market, area (a cell of about 2 km around the searched centre) and Monday
    of the check-in's week: ``searches``, ``results`` per search, ``click_rate`` (share of
    searches with a click, drawn towards the market's own), and ``unmet``: searches without
    a click above what the market's own rate would leave.
    """
    searches = _searches(impressions).filter(pl.col("query_checkin").is_not_null())
    searches = searches.with_columns(week=pl.col("query_checkin").dt.truncate("1w"))
    counted = searches.group_by("market", "area_lat", "area_lng", "week").agg(
        searches=pl.len(), results=pl.col("results").mean(), clicked=pl.col("is_clicked").sum()
    )
    rate = pl.col("clicked").sum().over("market") / pl.col("searches").sum().over("market")
    return (
        counted.with_columns(market_rate=rate)
        .with_columns(
            click_rate=(pl.col("clicked") + PRIOR_SEARCHES * pl.col("market_rate"))
            / (pl.col("searches") + PRIOR_SEARCHES)
        )
        .with_columns(
            unmet=pl.col("searches") * (pl.col("market_rate") - pl.col("click_rate")).clip(0)
        )
        .drop("clicked")
        .sort("unmet", "searches", descending=True)
        .collect()
    )


def price_guidance(listings: pl.DataFrame) -> pl.DataFrame:
    """Each listing's nightly price beside that of comparable stays.

    Comparable: same market, room type, capacity band and area of about 2 km. ``listings``
    as :func:`pipelines.analysis.search_log.latest_listings` gives them. Adds
    ``comparable`` (how many others), their price quartiles, ``price_ratio`` to their
    median, and the click rates of both, its own null where it was shown too few times; a listing
    with fewer than five others is left out.
    """
    placed = _areas(listings, "listing_lat", "listing_lng").with_columns(
        capacity=_band("listing_person_capacity")
    )
    group = ["market", "listing_room_type", "capacity", "area_lat", "area_lng"]
    price = pl.col("nightly_price")
    compared = placed.filter(price.is_not_null()).with_columns(
        comparable=pl.len().over(group) - 1,
        low_quartile=price.quantile(0.25).over(group),
        median_price=price.median().over(group),
        high_quartile=price.quantile(0.75).over(group),
        click_rate=pl.when(pl.col("impressions") >= FEWEST).then(
            pl.col("clicks") / pl.col("impressions")
        ),
        comparable_click_rate=pl.col("clicks").sum().over(group)
        / pl.col("impressions").sum().over(group),
    )
    return (
        compared.filter(pl.col("comparable") >= FEWEST_COMPARABLE)
        .with_columns(price_ratio=price / pl.col("median_price"))
        .select(
            "id_listing",
            *group,
            "nightly_price",
            "low_quartile",
            "median_price",
            "high_quartile",
            "comparable",
            "price_ratio",
            "impressions",
            "click_rate",
            "comparable_click_rate",
            "bookings",
        )
        .sort("price_ratio", "id_listing", descending=[True, False])
    )


def price_bands(guidance: pl.DataFrame) -> pl.DataFrame:
    """Number and click rate of listings, by the ratio of their price to the comparable median."""
    edges = (0.0, *PRICE_BANDS, float("inf"))
    frames = [
        guidance.filter(pl.col("price_ratio").is_between(low, high, closed="left")).select(
            price_ratio=pl.lit(_between(low, high)),
            listings=pl.len(),
            click_rate=pl.col("click_rate").mean(),
            comparable_click_rate=pl.col("comparable_click_rate").mean(),
        )
        for low, high in pairwise(edges)
    ]
    return pl.concat(frames)


def _between(low: float, high: float) -> str:
    if low == 0:
        return f"below {high:g} times"
    return f"{low:g} times or more" if high == float("inf") else f"{low:g} to {high:g} times"


def hosts_to_recruit(impressions: pl.LazyFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Where searches outnumber the listings that could take them, by area and party size.

    One row per market, area and capacity band: ``searches`` of such parties, ``listings``
    of such capacity in the area, ``searches_per_listing``, and ``wanted``: how many more
    listings would bring the ratio to that of the whole market for the band (``usual``).
    """
    party = _searches(impressions).with_columns(capacity=_band("query_num_guests"))
    key = ["market", "area_lat", "area_lng", "capacity"]
    demand = party.group_by(key).agg(searches=pl.len()).collect()
    supply = (
        _areas(listings, "listing_lat", "listing_lng")
        .with_columns(capacity=_band("listing_person_capacity"))
        .group_by(key)
        .agg(listings=pl.len())
    )
    both = demand.join(supply, on=key, how="left").with_columns(pl.col("listings").fill_null(0))
    band = ["market", "capacity"]
    usual = pl.col("searches").sum().over(band) / pl.col("listings").sum().over(band)
    return (
        both.with_columns(
            searches_per_listing=pl.col("searches") / pl.max_horizontal(pl.col("listings"), 1),
            usual=usual,
        )
        .with_columns(
            wanted=(pl.col("searches") / pl.col("usual") - pl.col("listings")).clip(0).round(1)
        )
        .filter(pl.col("usual").is_finite())
        .sort("wanted", "searches", descending=True)
    )


def expected_bookings(lake: Lake) -> pl.DataFrame:
    """Bookings of each day's searches: seen so far, and expected in the end.

    One row per day. ``completeness`` is the share of the final bookings that the log holds
    already (:mod:`models.evaluation.label_maturity`); ``expected`` is ``observed`` divided by
    it, and ``expected_low`` and ``expected_high`` are its 95% interval.
    """
    rows = [
        {
            "ds_search": date_of(day.search_day),
            "observed": day.observed,
            "completeness": day.completeness,
            "expected": day.expected,
            # Divided by the high end of the completeness, the bookings are few.
            "expected_low": day.observed / day.high if day.high else None,
            "expected_high": day.observed / day.low if day.low else None,
        }
        for day in maturity_of_log(lake)
        if day.outcome == "book"
    ]
    return pl.DataFrame(rows)


def _searches(impressions: pl.LazyFrame) -> pl.LazyFrame:
    """One row per search with its area, party, dates, results, and whether it got a click."""
    first = ("query_checkin", "query_num_guests", "query_center_lat", "query_center_lng")
    searches = impressions.group_by("market", "id_search").agg(
        pl.col(*first).first(),
        results=pl.len(),
        is_clicked=(pl.col("stage") >= int(CLICKED)).any(),
        is_booked=(pl.col("stage") >= int(BOOKED)).any(),
    )
    return _areas_lazy(searches, "query_center_lat", "query_center_lng")


def _areas(frame: pl.DataFrame, lat: str, lng: str) -> pl.DataFrame:
    return _areas_lazy(frame.lazy(), lat, lng).collect()


def _areas_lazy(frame: pl.LazyFrame, lat: str, lng: str) -> pl.LazyFrame:
    """The middle of the cell that a place lies in."""
    return frame.with_columns(
        ((pl.col(column) / AREA_DEGREES).floor() * AREA_DEGREES + AREA_DEGREES / 2)
        .round(4)
        .alias(name)
        for column, name in ((lat, "area_lat"), (lng, "area_lng"))
    )


def _band(column: str) -> pl.Expr:
    """``1-2``, ``3-4`` and ``5+`` guests."""
    low, high = CAPACITY_BANDS
    number = pl.col(column)
    return (
        pl.when(number.is_null())
        .then(pl.lit("unknown"))
        .when(number < low)
        .then(pl.lit(f"1-{low - 1}"))
        .when(number < high)
        .then(pl.lit(f"{low}-{high - 1}"))
        .otherwise(pl.lit(f"{high}+"))
    )
