"""What this guest searched, clicked, contacted and booked before.

All of it strictly before the search, and null for a guest without an id. A guest with an
id but without earlier events has counts of zero and null means. Which events count:

===================  ===================  ==================================================
event                counts for searches  because
===================  ===================  ==================================================
search, click        from the next        a click has the second of its search; the results of
                     second on            one search must not know its own clicks
contact, booking     from the next day    the log gives their day alone, so that they may be
                     on                   later than a search of the same day
===================  ===================  ==================================================

Nothing is refreshed by the hour or the day: within a session the latest clicks say most.
"""

from __future__ import annotations

import polars as pl

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from features.definitions.definition import defined
from features.formulas.geo import distance_km
from features.formulas.ratios import ratio
from features.formulas.unit_factors import (
    MINUTES_PER_SECOND,
    PER_HUNDREDTH,
    PER_MICRO,
    hours_since,
)
from features.groups.history_inputs import ROOM_TYPES
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.sessions import GuestSessions

__all__ = ["DEFINITIONS", "SOURCES"]

SESSION_GAP_S = 1_800
"""A pause that ends a session: 30 minutes (Grbovic & Cheng, KDD 2018)."""


def _clicked(name: str) -> Aggregate:
    return Aggregate(name=f"_clicked{name}", stage=CLICKED, of=name)


_GUEST = HistoryAggregation(
    key=("id_user",),
    aggregates=(
        Aggregate(name="guest_past_searches", distinct="id_search"),
        Aggregate(name="guest_past_clicks", stage=CLICKED),
        Aggregate(name="guest_past_contacts", stage=CONTACTED),
        Aggregate(name="guest_past_bookings", stage=BOOKED),
        # Clicks without a rating, say, are no part of the mean rating: each mean is the sum of
        # the values known (`_clicked_rating`) over their number (`_clicked_has_rating`).
        *(_clicked(name) for name in ("_price", "_rating", "_lat", "_lng", "_capacity")),
        *(_clicked(f"_has{name}") for name in ("_price", "_rating", "_lat", "_capacity")),
        *(_clicked(f"_is_{room}") for room in ROOM_TYPES),
    ),
    latest=(
        LastEventTime(name="_guest_last_search_s"),
        LastEventTime(name="_guest_last_click_s", stage=CLICKED),
    ),
)
_GUEST_LISTING = HistoryAggregation(
    key=("id_user", "id_listing"),
    aggregates=(
        Aggregate(name="guest_saw_listing"),
        Aggregate(name="guest_clicked_listing", stage=CLICKED),
        Aggregate(name="guest_contacted_listing", stage=CONTACTED),
    ),
    latest=(LastEventTime(name="_guest_last_listing_click_s", stage=CLICKED),),
    is_sparse=True,
)

SOURCES = (_GUEST, GuestSessions(gap_s=SESSION_GAP_S), _GUEST_LISTING)


def _mean_clicked(name: str, count: str | None = None) -> pl.Expr:
    """Mean of a measure over the guest's clicks where it is known, in the measure's unit."""
    return ratio(pl.col(f"_clicked{name}"), pl.col(f"_clicked{count or f'_has{name}'}"))


_HAS_ID = pl.col("id_user").is_not_null()
_NO_ID = "a guest without an id"
_NO_CLICK = "no id, no earlier click, or the value unknown"
_MEAN_PRICE = _mean_clicked("_price") * PER_HUNDREDTH
_SESSION_START = pl.coalesce(pl.col("session_start_s"), pl.col("search_s"))

DEFINITIONS = (
    defined("guest_past_searches", "earlier searches", null=_NO_ID),
    defined("guest_past_clicks", "earlier clicks", null=_NO_ID),
    defined("guest_past_contacts", "contacts up to yesterday", null=_NO_ID),
    defined("guest_past_bookings", "bookings up to yesterday", null=_NO_ID),
    defined(
        "guest_hours_since_search",
        "hours since the latest earlier search",
        hours_since("_guest_last_search_s"),
        unit="hours",
        null="no id or no earlier search",
    ),
    defined(
        "guest_hours_since_click",
        "hours since the latest earlier click",
        hours_since("_guest_last_click_s"),
        unit="hours",
        null="no id or no earlier click",
    ),
    defined(
        "guest_session_searches",
        "earlier searches of this session: the refinements so far",
        pl.when(_HAS_ID).then(pl.col("session_searches").fill_null(0)),
        null=_NO_ID,
    ),
    defined(
        "guest_session_minutes",
        "minutes since this session began",
        pl.when(_HAS_ID).then((pl.col("search_s") - _SESSION_START) * MINUTES_PER_SECOND),
        unit="minutes",
        null=_NO_ID,
    ),
    defined(
        "guest_mean_clicked_price",
        "mean nightly price of what the guest clicked",
        _MEAN_PRICE,
        unit="price per night",
        null=_NO_CLICK,
    ),
    defined(
        "guest_price_to_clicked",
        "nightly price as a multiple of the mean price that the guest clicked",
        pl.col("listing_nightly_price") / _MEAN_PRICE,
        unit="ratio",
        null=_NO_CLICK,
    ),
    defined(
        "guest_distance_to_clicked_km",
        "distance to the middle of what the guest clicked",
        distance_km(
            pl.col("listing_lat"),
            pl.col("listing_lng"),
            _mean_clicked("_lat") * PER_MICRO,
            _mean_clicked("_lng", count="_has_lat") * PER_MICRO,
        ),
        unit="km",
        null=_NO_CLICK,
    ),
    defined(
        "guest_capacity_less_clicked",
        "capacity less the mean capacity that the guest clicked",
        pl.col("listing_person_capacity") - _mean_clicked("_capacity"),
        unit="guests",
        null=_NO_CLICK,
    ),
    defined(
        "guest_rating_less_clicked",
        "rating less the mean rating that the guest clicked",
        pl.col("listing_review_rating") - _mean_clicked("_rating") * PER_HUNDREDTH,
        unit="stars",
        null=_NO_CLICK,
    ),
    defined(
        "guest_room_type_click_share",
        "share of the guest's clicks that were on this room type",
        ratio(
            pl.coalesce(
                *(
                    pl.when(pl.col("listing_room_type") == room).then(pl.col(f"_clicked_is_{room}"))
                    for room in ROOM_TYPES
                )
            ),
            pl.col("guest_past_clicks"),
        ),
        unit="share",
        null=_NO_CLICK,
    ),
    defined("guest_saw_listing", "times this listing was shown to the guest", null=_NO_ID),
    defined("guest_clicked_listing", "times the guest clicked it", null=_NO_ID),
    defined("guest_contacted_listing", "times the guest contacted its host", null=_NO_ID),
    defined(
        "guest_hours_since_listing_click",
        "hours since the guest clicked this listing",
        hours_since("_guest_last_listing_click_s"),
        unit="hours",
        null="no id, or not clicked yet",
    ),
)
