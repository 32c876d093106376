"""What the listing is: price, size, ratings, bounds and categories, as of the search."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from data.schema.feature_set import Feature
from features.formulas.feature_declaration import feature, grouped, with_wanted
from features.formulas.nightly_price import nightly_price
from features.formulas.ratios import ratio

__all__ = ["FEATURES", "SUB_RATINGS", "listing_features"]

SUB_RATINGS = tuple(
    f"listing_{of}_rating"
    for of in ("location", "cleanliness", "checkin", "value", "communication", "accuracy")
)

_PRICE = ("listing_total_price",)
_UNRATED = "no rating yet"
_BOOKINGS_WINDOW_DAYS = 90

_DERIVED = (
    feature(
        "listing_nightly_price",
        "nightly price before discounts, recovered from the total price, the cleaning fee "
        "and the weekly or monthly factor",
        _PRICE,
        unit="price per night",
        null="price unknown, or not above the fee",
    ),
    feature(
        "listing_price_per_guest",
        "nightly price per guest of the capacity",
        (*_PRICE, "listing_person_capacity"),
        unit="price per night",
    ),
    feature(
        "listing_price_per_bedroom",
        "nightly price per bedroom, a studio counting as one",
        (*_PRICE, "listing_num_bedrooms"),
        unit="price per night",
    ),
    feature(
        "listing_cleaning_fee_share",
        "cleaning fee as a share of the total price",
        (*_PRICE, "listing_cleaning_fee"),
        unit="share",
        null="price unknown or no fee stated",
    ),
    feature(
        "listing_beds_per_guest",
        "beds per guest of the capacity",
        ("listing_num_beds", "listing_person_capacity"),
        unit="beds",
    ),
    feature(
        "listing_bathrooms_per_guest",
        "bathrooms per guest of the capacity",
        ("listing_num_bathrooms", "listing_person_capacity"),
        unit="bathrooms",
    ),
    feature(
        "listing_sub_rating_spread",
        "best less worst of the six sub-ratings",
        SUB_RATINGS,
        unit="stars",
        null=_UNRATED,
    ),
    feature(
        "listing_value_gap",
        "value rating less overall rating: how cheap guests found it",
        ("listing_value_rating", "listing_review_rating"),
        unit="stars",
        null=_UNRATED,
    ),
    feature(
        "listing_location_gap",
        "location rating less overall rating",
        ("listing_location_rating", "listing_review_rating"),
        unit="stars",
        null=_UNRATED,
    ),
    feature(
        "listing_bookings_per_day",
        "bookings per day over the last 90 days",
        ("listing_num_books_90day",),
        unit="bookings per day",
    ),
)


def _as_given(
    name: str, meaning: str, unit: str = "", null: str = "not given", kind: Any = "number"
) -> Feature:
    return feature(name, meaning, (name,), unit=unit, null=null, kind=kind)


_GIVEN = (
    _as_given("listing_total_price", "price of the whole stay", "price", "price not shown"),
    _as_given("listing_cleaning_fee", "cleaning fee", "price per stay", "no fee stated"),
    _as_given("listing_weekly_price_factor", "multiple of the nightly price from 7 nights on"),
    _as_given("listing_monthly_price_factor", "multiple of the nightly price from 28 nights on"),
    _as_given("listing_weekly_discount", "gives a weekly discount", kind="boolean"),
    _as_given("listing_monthly_discount", "gives a monthly discount", kind="boolean"),
    _as_given("listing_lat", "latitude of the listing", "degrees"),
    _as_given("listing_lng", "longitude of the listing", "degrees"),
    _as_given("listing_review_rating", "mean guest rating", "stars", _UNRATED),
    _as_given("listing_review_count", "number of reviews", "reviews"),
    *(
        _as_given(name, f"mean guest rating of {name.split('_')[1]}", "stars", _UNRATED)
        for name in SUB_RATINGS
    ),
    _as_given("listing_property_type", "property type", kind="category"),
    _as_given("listing_room_type", "room type", kind="category"),
    _as_given("listing_num_beds", "number of beds", "beds"),
    _as_given("listing_num_bedrooms", "number of bedrooms", "bedrooms"),
    _as_given("listing_num_bathrooms", "number of bathrooms", "bathrooms"),
    _as_given("listing_person_capacity", "most guests that the host allows", "guests"),
    _as_given("listing_has_pro_pictures", "has professional photos", kind="boolean"),
    _as_given("listing_is_new", "has no reviews and no bookings yet", kind="boolean"),
    _as_given("listing_instant_bookable", "bookable without asking the host", kind="boolean"),
    _as_given("listing_num_recent_reservations", "recent reservations", "reservations"),
    _as_given("listing_num_books_90day", "bookings in the last 90 days", "bookings"),
    _as_given("listing_occupancy_rate", "share of nights booked", "share"),
    _as_given("listing_minimum_nights", "fewest nights that the host takes", "nights"),
    _as_given("listing_maximum_nights", "most nights that the host takes", "nights", "no limit"),
)

FEATURES = grouped("listing", (*_DERIVED, *_GIVEN))


def listing_features(rows: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """One impression per row in, the same with the wanted features out."""
    columns = rows.collect_schema().names()
    if "listing_total_price" in columns:
        rows = rows.with_columns(listing_nightly_price=nightly_price(columns))
    return with_wanted(rows, _expressions(), wanted)


def _expressions() -> dict[str, nw.Expr]:
    price = nw.col("listing_nightly_price")
    capacity = nw.col("listing_person_capacity")
    rating = nw.col("listing_review_rating")
    best, worst = nw.max_horizontal(*SUB_RATINGS), nw.min_horizontal(*SUB_RATINGS)
    return {
        "listing_price_per_guest": price / capacity,
        "listing_price_per_bedroom": price / nw.col("listing_num_bedrooms").clip(1),
        "listing_cleaning_fee_share": ratio(
            nw.col("listing_cleaning_fee"), nw.col("listing_total_price")
        ),
        "listing_beds_per_guest": nw.col("listing_num_beds") / capacity,
        "listing_bathrooms_per_guest": nw.col("listing_num_bathrooms") / capacity,
        "listing_sub_rating_spread": best - worst,
        "listing_value_gap": nw.col("listing_value_rating") - rating,
        "listing_location_gap": nw.col("listing_location_rating") - rating,
        "listing_bookings_per_day": nw.col("listing_num_books_90day") * (1 / _BOOKINGS_WINDOW_DAYS),
    }
