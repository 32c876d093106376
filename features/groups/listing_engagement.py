"""How guests clicked, contacted and booked the listing, strictly before the search.

Rates are smoothed (:func:`~features.formulas.ratios.smoothed_rate`) towards a prior: those of a
listing and of its cell towards the rate of the market's room type, those of one party size or
lead time, and yesterday's, towards the listing's own click rate. Example: one click of one
impression, where half of the room type's impressions were clicked, is a rate of
(1 + 100 × 1/2) / (1 + 100) = 51/101.
"""

from __future__ import annotations

import polars as pl

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S, HOUR_S
from features.definitions.definition import NEVER_NULL, defined
from features.formulas.ratios import ratio, smoothed_rate
from features.formulas.unit_factors import hours_since
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime

__all__ = ["DEFINITIONS", "SOURCES"]

_PRIOR_IMPRESSIONS = 100
"""Weight of the prior, in impressions. Expedia's contest winners used 100 to 300 (2013)."""

_SLICE_PRIOR_IMPRESSIONS = 30
"""The same for rates of one party size or lead time, whose prior is the listing's own rate."""


def _funnel(prefix: str) -> tuple[Aggregate, ...]:
    stages = (("clicks", CLICKED), ("contacts", CONTACTED), ("bookings", BOOKED))
    counts = (Aggregate(name=f"{prefix}_{name}", stage=stage) for name, stage in stages)
    return (Aggregate(name=f"{prefix}_impressions"), *counts)


def _clicks(prefix: str, window_s: int | None = None) -> tuple[Aggregate, ...]:
    return (
        Aggregate(name=f"{prefix}_impressions", window_s=window_s),
        Aggregate(name=f"{prefix}_clicks", stage=CLICKED, window_s=window_s),
    )


_LISTING = HistoryAggregation(
    key=("id_listing",),
    aggregates=(
        *_funnel("listing_past"),
        Aggregate(name="listing_past_guests_clicked", stage=CLICKED, distinct="id_user"),
    ),
    latest=(
        LastEventTime(name="_listing_last_click_s", stage=CLICKED),
        LastEventTime(name="_listing_last_booking_s", stage=BOOKED),
    ),
)
_YESTERDAY = HistoryAggregation(
    key=("id_listing",), aggregates=_clicks("_yesterday", window_s=DAY_S), refresh_s=DAY_S
)
_PRIOR = HistoryAggregation(key=("market", "_room"), aggregates=_funnel("_prior"), refresh_s=HOUR_S)
_CELL = HistoryAggregation(key=("_cell",), aggregates=_funnel("_cell"), refresh_s=HOUR_S)
_PARTY = HistoryAggregation(
    key=("id_listing", "_party"), aggregates=_clicks("_party"), refresh_s=DAY_S
)
_LEAD = HistoryAggregation(
    key=("id_listing", "_lead"), aggregates=_clicks("_lead"), refresh_s=DAY_S
)

SOURCES = (_LISTING, _PRIOR, _YESTERDAY, _CELL, _PARTY, _LEAD)


def _prior(events: str) -> pl.Expr:
    return ratio(pl.col(f"_prior_{events}"), pl.col("_prior_impressions"))


def _rate(source: str, events: str) -> pl.Expr:
    """Events per impression, smoothed to the market's room type."""
    counts = pl.col(f"{source}_{events}"), pl.col(f"{source}_impressions")
    return smoothed_rate(*counts, _prior(events), _PRIOR_IMPRESSIONS)


_OWN_RATE = pl.col("listing_past_click_rate")


def _slice_rate(source: str) -> pl.Expr:
    """Clicks per impression of a slice of the listing's, smoothed to its own rate."""
    counts = pl.col(f"{source}_clicks"), pl.col(f"{source}_impressions")
    return smoothed_rate(*counts, _OWN_RATE, _SLICE_PRIOR_IMPRESSIONS)


_NO_PRIOR = "nothing was known of the market's room type yet"

DEFINITIONS = (
    defined("listing_past_impressions", "earlier impressions", null=NEVER_NULL),
    defined("listing_past_clicks", "earlier clicks", null=NEVER_NULL),
    defined("listing_past_contacts", "contacts up to yesterday", null=NEVER_NULL),
    defined("listing_past_bookings", "bookings up to yesterday", null=NEVER_NULL),
    defined(
        "listing_past_guests_clicked",
        "different guests who clicked it earlier",
        unit="guests",
        null=NEVER_NULL,
    ),
    defined(
        "listing_past_click_rate",
        "clicks per impression, smoothed to the market's room type",
        _rate("listing_past", "clicks"),
        unit="share",
        null=_NO_PRIOR,
    ),
    defined(
        "listing_past_contact_rate",
        "contacts per impression, smoothed to the market's room type",
        _rate("listing_past", "contacts"),
        unit="share",
        null=_NO_PRIOR,
    ),
    defined(
        "listing_past_book_rate",
        "bookings per impression, smoothed to the market's room type",
        _rate("listing_past", "bookings"),
        unit="share",
        null=_NO_PRIOR,
    ),
    defined(
        "listing_past_click_trend",
        "yesterday's smoothed click rate as a multiple of that of all the past",
        ratio(_slice_rate("_yesterday"), _OWN_RATE),
        unit="ratio",
        null="nothing clicked, or no prior yet",
    ),
    defined(
        "listing_hours_since_click",
        "hours since the latest earlier click",
        hours_since("_listing_last_click_s"),
        unit="hours",
        null="not clicked yet",
    ),
    defined(
        "listing_hours_since_booking",
        "hours since the latest booking became known",
        hours_since("_listing_last_booking_s"),
        unit="hours",
        null="not booked yet",
    ),
    defined(
        "listing_past_click_rate_party",
        "click rate in searches of this party size up to yesterday, smoothed to its own rate",
        _slice_rate("_party"),
        unit="share",
        null="party not given, or no prior yet",
    ),
    defined(
        "listing_past_click_rate_lead",
        "click rate in searches of this lead time up to yesterday, smoothed to its own rate",
        _slice_rate("_lead"),
        unit="share",
        null="dateless, or no prior yet",
    ),
    defined(
        "cell_past_click_rate",
        "click rate of the listing's neighbourhood cell, smoothed to the market's room type",
        _rate("_cell", "clicks"),
        unit="share",
        null="place unknown, or no prior yet",
    ),
    defined(
        "cell_past_book_rate",
        "booking rate of the listing's neighbourhood cell, smoothed the same way",
        _rate("_cell", "bookings"),
        unit="share",
        null="place unknown, or no prior yet",
    ),
    defined(
        "room_type_past_click_rate",
        "click rate of the market's room type: the prior",
        _prior("clicks"),
        unit="share",
        null=_NO_PRIOR,
    ),
)
