"""How the listing matches the query: size, nights, price filter, place."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from features.formulas.feature_declaration import feature, grouped, with_wanted
from features.formulas.geo import distance_km
from features.formulas.ratios import ratio

__all__ = ["FEATURES", "query_listing_match_features"]

_PARTY = ("query_num_guests", "listing_person_capacity")
_STAY = ("checkin_day", "checkout_day")
_PRICE = ("listing_total_price",)
_PLACE = ("listing_lat", "listing_lng", "query_center_lat", "query_center_lng")
_NO_DATES = "a dateless search, or no bound given"
_NO_FILTER = "no such filter, or price unknown"

FEATURES = grouped(
    "fit",
    (
        feature("fit_spare_capacity", "capacity less party", _PARTY, unit="guests"),
        feature(
            "fit_party_share_of_capacity", "party as a share of capacity", _PARTY, unit="share"
        ),
        feature(
            "fit_spare_beds",
            "beds less party",
            ("query_num_guests", "listing_num_beds"),
            unit="beds",
        ),
        feature(
            "fit_price_per_searching_guest",
            "nightly price per guest of the party",
            (*_PRICE, "query_num_guests"),
            unit="price per night",
        ),
        feature(
            "fit_nights_above_minimum",
            "searched nights less the fewest that the host takes",
            (*_STAY, "listing_minimum_nights"),
            unit="nights",
            null=_NO_DATES,
        ),
        feature(
            "fit_nights_below_maximum",
            "most nights that the host takes less the searched ones",
            (*_STAY, "listing_maximum_nights"),
            unit="nights",
            null="a dateless search, or no limit",
        ),
        feature(
            "fit_is_within_nights",
            "the host takes a stay of the searched length",
            (*_STAY, "listing_minimum_nights", "listing_maximum_nights"),
            kind="boolean",
            null="a dateless search, or minimum not given",
        ),
        feature(
            "fit_price_to_filter_max",
            "nightly price as a multiple of the filter's upper bound",
            (*_PRICE, "query_price_max"),
            unit="ratio",
            null=_NO_FILTER,
        ),
        feature(
            "fit_price_above_filter_min",
            "nightly price less the filter's lower bound",
            (*_PRICE, "query_price_min"),
            unit="price per night",
            null=_NO_FILTER,
        ),
        feature(
            "fit_distance_km",
            "distance from the searched centre to the listing",
            _PLACE,
            unit="km",
            null="a coordinate is unknown",
        ),
        feature(
            "fit_distance_to_radius",
            "that distance as a multiple of the searched radius",
            (*_PLACE, "query_radius"),
            unit="ratio",
            null="a coordinate is unknown, or no map bound",
        ),
        feature(
            "fit_is_inside_radius",
            "the listing lies within the searched radius",
            (*_PLACE, "query_radius"),
            kind="boolean",
            null="a coordinate is unknown, or no map bound",
        ),
    ),
)


def query_listing_match_features(
    rows: nw.LazyFrame[Any], wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """One impression per row, with ``listing_nightly_price``, in; with the wanted features out."""
    if set(_PLACE) <= set(rows.collect_schema().names()):
        center = nw.col("query_center_lat"), nw.col("query_center_lng")
        place = nw.col("listing_lat"), nw.col("listing_lng")
        rows = rows.with_columns(fit_distance_km=distance_km(*center, *place))
    return with_wanted(rows, _expressions(), wanted)


def _expressions() -> dict[str, nw.Expr]:
    party, capacity = nw.col("query_num_guests"), nw.col("listing_person_capacity")
    price, distance = nw.col("listing_nightly_price"), nw.col("fit_distance_km")
    radius, most = nw.col("query_radius"), nw.col("listing_maximum_nights")
    stay = nw.col("checkout_day") - nw.col("checkin_day")
    above = stay - nw.col("listing_minimum_nights")
    return {
        "fit_spare_capacity": capacity - party,
        "fit_party_share_of_capacity": party / capacity,
        "fit_spare_beds": nw.col("listing_num_beds") - party,
        "fit_price_per_searching_guest": price / party,
        "fit_nights_above_minimum": above,
        "fit_nights_below_maximum": most - stay,
        "fit_is_within_nights": (above >= 0) & ((stay <= most) | most.is_null()),
        "fit_price_to_filter_max": ratio(price, nw.col("query_price_max")),
        "fit_price_above_filter_min": price - nw.col("query_price_min"),
        "fit_distance_to_radius": ratio(distance, radius),
        "fit_is_inside_radius": distance <= radius,
    }
