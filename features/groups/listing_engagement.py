"""How guests clicked, contacted and booked the listing, strictly before the search.

Rates are smoothed (:func:`~features.formulas.ratios.smoothed_rate`) towards a prior: those of a
listing and of its cell towards the rate of the market's room type, those of one party size or
lead time, and yesterday's, towards the listing's own click rate. Example: one click of one
impression, where half of the room type's impressions were clicked, is a rate of
(1 + 100 × 1/2) / (1 + 100) = 51/101.

To add a feature: describe it in ``FEATURES`` and add what it counts to one of the
``_AGGREGATIONS``. If the feature is such a column itself, that is all. Otherwise name the columns
that it is computed from in ``_READS`` and add its expression to ``_rates``, or to ``_slices`` if
it reads the listing's own rate (then also its name to ``_SMOOTHED_TO_OWN``).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import narwhals as nw

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S, HOUR_S
from features.formulas.feature_declaration import (
    NEVER_NULL,
    feature,
    grouped,
    names_read,
    with_wanted,
)
from features.formulas.ratios import ratio, smoothed_rate
from features.formulas.unit_factors import hours_since
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.point_in_time import EventHistory

__all__ = ["BY_ROOM_TYPE", "FEATURES", "EngagementConfig", "engagement_features"]


@dataclass(frozen=True, kw_only=True)
class EngagementConfig:
    """How strongly rates are drawn to their prior.

    Attributes:
        prior_impressions: weight of the prior, in impressions. Expedia's contest winners
            used 100 to 300 (2013).
        slice_prior_impressions: the same for rates of one party size or lead time,
            whose prior is the listing's own rate.
    """

    prior_impressions: int = 100
    slice_prior_impressions: int = 30

    def __post_init__(self) -> None:
        if min(self.prior_impressions, self.slice_prior_impressions) < 1:
            raise ValueError(f"prior weights must be at least one impression: {self}")


_CLICKS = ("stage",)
_CONTACTS = ("stage", "contact_day")
_BOOKINGS = ("stage", "book_day")
_PLACE = ("listing_lat", "listing_lng")
_NO_PRIOR = "nothing was known of the market's room type yet"

FEATURES = grouped(
    "engagement",
    (
        feature("listing_past_impressions", "earlier impressions", _CLICKS, null=NEVER_NULL),
        feature("listing_past_clicks", "earlier clicks", _CLICKS, null=NEVER_NULL),
        feature("listing_past_contacts", "contacts up to yesterday", _CONTACTS, null=NEVER_NULL),
        feature("listing_past_bookings", "bookings up to yesterday", _BOOKINGS, null=NEVER_NULL),
        feature(
            "listing_past_guests_clicked",
            "different guests who clicked it earlier",
            (*_CLICKS, "id_user"),
            unit="guests",
            null=NEVER_NULL,
        ),
        feature(
            "listing_past_click_rate",
            "clicks per impression, smoothed to the market's room type",
            _CLICKS,
            unit="share",
            null=_NO_PRIOR,
        ),
        feature(
            "listing_past_contact_rate",
            "contacts per impression, smoothed to the market's room type",
            _CONTACTS,
            unit="share",
            null=_NO_PRIOR,
        ),
        feature(
            "listing_past_book_rate",
            "bookings per impression, smoothed to the market's room type",
            _BOOKINGS,
            unit="share",
            null=_NO_PRIOR,
        ),
        feature(
            "listing_past_click_trend",
            "yesterday's smoothed click rate as a multiple of that of all the past",
            _CLICKS,
            unit="ratio",
            null="nothing clicked, or no prior yet",
        ),
        feature(
            "listing_hours_since_click",
            "hours since the latest earlier click",
            _CLICKS,
            unit="hours",
            null="not clicked yet",
        ),
        feature(
            "listing_hours_since_booking",
            "hours since the latest booking became known",
            _BOOKINGS,
            unit="hours",
            null="not booked yet",
        ),
        feature(
            "listing_past_click_rate_party",
            "click rate in searches of this party size up to yesterday, smoothed to its own rate",
            (*_CLICKS, "query_num_guests"),
            unit="share",
            null="party not given, or no prior yet",
        ),
        feature(
            "listing_past_click_rate_lead",
            "click rate in searches of this lead time up to yesterday, smoothed to its own rate",
            (*_CLICKS, "checkin_day"),
            unit="share",
            null="dateless, or no prior yet",
        ),
        feature(
            "cell_past_click_rate",
            "click rate of the listing's neighbourhood cell, smoothed to the market's room type",
            (*_CLICKS, *_PLACE),
            unit="share",
            null="place unknown, or no prior yet",
        ),
        feature(
            "cell_past_book_rate",
            "booking rate of the listing's neighbourhood cell, smoothed the same way",
            (*_BOOKINGS, *_PLACE),
            unit="share",
            null="place unknown, or no prior yet",
        ),
        feature(
            "room_type_past_click_rate",
            "click rate of the market's room type: the prior",
            _CLICKS,
            unit="share",
            null=_NO_PRIOR,
        ),
    ),
    is_history=True,
)


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
        LastEventTime(name="_last_click_s", stage=CLICKED),
        LastEventTime(name="_last_booking_s", stage=BOOKED),
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

_AGGREGATIONS = (_LISTING, _PRIOR, _YESTERDAY, _CELL, _PARTY, _LEAD)


def _rate_of(source: str, events: str) -> frozenset[str]:
    return frozenset(
        f"{of}_{what}" for of in (source, "_prior") for what in (events, "impressions")
    )


_CLICK_RATE = _rate_of("listing_past", "clicks")

_READS: dict[str, frozenset[str]] = {
    "listing_past_click_rate": _CLICK_RATE,
    "listing_past_contact_rate": _rate_of("listing_past", "contacts"),
    "listing_past_book_rate": _rate_of("listing_past", "bookings"),
    "listing_past_click_trend": _CLICK_RATE | _rate_of("_yesterday", "clicks"),
    "listing_past_click_rate_party": _CLICK_RATE | _rate_of("_party", "clicks"),
    "listing_past_click_rate_lead": _CLICK_RATE | _rate_of("_lead", "clicks"),
    "listing_hours_since_click": frozenset({"_last_click_s"}),
    "listing_hours_since_booking": frozenset({"_last_booking_s"}),
    "cell_past_click_rate": _rate_of("_cell", "clicks"),
    "cell_past_book_rate": _rate_of("_cell", "bookings"),
    "room_type_past_click_rate": _rate_of("_prior", "clicks"),
}
"""What the aggregations have to give for a feature that is not one of their columns itself."""

BY_ROOM_TYPE = frozenset(name for name, read in _READS.items() if "_prior_impressions" in read)
"""Features that tell room types apart where the log has them, and do without otherwise."""

_SMOOTHED_TO_OWN = frozenset(
    {
        "listing_past_click_trend",
        "listing_past_click_rate_party",
        "listing_past_click_rate_lead",
    }
)


def engagement_features(
    rows: nw.LazyFrame[Any],
    history: EventHistory,
    wanted: Collection[str],
    config: EngagementConfig | None = None,
) -> nw.LazyFrame[Any]:
    """One impression per row, with measures, in; with the wanted features out."""
    config = config or EngagementConfig()
    names = names_read(wanted, _READS)
    for aggregation in _AGGREGATIONS:
        rows = history.join(rows, aggregation, names)
    own_rate = {"listing_past_click_rate"} if _SMOOTHED_TO_OWN & set(wanted) else set()
    rated = with_wanted(rows, _rates(config), {*wanted, *own_rate})
    return with_wanted(rated, _slices(config), wanted)


def _rates(config: EngagementConfig) -> dict[str, nw.Expr]:
    weight = config.prior_impressions
    rated = {
        f"{of}_{rate}_rate": _smoothed(source, events, _prior(events), weight)
        for of, source in (("listing_past", "listing_past"), ("cell_past", "_cell"))
        for rate, events in (("click", "clicks"), ("contact", "contacts"), ("book", "bookings"))
    }
    return {
        **rated,
        "room_type_past_click_rate": _prior("clicks"),
        "listing_hours_since_click": hours_since("_last_click_s"),
        "listing_hours_since_booking": hours_since("_last_booking_s"),
    }


def _slices(config: EngagementConfig) -> dict[str, nw.Expr]:
    own = nw.col("listing_past_click_rate")
    weight = config.slice_prior_impressions
    return {
        "listing_past_click_trend": ratio(_smoothed("_yesterday", "clicks", own, weight), own),
        "listing_past_click_rate_party": _smoothed("_party", "clicks", own, weight),
        "listing_past_click_rate_lead": _smoothed("_lead", "clicks", own, weight),
    }


def _smoothed(source: str, events: str, prior: nw.Expr, weight: int) -> nw.Expr:
    counts = nw.col(f"{source}_{events}"), nw.col(f"{source}_impressions")
    return smoothed_rate(*counts, prior, weight)


def _prior(events: str) -> nw.Expr:
    return ratio(nw.col(f"_prior_{events}"), nw.col("_prior_impressions"))
