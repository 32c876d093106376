"""The table of impressions: who searched, what for, what was shown, and what came of it.

Every column with its unit, its meaning, the meaning of null, and the bounds of a sound
value. On why times are stored twice see ``data/schema/tables.py``.
"""

from __future__ import annotations

from data.schema.types import Column, Kind, Table

__all__ = ["CARRIED", "IDENTITY", "IMPRESSIONS", "LINEAGE", "OUTCOME"]

_NOT_GIVEN = "not given"
_DATELESS = "a dateless search"
_DAYS = "days since 1970"

Bounds = tuple[float, float]


def _count(name: str, meaning: str, unit: str, bounds: Bounds, null: str = _NOT_GIVEN) -> Column:
    low, high = bounds
    return Column(
        name=name, kind=Kind.COUNT, unit=unit, meaning=meaning, null=null, low=low, high=high
    )


def _number(name: str, meaning: str, unit: str, bounds: Bounds, null: str = _NOT_GIVEN) -> Column:
    low, high = bounds
    return Column(
        name=name, kind=Kind.NUMBER, unit=unit, meaning=meaning, null=null, low=low, high=high
    )


def _price(name: str, meaning: str, unit: str, null: str) -> Column:
    return _number(name, meaning, unit, (0, 1e9), null)


def _rating(name: str, meaning: str) -> Column:
    return _number(name, meaning, "stars", (1, 5), "no rating yet (new listings)")


def _latitude(name: str, meaning: str) -> Column:
    return _number(name, meaning, "degrees", (-90, 90))


def _longitude(name: str, meaning: str) -> Column:
    return _number(name, meaning, "degrees", (-180, 180))


def _flag(name: str, meaning: str) -> Column:
    return Column(name=name, kind=Kind.BOOLEAN, meaning=meaning, null=_NOT_GIVEN)


def _category(name: str, meaning: str) -> Column:
    return Column(name=name, kind=Kind.CATEGORY, meaning=meaning, null=_NOT_GIVEN)


def _date(name: str, meaning: str, null: str) -> Column:
    return Column(name=name, kind=Kind.DATE, meaning=meaning, null=null)


def _day(name: str, meaning: str, null: str | None = None) -> Column:
    return Column(name=name, kind=Kind.DAY, unit=_DAYS, meaning=meaning, null=null)


IDENTITY = (
    Column(name="id_search", kind=Kind.ID, meaning="the search"),
    Column(name="id_listing", kind=Kind.ID, meaning="the listing"),
    Column(
        name="id_user", kind=Kind.ID, meaning="the searching guest", null="a guest without history"
    ),
    Column(name="market", kind=Kind.CATEGORY, meaning="slug of the market, such as sao_paulo"),
    Column(name="ds_search", kind=Kind.DATE, meaning="local date of the search"),
    Column(
        name="search_s",
        kind=Kind.SECOND,
        unit="seconds since 1970",
        meaning="time of the search: UTC where the log tells offsets from it, else local clock; "
        "what came first, and how long ago",
    ),
    Column(
        name="local_s",
        kind=Kind.SECOND,
        unit="seconds since 1970, local clock",
        meaning="the same as the market's clock showed it; hours of the day",
        null="the log tells no instants, and search_s is the local clock",
    ),
    _day("search_day", "day of the search"),
)

OUTCOME = (
    Column(
        name="stage",
        kind=Kind.STAGE,
        meaning="furthest action: 0 impressed, 1 clicked, 2 contacted, 3 booked",
    ),
    _day(
        "contact_day",
        "day on which the host was contacted; known from the day after",
        "not contacted",
    ),
    _day("book_day", "day of the booking; known from the day after", "not booked"),
    *(
        Column(
            name=name,
            kind=Kind.SECOND,
            unit="seconds since 1970, UTC",
            meaning=f"last second before the {outcome} counts as known: the end of its day by "
            "the market's clock",
            null=f"{nothing}, or the log tells no instants",
        )
        for name, outcome, nothing in (
            ("contact_known_s", "contact", "not contacted"),
            ("book_known_s", "booking", "not booked"),
        )
    ),
)

# What the features table repeats of an impression beside its features: enough to
# train, split and evaluate without joining the impressions again. Never an input.
CARRIED: tuple[str, ...] = tuple(c.name for c in (*IDENTITY, *OUTCOME))

_PEOPLE = 10_000

_QUERY = (
    _date("query_checkin", "searched first night", _DATELESS),
    _date("query_checkout", "searched day of departure", _DATELESS),
    _day("checkin_day", "searched first night", _DATELESS),
    _day("checkout_day", "searched day of departure", _DATELESS),
    _count("query_num_guests", "adults and children who sleep there", "guests", (1, _PEOPLE)),
    _count("query_num_children", "children among the guests", "guests", (0, _PEOPLE)),
    _count("query_num_infants", "infants, who need no bed", "guests", (0, _PEOPLE)),
    _number("query_radius", "half the size of the searched map", "km", (0, 25_000), "no map bound"),
    _price(
        "query_price_min", "lower bound of the price filter", "price per night", "no lower bound"
    ),
    _price(
        "query_price_max", "upper bound of the price filter", "price per night", "no upper bound"
    ),
    _latitude("query_center_lat", "latitude of the searched centre"),
    _longitude("query_center_lng", "longitude of the searched centre"),
)

_LISTING = (
    _flag("listing_is_new", "no reviews and no bookings yet"),
    _price(
        "listing_total_price",
        "price of the whole stay for the searched dates (one night when dateless)",
        "price",
        "price not shown",
    ),
    _flag("listing_instant_bookable", "can be booked without contacting the host"),
    _latitude("listing_lat", "latitude of the listing"),
    _longitude("listing_lng", "longitude of the listing"),
    _rating("listing_review_rating", "mean guest rating"),
    _count("listing_review_count", "number of reviews", "reviews", (0, 1_000_000)),
    _category(
        "listing_property_type", "property type id, a category even where it looks like a number"
    ),
    _category("listing_room_type", "entire_home, private_room, shared_room or hotel_room"),
    _number("listing_num_beds", "number of beds", "beds", (0, 1_000)),
    _number("listing_num_bedrooms", "number of bedrooms", "bedrooms", (0, 1_000)),
    _number(
        "listing_num_bathrooms", "number of bathrooms, halves allowed", "bathrooms", (0, 1_000)
    ),
    _count("listing_person_capacity", "most guests that the host allows", "guests", (1, _PEOPLE)),
    _flag("listing_has_pro_pictures", "has professional photos"),
    _count(
        "listing_num_recent_reservations",
        "recent reservations, as of the search",
        "reservations",
        (0, 1_000_000),
    ),
    _rating("listing_location_rating", "mean guest rating of location"),
    _rating("listing_cleanliness_rating", "mean guest rating of cleanliness"),
    _rating("listing_checkin_rating", "mean guest rating of checkin"),
    _rating("listing_value_rating", "mean guest rating of value"),
    _rating("listing_communication_rating", "mean guest rating of communication"),
    _rating("listing_accuracy_rating", "mean guest rating of accuracy"),
    _count(
        "listing_num_books_90day",
        "bookings in the last 90 days, as of the search",
        "bookings",
        (0, 1_000_000),
    ),
    _number("listing_occupancy_rate", "share of nights booked", "share of nights", (0, 1)),
    _flag("listing_monthly_discount", "the host gives a monthly discount"),
    _flag("listing_weekly_discount", "the host gives a weekly discount"),
    _price(
        "listing_cleaning_fee",
        "cleaning fee, part of the total price",
        "price per stay",
        "no fee stated",
    ),
    _number(
        "listing_monthly_price_factor",
        "multiplies the nightly price from 28 nights on",
        "multiple of the nightly price",
        (0.01, 10),
        "no factor stated",
    ),
    _number(
        "listing_weekly_price_factor",
        "multiplies the nightly price from 7 nights on",
        "multiple of the nightly price",
        (0.01, 10),
        "no factor stated",
    ),
    _count("listing_minimum_nights", "fewest nights that the host takes", "nights", (0, 100_000)),
    _count(
        "listing_maximum_nights",
        "most nights that the host takes",
        "nights",
        (1, 100_000),
        "no limit (999999999 in a log means the same)",
    ),
)

_EXPOSURE = (
    _count(
        "position",
        "place in the results, 1 at the top; for analysis and debiasing, never an input",
        "",
        (1, 100_000),
    ),
    _flag("is_random_order", "the results were shown in random order"),
    _number(
        "propensity", "probability that this listing was shown in this place", "probability", (0, 1)
    ),
)

LINEAGE = (
    Column(
        name="source_id",
        kind=Kind.ID,
        meaning="first 16 hex digits of the SHA-256 of the file this row came from",
    ),
    Column(
        name="source_line",
        kind=Kind.SECOND,
        meaning="line in that file, the header being line 1 (Parquet: row number from 1)",
    ),
    Column(
        name="source_item",
        kind=Kind.COUNT,
        meaning="place in the list of that line, from 1, where a line holds several listings",
        null="the line is one row, or no rows could be made of its list",
        low=1,
    ),
)

IMPRESSIONS = Table(
    name="impressions",
    row="one listing shown in one search, typed and clean, with its furthest action",
    key=("id_search", "id_listing"),
    partition_by=("market", "ds_search"),
    columns=(
        *IDENTITY,
        Column(name="ts_search", kind=Kind.TIME, meaning="local time of the search"),
        *OUTCOME,
        _date("ds_contact", "date on which the host was contacted", "not contacted"),
        _date("ds_book", "date of the booking", "not booked"),
        *_QUERY,
        *_LISTING,
        *_EXPOSURE,
        *LINEAGE,
    ),
    open_ended="extra columns of a source mapping, prefixed x_",
)
