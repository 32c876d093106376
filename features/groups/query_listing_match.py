"""How the listing matches the query: size, nights, price filter, place."""

from __future__ import annotations

import polars as pl

from features.definitions.definition import defined
from features.formulas.geo import distance_km
from features.formulas.ratios import ratio

__all__ = ["DEFINITIONS"]

_NO_DATES = "a dateless search, or no bound given"
_NO_FILTER = "no such filter, or price unknown"

_PARTY, _CAPACITY = pl.col("query_num_guests"), pl.col("listing_person_capacity")
_PRICE, _DISTANCE = pl.col("listing_nightly_price"), pl.col("fit_distance_km")
_CENTER = pl.col("query_center_lat"), pl.col("query_center_lng")
_PLACE = pl.col("listing_lat"), pl.col("listing_lng")
_RADIUS, _MAXIMUM = pl.col("query_radius"), pl.col("listing_maximum_nights")
_NIGHTS = pl.col("checkout_day") - pl.col("checkin_day")
_ABOVE_MINIMUM = _NIGHTS - pl.col("listing_minimum_nights")

DEFINITIONS = (
    defined(
        "fit_spare_capacity",
        "capacity less party",
        _CAPACITY - _PARTY,
        unit="guests",
    ),
    defined(
        "fit_party_share_of_capacity",
        "party as a share of capacity",
        _PARTY / _CAPACITY,
        unit="share",
    ),
    defined(
        "fit_spare_beds",
        "beds less party",
        pl.col("listing_num_beds") - _PARTY,
        unit="beds",
    ),
    defined(
        "fit_price_per_searching_guest",
        "nightly price per guest of the party",
        _PRICE / _PARTY,
        unit="price per night",
    ),
    defined(
        "fit_nights_above_minimum",
        "searched nights less the fewest that the host takes",
        _ABOVE_MINIMUM,
        unit="nights",
        null=_NO_DATES,
    ),
    defined(
        "fit_nights_below_maximum",
        "most nights that the host takes less the searched ones",
        _MAXIMUM - _NIGHTS,
        unit="nights",
        null="a dateless search, or no limit",
    ),
    defined(
        "fit_is_within_nights",
        "the host takes a stay of the searched length",
        (_ABOVE_MINIMUM >= 0) & ((_NIGHTS <= _MAXIMUM) | _MAXIMUM.is_null()),
        kind="boolean",
        null="a dateless search, or minimum not given",
    ),
    defined(
        "fit_price_to_filter_max",
        "nightly price as a multiple of the filter's upper bound",
        ratio(_PRICE, pl.col("query_price_max")),
        unit="ratio",
        null=_NO_FILTER,
    ),
    defined(
        "fit_price_above_filter_min",
        "nightly price less the filter's lower bound",
        _PRICE - pl.col("query_price_min"),
        unit="price per night",
        null=_NO_FILTER,
    ),
    defined(
        "fit_distance_km",
        "distance from the searched centre to the listing",
        distance_km(*_CENTER, *_PLACE),
        unit="km",
        null="a coordinate is unknown",
    ),
    defined(
        "fit_distance_to_radius",
        "that distance as a multiple of the searched radius",
        ratio(_DISTANCE, _RADIUS),
        unit="ratio",
        null="a coordinate is unknown, or no map bound",
    ),
    defined(
        "fit_is_inside_radius",
        "the listing lies within the searched radius",
        _DISTANCE <= _RADIUS,
        kind="boolean",
        null="a coordinate is unknown, or no map bound",
    ),
)
