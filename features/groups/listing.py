"""What the listing is: price, size, ratings, bounds and categories, as of the search."""

from __future__ import annotations

import polars as pl

from features.definitions.definition import defined
from features.formulas.nightly_price import nightly_price
from features.formulas.ratios import ratio

__all__ = ["DEFINITIONS", "SUB_RATINGS"]

SUB_RATINGS = tuple(
    f"listing_{of}_rating"
    for of in ("location", "cleanliness", "checkin", "value", "communication", "accuracy")
)

_UNRATED = "no rating yet"
_BOOKINGS_WINDOW_DAYS = 90

_PRICE = pl.col("listing_nightly_price")
_CAPACITY = pl.col("listing_person_capacity")
_RATING = pl.col("listing_review_rating")

_DERIVED = (
    defined(
        "listing_nightly_price",
        "nightly price before discounts, recovered from the total price, the cleaning fee "
        "and the weekly or monthly factor",
        nightly_price,
        unit="price per night",
        null="price unknown, or not above the fee",
    ),
    defined(
        "listing_price_per_guest",
        "nightly price per guest of the capacity",
        _PRICE / _CAPACITY,
        unit="price per night",
    ),
    defined(
        "listing_price_per_bedroom",
        "nightly price per bedroom, a studio counting as one",
        _PRICE / pl.col("listing_num_bedrooms").clip(1),
        unit="price per night",
    ),
    defined(
        "listing_cleaning_fee_share",
        "cleaning fee as a share of the total price",
        ratio(pl.col("listing_cleaning_fee"), pl.col("listing_total_price")),
        unit="share",
        null="price unknown or no fee stated",
    ),
    defined(
        "listing_beds_per_guest",
        "beds per guest of the capacity",
        pl.col("listing_num_beds") / _CAPACITY,
        unit="beds",
    ),
    defined(
        "listing_bathrooms_per_guest",
        "bathrooms per guest of the capacity",
        pl.col("listing_num_bathrooms") / _CAPACITY,
        unit="bathrooms",
    ),
    defined(
        "listing_sub_rating_spread",
        "best less worst of the six sub-ratings",
        pl.max_horizontal(*SUB_RATINGS) - pl.min_horizontal(*SUB_RATINGS),
        unit="stars",
        null=_UNRATED,
    ),
    defined(
        "listing_value_gap",
        "value rating less overall rating: how cheap guests found it",
        pl.col("listing_value_rating") - _RATING,
        unit="stars",
        null=_UNRATED,
    ),
    defined(
        "listing_location_gap",
        "location rating less overall rating",
        pl.col("listing_location_rating") - _RATING,
        unit="stars",
        null=_UNRATED,
    ),
    defined(
        "listing_bookings_per_day",
        "bookings per day over the last 90 days",
        pl.col("listing_num_books_90day") * (1 / _BOOKINGS_WINDOW_DAYS),
        unit="bookings per day",
    ),
)

_GIVEN = (
    defined("listing_total_price", "price of the whole stay", unit="price", null="price not shown"),
    defined("listing_cleaning_fee", "cleaning fee", unit="price per stay", null="no fee stated"),
    defined(
        "listing_weekly_price_factor",
        "multiple of the nightly price from 7 nights on",
        null="not given",
    ),
    defined(
        "listing_monthly_price_factor",
        "multiple of the nightly price from 28 nights on",
        null="not given",
    ),
    defined("listing_weekly_discount", "gives a weekly discount", null="not given", kind="boolean"),
    defined(
        "listing_monthly_discount", "gives a monthly discount", null="not given", kind="boolean"
    ),
    defined("listing_lat", "latitude of the listing", unit="degrees", null="not given"),
    defined("listing_lng", "longitude of the listing", unit="degrees", null="not given"),
    defined("listing_review_rating", "mean guest rating", unit="stars", null=_UNRATED),
    defined("listing_review_count", "number of reviews", unit="reviews", null="not given"),
    *(
        defined(
            name,
            f"mean guest rating of {name.split('_')[1]}",
            unit="stars",
            null=_UNRATED,
        )
        for name in SUB_RATINGS
    ),
    defined("listing_property_type", "property type", null="not given", kind="category"),
    defined("listing_room_type", "room type", null="not given", kind="category"),
    defined("listing_num_beds", "number of beds", unit="beds", null="not given"),
    defined("listing_num_bedrooms", "number of bedrooms", unit="bedrooms", null="not given"),
    defined("listing_num_bathrooms", "number of bathrooms", unit="bathrooms", null="not given"),
    defined(
        "listing_person_capacity",
        "most guests that the host allows",
        unit="guests",
        null="not given",
    ),
    defined(
        "listing_has_pro_pictures", "has professional photos", null="not given", kind="boolean"
    ),
    defined(
        "listing_is_new", "has no reviews and no bookings yet", null="not given", kind="boolean"
    ),
    defined(
        "listing_instant_bookable",
        "bookable without asking the host",
        null="not given",
        kind="boolean",
    ),
    defined(
        "listing_num_recent_reservations",
        "recent reservations",
        unit="reservations",
        null="not given",
    ),
    defined(
        "listing_num_books_90day", "bookings in the last 90 days", unit="bookings", null="not given"
    ),
    defined("listing_occupancy_rate", "share of nights booked", unit="share", null="not given"),
    defined(
        "listing_minimum_nights",
        "fewest nights that the host takes",
        unit="nights",
        null="not given",
    ),
    defined(
        "listing_maximum_nights", "most nights that the host takes", unit="nights", null="no limit"
    ),
)

DEFINITIONS = (*_DERIVED, *_GIVEN)
