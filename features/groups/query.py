"""The query: dates, party, filters, map and moment of the search.

Constant within a search, so it is computed once per search.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data.schema.time import DAY_S, HOUR_S
from features.definitions.definition import NEVER_NULL, defined, hidden
from features.formulas.calendar import CalendarLookup

__all__ = ["DEFINITIONS", "INPUTS"]

_DATELESS = "a dateless search"
_NOT_BRAZIL = "a dateless search, or a market or year outside the calendar"
_NO_FILTER = "no such filter"

_CHECKIN, _CHECKOUT = pl.col("checkin_day"), pl.col("checkout_day")
_LOW, _HIGH = pl.col("query_price_min"), pl.col("query_price_max")
_THURSDAY = 3  # 1970-01-01 was a Thursday


def _weekday(day: pl.Expr) -> pl.Expr:
    return (day + _THURSDAY) % 7


def _weekend_nights_before(day: pl.Expr) -> pl.Expr:
    # Whole weeks hold two each (Friday, Saturday), then those of the week begun.
    from_monday = day + _THURSDAY
    return from_monday // 7 * 2 + (from_monday % 7 - 4).clip(0, 2)


INPUTS = tuple(
    hidden(f"_{what}_before_{day}", CalendarLookup(column=f"_{what}_before", day=f"{day}_day"))
    for what in ("holidays", "carnival")
    for day in ("checkin", "checkout")
)
"""Days of a kind before check-in and before check-out: their difference is those of the stay."""


def _hour_of_the_search(columns: Collection[str]) -> pl.Expr:
    """By the market's own clock: a log without instants counts ``search_s`` on it."""
    clock = "local_s" if "local_s" in columns else "search_s"
    return pl.col(clock) % DAY_S // HOUR_S


DEFINITIONS = (
    defined(
        "query_nights",
        "nights of the searched stay",
        _CHECKOUT - _CHECKIN,
        unit="nights",
        null=_DATELESS,
    ),
    defined(
        "query_lead_time_days",
        "days from the search to check-in",
        _CHECKIN - pl.col("search_day"),
        unit="days",
        null=_DATELESS,
    ),
    defined(
        "query_is_dateless",
        "the search gives no dates",
        _CHECKIN.is_null() | _CHECKOUT.is_null(),
        kind="boolean",
        null=NEVER_NULL,
    ),
    defined(
        "query_checkin_weekday",
        "weekday of check-in, 0 is Monday",
        _weekday(_CHECKIN),
        null=_DATELESS,
    ),
    defined(
        "query_checkin_month",
        "month of check-in, 1 to 12",
        CalendarLookup(column="_month", day="checkin_day"),
        null=_NOT_BRAZIL,
    ),
    defined(
        "query_weekend_nights",
        "nights of the stay that begin on a Friday or Saturday",
        _weekend_nights_before(_CHECKOUT) - _weekend_nights_before(_CHECKIN),
        unit="nights",
        null=_DATELESS,
    ),
    defined(
        "query_stay_holidays",
        "public holidays of the market's state among the nights of the stay",
        pl.col("_holidays_before_checkout") - pl.col("_holidays_before_checkin"),
        unit="days",
        null=_NOT_BRAZIL,
    ),
    defined(
        "query_carnival_nights",
        "nights of the stay from Carnival Saturday to Shrove Tuesday",
        pl.col("_carnival_before_checkout") - pl.col("_carnival_before_checkin"),
        unit="nights",
        null=_NOT_BRAZIL,
    ),
    defined(
        "query_search_hour",
        "hour of the search, 0 to 23",
        _hour_of_the_search,
        unit="hours",
        null=NEVER_NULL,
    ),
    defined(
        "query_search_weekday",
        "weekday of the search, 0 is Monday",
        _weekday(pl.col("search_day")),
        null=NEVER_NULL,
    ),
    defined("query_num_guests", "adults and children of the party", unit="guests"),
    defined("query_num_children", "children of the party", unit="guests"),
    defined("query_num_infants", "infants of the party", unit="guests"),
    defined(
        "query_child_share",
        "children as a share of the party",
        pl.col("query_num_children") / pl.col("query_num_guests"),
        unit="share",
    ),
    defined(
        "query_price_min",
        "lower bound of the price filter",
        unit="price per night",
        null=_NO_FILTER,
    ),
    defined(
        "query_price_max",
        "upper bound of the price filter",
        unit="price per night",
        null=_NO_FILTER,
    ),
    defined(
        "query_price_filter_width",
        "upper less lower bound of the price filter",
        _HIGH - _LOW,
        unit="price per night",
        null="one of the bounds is not set",
    ),
    defined("query_radius", "half the size of the searched map", unit="km", null="no map bound"),
    defined("query_center_lat", "latitude of the searched centre", unit="degrees"),
    defined("query_center_lng", "longitude of the searched centre", unit="degrees"),
)
