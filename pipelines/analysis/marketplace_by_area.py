"""The marketplace by named neighbourhood: unmet demand, hosts to recruit, prices to talk about.

The tables of :mod:`pipelines.analysis.marketplace` have cells of about 2 km; here cells of one
neighbourhood are one row. Searches of a whole city are of no neighbourhood and left out.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data.simulator.area_names import area_name
from pipelines.analysis.marketplace import hosts_to_recruit, price_guidance, unmet_demand

__all__ = [
    "hosts_by_area",
    "prices_by_area",
    "searches_of_areas",
    "tells_demand",
    "tells_supply",
    "unmet_by_area",
    "with_areas",
]

# A circle wider than this holds several neighbourhoods.
AREA_RADIUS_KM = 8.0
# Nightly price over the median of comparable stays.
DEAR, CHEAP = 1.25, 0.8
# As the tables name a party, or a listing's size, that the log does not tell.
UNKNOWN = "unknown"
DEMAND_COLUMNS = {
    "query_center_lat",
    "query_center_lng",
    "query_checkin",
    "query_num_guests",
    "id_search",
}
SUPPLY_COLUMNS = {
    "listing_lat",
    "listing_lng",
    "listing_room_type",
    "listing_person_capacity",
}


def searches_of_areas(impressions: pl.LazyFrame) -> pl.LazyFrame:
    """The impressions of searches around a place smaller than a city, as far as the log tells."""
    names = impressions.collect_schema().names()
    located = pl.col("query_center_lat").is_not_null() & pl.col("query_center_lng").is_not_null()
    if "query_radius" not in names:
        return impressions.filter(located)
    radius = pl.col("query_radius")
    return impressions.filter(located & (radius.is_null() | (radius <= AREA_RADIUS_KM)))


def unmet_by_area(impressions: pl.LazyFrame) -> pl.DataFrame:
    """Searches that found nothing to click on, by neighbourhood and week of check-in.

    One row per market, ``area`` and ``week`` (a Monday): ``searches``, ``click_rate`` (share with
    a click, drawn towards the market's), ``market_rate``, and ``unmet``: searches without a click
    above what the market's own rate would leave, the most first.
    """
    cells = with_areas(unmet_demand(searches_of_areas(impressions)))
    searches = pl.col("searches")
    return (
        cells.group_by("market", "area", "week")
        .agg(
            click_rate=(pl.col("click_rate") * searches).sum() / searches.sum(),
            market_rate=pl.col("market_rate").first(),
            unmet=pl.col("unmet").sum(),
            searches=searches.sum(),
        )
        .sort("unmet", "searches", "area", descending=[True, True, False])
    )


def hosts_by_area(impressions: pl.LazyFrame, listings: pl.DataFrame) -> pl.DataFrame:
    """Where searches outnumber the listings that could take them, by neighbourhood and party.

    One row per market, ``area`` and ``capacity`` (guests): ``searches``, ``listings``,
    ``usual`` (searches per listing of such capacity in the market), and ``wanted``: how many
    more listings would bring the area there, the most first.
    """
    cells = with_areas(hosts_to_recruit(searches_of_areas(impressions), listings))
    return (
        cells.filter(pl.col("capacity") != UNKNOWN)
        .group_by("market", "area", "capacity")
        .agg(
            searches=pl.col("searches").sum(),
            listings=pl.col("listings").sum(),
            usual=pl.col("usual").first(),
        )
        .with_columns(
            wanted=(pl.col("searches") / pl.col("usual") - pl.col("listings")).clip(0).round(0)
        )
        .sort("wanted", "searches", "area", descending=[True, True, False])
    )


def prices_by_area(listings: pl.DataFrame) -> pl.DataFrame:
    """Listings dearer and cheaper than comparable stays, by neighbourhood.

    One row per market and ``area``: ``listings`` that have comparable ones, ``dear`` (nightly
    price at least 1.25 times their median), ``cheap`` (below 0.8 times), and the mean click rates
    ``dear_click_rate`` and ``comparable_click_rate`` of the dear ones and of what they are
    compared with; the most dear ones first.
    """
    guidance = with_areas(price_guidance(listings))
    ratio = pl.col("price_ratio")
    is_dear = ratio >= DEAR
    return (
        guidance.group_by("market", "area")
        .agg(
            listings=pl.len(),
            dear=is_dear.sum(),
            cheap=(ratio < CHEAP).sum(),
            dear_click_rate=pl.col("click_rate").filter(is_dear).mean(),
            comparable_click_rate=pl.col("comparable_click_rate").filter(is_dear).mean(),
        )
        .sort("dear", "listings", "area", descending=[True, True, False])
    )


def with_areas(cells: pl.DataFrame) -> pl.DataFrame:
    """The rows with ``area``: the neighbourhood of ``area_lat`` and ``area_lng``.

    Where no neighbourhood is known near, such as in cities of which none are, it is
    ``around 38.71, -9.14``; without coordinates ``place not known``.
    """
    key = ["market", "area_lat", "area_lng"]
    places = cells.select(key).unique()
    names = [_name_of(market, lat, lng) for market, lat, lng in places.iter_rows()]
    named = places.with_columns(area=pl.Series(names, dtype=pl.String))
    # a listing without coordinates has a null cell, which is one place too
    return cells.join(
        named, on=key, how="left", validate="m:1", maintain_order="left", nulls_equal=True
    )


def _name_of(market: str, lat: float | None, lng: float | None) -> str:
    if lat is None or lng is None:
        return "place not known"
    return area_name(market, lat, lng) or f"around {lat:.2f}, {lng:.2f}"


def tells_demand(columns: Collection[str]) -> bool:
    """Whether a log says where and when guests want to stay."""
    return set(columns) >= DEMAND_COLUMNS


def tells_supply(columns: Collection[str]) -> bool:
    """Whether a log says where and how large listings are."""
    return set(columns) >= SUPPLY_COLUMNS
