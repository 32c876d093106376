"""The query: dates, party, filters, map and moment of the search.

Constant within a search, so it is computed once per search.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from data.schema.time import DAY_S, HOUR_S
from features.engine import to_engine_of
from features.formulas.calendar import day_table
from features.formulas.feature_declaration import NEVER_NULL, feature, grouped, with_wanted

__all__ = ["FEATURES", "QUERY_COLUMNS", "query_features"]

_STAY = ("checkin_day", "checkout_day")
_DATELESS = "a dateless search"
_NOT_BRAZIL = "a dateless search, or a market or year outside the calendar"
_NO_FILTER = "no such filter"

FEATURES = grouped(
    "query",
    (
        feature(
            "query_nights", "nights of the searched stay", _STAY, unit="nights", null=_DATELESS
        ),
        feature(
            "query_lead_time_days",
            "days from the search to check-in",
            ("checkin_day",),
            unit="days",
            null=_DATELESS,
        ),
        feature(
            "query_is_dateless", "the search gives no dates", _STAY, kind="boolean", null=NEVER_NULL
        ),
        feature(
            "query_checkin_weekday",
            "weekday of check-in, 0 is Monday",
            ("checkin_day",),
            null=_DATELESS,
        ),
        feature(
            "query_checkin_month", "month of check-in, 1 to 12", ("checkin_day",), null=_NOT_BRAZIL
        ),
        feature(
            "query_weekend_nights",
            "nights of the stay that begin on a Friday or Saturday",
            _STAY,
            unit="nights",
            null=_DATELESS,
        ),
        feature(
            "query_stay_holidays",
            "public holidays of the market's state among the nights of the stay",
            _STAY,
            unit="days",
            null=_NOT_BRAZIL,
        ),
        feature(
            "query_carnival_nights",
            "nights of the stay from Carnival Saturday to Shrove Tuesday",
            _STAY,
            unit="nights",
            null=_NOT_BRAZIL,
        ),
        feature("query_search_hour", "hour of the search, 0 to 23", unit="hours", null=NEVER_NULL),
        feature("query_search_weekday", "weekday of the search, 0 is Monday", null=NEVER_NULL),
        feature(
            "query_num_guests",
            "adults and children of the party",
            ("query_num_guests",),
            unit="guests",
        ),
        feature(
            "query_num_children", "children of the party", ("query_num_children",), unit="guests"
        ),
        feature("query_num_infants", "infants of the party", ("query_num_infants",), unit="guests"),
        feature(
            "query_child_share",
            "children as a share of the party",
            ("query_num_guests", "query_num_children"),
            unit="share",
        ),
        feature(
            "query_price_min",
            "lower bound of the price filter",
            ("query_price_min",),
            unit="price per night",
            null=_NO_FILTER,
        ),
        feature(
            "query_price_max",
            "upper bound of the price filter",
            ("query_price_max",),
            unit="price per night",
            null=_NO_FILTER,
        ),
        feature(
            "query_price_filter_width",
            "upper less lower bound of the price filter",
            ("query_price_min", "query_price_max"),
            unit="price per night",
            null="one of the bounds is not set",
        ),
        feature(
            "query_radius",
            "half the size of the searched map",
            ("query_radius",),
            unit="km",
            null="no map bound",
        ),
        feature(
            "query_center_lat",
            "latitude of the searched centre",
            ("query_center_lat",),
            unit="degrees",
        ),
        feature(
            "query_center_lng",
            "longitude of the searched centre",
            ("query_center_lng",),
            unit="degrees",
        ),
    ),
)

QUERY_COLUMNS = (
    "checkin_day",
    "checkout_day",
    "query_num_guests",
    "query_num_children",
    "query_num_infants",
    "query_radius",
    "query_price_min",
    "query_price_max",
    "query_center_lat",
    "query_center_lng",
)
"""Columns of the impressions that belong to the search."""

_THURSDAY = 3  # 1970-01-01 was a Thursday
_CALENDAR = {"query_checkin_month", "query_stay_holidays", "query_carnival_nights"}


def query_features(searches: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    """One row per search in, the same with the wanted features out."""
    computed = with_wanted(searches, _expressions(), wanted)
    if _CALENDAR & set(wanted):
        computed = _with_calendar(computed, wanted)
    return computed


def _expressions() -> dict[str, nw.Expr]:
    checkin, checkout = nw.col("checkin_day"), nw.col("checkout_day")
    low, high = nw.col("query_price_min"), nw.col("query_price_max")
    return {
        "query_nights": checkout - checkin,
        "query_lead_time_days": checkin - nw.col("search_day"),
        "query_is_dateless": checkin.is_null() | checkout.is_null(),
        "query_checkin_weekday": _weekday(checkin),
        "query_weekend_nights": _weekend_nights_before(checkout) - _weekend_nights_before(checkin),
        "query_search_hour": nw.col("search_s") % DAY_S // HOUR_S,
        "query_search_weekday": _weekday(nw.col("search_day")),
        "query_child_share": nw.col("query_num_children") / nw.col("query_num_guests"),
        "query_price_filter_width": high - low,
    }


def _weekday(day: nw.Expr) -> nw.Expr:
    return (day + _THURSDAY) % 7


def _weekend_nights_before(day: nw.Expr) -> nw.Expr:
    # Whole weeks hold two each (Friday, Saturday), then those of the week begun.
    from_monday = day + _THURSDAY
    return from_monday // 7 * 2 + (from_monday % 7 - 4).clip(0, 2)


def _with_calendar(searches: nw.LazyFrame[Any], wanted: Collection[str]) -> nw.LazyFrame[Any]:
    calendar = to_engine_of(searches, day_table())
    checkin = calendar.rename({"_day": "checkin_day"})
    joined = searches.join(checkin, on=["market", "checkin_day"], how="left")
    if "checkout_day" in searches.collect_schema().names():
        counts = ("_holidays_before", "_carnival_before")
        checkout = calendar.drop("_month").rename(
            {"_day": "checkout_day", **{name: f"{name}_checkout" for name in counts}}
        )
        joined = joined.join(checkout, on=["market", "checkout_day"], how="left")
    expressions = {
        "query_checkin_month": nw.col("_month"),
        "query_stay_holidays": nw.col("_holidays_before_checkout") - nw.col("_holidays_before"),
        "query_carnival_nights": nw.col("_carnival_before_checkout") - nw.col("_carnival_before"),
    }
    return with_wanted(joined, expressions, wanted)
