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

Features of the search (``_OF_SEARCH``) are the same for all its rows and are computed once per
search; those of the listing (``_OF_LISTING``) compare each row with the sums of its search
(:data:`SEARCH_SUMS`).

To add a feature: describe it in ``_OF_SEARCH`` or ``_OF_LISTING``; add what it counts to
``_GUEST_EVENTS`` (sums that rows read: ``_CLICKED_SUMS``) or ``_GUEST_LISTING_EVENTS``. If the
feature is such a column itself, that is all. Otherwise name the columns that it is computed from
in ``_READS``, add its expression to :func:`guest_search_features` or :func:`guest_features`, and
a column of the row that nothing here read yet to :data:`ROW_COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from features.formulas.feature_declaration import feature, grouped, names_read, with_wanted
from features.formulas.geo import distance_km
from features.formulas.history_inputs import ROOM_TYPES
from features.formulas.ratios import ratio
from features.formulas.unit_factors import (
    MINUTES_PER_SECOND,
    PER_HUNDREDTH,
    PER_MICRO,
    hours_since,
)
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.point_in_time import EventHistory

__all__ = ["FEATURES", "ROW_COLUMNS", "SEARCH_SUMS", "guest_features", "guest_search_features"]

SESSION_GAP_S = 1_800
"""A pause that ends a session: 30 minutes (Grbovic & Cheng, KDD 2018)."""

_GUEST = ("id_user", "stage")
_CONTACTS = (*_GUEST, "contact_day")
_BOOKINGS = (*_GUEST, "book_day")
_NO_ID = "a guest without an id"
_NO_CLICK = "no id, no earlier click, or the value unknown"

_OF_SEARCH = (
    feature("guest_past_searches", "earlier searches", _GUEST, null=_NO_ID),
    feature("guest_past_clicks", "earlier clicks", _GUEST, null=_NO_ID),
    feature("guest_past_contacts", "contacts up to yesterday", _CONTACTS, null=_NO_ID),
    feature("guest_past_bookings", "bookings up to yesterday", _BOOKINGS, null=_NO_ID),
    feature(
        "guest_hours_since_search",
        "hours since the latest earlier search",
        _GUEST,
        unit="hours",
        null="no id or no earlier search",
    ),
    feature(
        "guest_hours_since_click",
        "hours since the latest earlier click",
        _GUEST,
        unit="hours",
        null="no id or no earlier click",
    ),
    feature(
        "guest_session_searches",
        "earlier searches of this session: the refinements so far",
        _GUEST,
        null=_NO_ID,
    ),
    feature(
        "guest_session_minutes",
        "minutes since this session began",
        _GUEST,
        unit="minutes",
        null=_NO_ID,
    ),
    feature(
        "guest_mean_clicked_price",
        "mean nightly price of what the guest clicked",
        (*_GUEST, "listing_total_price"),
        unit="price per night",
        null=_NO_CLICK,
    ),
)

_OF_LISTING = (
    feature(
        "guest_price_to_clicked",
        "nightly price as a multiple of the mean price that the guest clicked",
        (*_GUEST, "listing_total_price"),
        unit="ratio",
        null=_NO_CLICK,
    ),
    feature(
        "guest_distance_to_clicked_km",
        "distance to the middle of what the guest clicked",
        (*_GUEST, "listing_lat", "listing_lng"),
        unit="km",
        null=_NO_CLICK,
    ),
    feature(
        "guest_capacity_less_clicked",
        "capacity less the mean capacity that the guest clicked",
        (*_GUEST, "listing_person_capacity"),
        unit="guests",
        null=_NO_CLICK,
    ),
    feature(
        "guest_rating_less_clicked",
        "rating less the mean rating that the guest clicked",
        (*_GUEST, "listing_review_rating"),
        unit="stars",
        null=_NO_CLICK,
    ),
    feature(
        "guest_room_type_click_share",
        "share of the guest's clicks that were on this room type",
        (*_GUEST, "listing_room_type"),
        unit="share",
        null=_NO_CLICK,
    ),
    feature("guest_saw_listing", "times this listing was shown to the guest", _GUEST, null=_NO_ID),
    feature("guest_clicked_listing", "times the guest clicked it", _GUEST, null=_NO_ID),
    feature(
        "guest_contacted_listing", "times the guest contacted its host", _CONTACTS, null=_NO_ID
    ),
    feature(
        "guest_hours_since_listing_click",
        "hours since the guest clicked this listing",
        _GUEST,
        unit="hours",
        null="no id, or not clicked yet",
    ),
)

FEATURES = grouped("guest_history", (*_OF_SEARCH, *_OF_LISTING), is_history=True)

# Clicks without a rating, say, are no part of the mean rating: each mean is the sum of the
# values known (`_clicked_rating`) over their number (`_clicked_has_rating`).
_MEANS = ("_price", "_rating", "_lat", "_lng", "_capacity")


def _clicked(name: str) -> Aggregate:
    return Aggregate(name=f"_clicked{name}", stage=CLICKED, of=name)


_CLICKED_SUMS = (
    *(_clicked(name) for name in _MEANS),
    *(_clicked(f"_has{name}") for name in ("_price", "_rating", "_lat", "_capacity")),
    *(_clicked(f"_is_{room}") for room in ROOM_TYPES),
)

SEARCH_SUMS = ("guest_past_clicks", *(entry.name for entry in _CLICKED_SUMS))
"""Columns of :func:`guest_search_features` that :func:`guest_features` reads in each row."""

ROW_COLUMNS = (
    "listing_nightly_price",
    "listing_review_rating",
    "listing_person_capacity",
    "listing_room_type",
    "listing_lat",
    "listing_lng",
)
"""Columns of a row that :func:`guest_features` reads, sums and keys aside."""

_GUEST_EVENTS = HistoryAggregation(
    key=("id_user",),
    aggregates=(
        Aggregate(name="guest_past_searches", distinct="id_search"),
        Aggregate(name="guest_past_clicks", stage=CLICKED),
        Aggregate(name="guest_past_contacts", stage=CONTACTED),
        Aggregate(name="guest_past_bookings", stage=BOOKED),
        *_CLICKED_SUMS,
    ),
    latest=(
        LastEventTime(name="_last_search_s"),
        LastEventTime(name="_last_click_s", stage=CLICKED),
    ),
)
_GUEST_LISTING_EVENTS = HistoryAggregation(
    key=("id_user", "id_listing"),
    aggregates=(
        Aggregate(name="guest_saw_listing"),
        Aggregate(name="guest_clicked_listing", stage=CLICKED),
        Aggregate(name="guest_contacted_listing", stage=CONTACTED),
    ),
    latest=(LastEventTime(name="_last_listing_click_s", stage=CLICKED),),
    is_sparse=True,
)


_CLICKED_PRICE = frozenset({"_clicked_price", "_clicked_has_price"})
_LAST_SEARCH = frozenset({"_last_search_s"})

_READS: dict[str, frozenset[str]] = {
    "guest_hours_since_search": _LAST_SEARCH,
    "guest_hours_since_click": frozenset({"_last_click_s"}),
    "guest_session_searches": _LAST_SEARCH,
    "guest_session_minutes": _LAST_SEARCH,
    "guest_mean_clicked_price": _CLICKED_PRICE,
    "guest_price_to_clicked": _CLICKED_PRICE,
    "guest_distance_to_clicked_km": frozenset({"_clicked_lat", "_clicked_lng", "_clicked_has_lat"}),
    "guest_capacity_less_clicked": frozenset({"_clicked_capacity", "_clicked_has_capacity"}),
    "guest_rating_less_clicked": frozenset({"_clicked_rating", "_clicked_has_rating"}),
    "guest_room_type_click_share": frozenset(
        {"guest_past_clicks", *(f"_clicked_is_{room}" for room in ROOM_TYPES)}
    ),
    "guest_hours_since_listing_click": frozenset({"_last_listing_click_s"}),
}
"""What the aggregations have to give for a feature that is not one of their columns itself."""

_OF_SESSION = frozenset({"guest_session_searches", "guest_session_minutes"})


def guest_search_features(
    searches: nw.LazyFrame[Any], history: EventHistory, wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """One search per row in; with the wanted features of the guest, and ``SEARCH_SUMS``, out.

    Sums that no wanted feature reads are left out.
    """
    with_sums = history.join(searches, _GUEST_EVENTS, names_read(wanted, _READS))
    if _OF_SESSION & set(wanted):
        with_sums = history.join_session(with_sums, last="_last_search_s", gap_s=SESSION_GAP_S)
    has_id = ~nw.col("id_user").is_null()
    session_start = nw.coalesce(nw.col("session_start_s"), nw.col("search_s"))
    expressions = {
        "guest_hours_since_search": hours_since("_last_search_s"),
        "guest_hours_since_click": hours_since("_last_click_s"),
        "guest_session_searches": nw.when(has_id).then(nw.col("session_searches").fill_null(0)),
        "guest_session_minutes": nw.when(has_id).then(
            (nw.col("search_s") - session_start) * MINUTES_PER_SECOND
        ),
        "guest_mean_clicked_price": _mean_clicked("_price") * PER_HUNDREDTH,
    }
    return with_wanted(with_sums, expressions, wanted)


def guest_features(
    rows: nw.LazyFrame[Any], history: EventHistory, wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """One impression per row, with the sums of its search, in; with the wanted features out."""
    with_sums = history.join(rows, _GUEST_LISTING_EVENTS, names_read(wanted, _READS))
    expressions = {
        "guest_price_to_clicked": nw.col("listing_nightly_price")
        / (_mean_clicked("_price") * PER_HUNDREDTH),
        "guest_distance_to_clicked_km": distance_km(
            nw.col("listing_lat"),
            nw.col("listing_lng"),
            _mean_clicked("_lat") * PER_MICRO,
            _mean_clicked("_lng", count="_has_lat") * PER_MICRO,
        ),
        "guest_capacity_less_clicked": nw.col("listing_person_capacity")
        - _mean_clicked("_capacity"),
        "guest_rating_less_clicked": nw.col("listing_review_rating")
        - _mean_clicked("_rating") * PER_HUNDREDTH,
        "guest_room_type_click_share": _room_share(),
        "guest_hours_since_listing_click": hours_since("_last_listing_click_s"),
    }
    return with_wanted(with_sums, expressions, wanted)


def _room_share() -> nw.Expr:
    of_room = nw.coalesce(
        *(
            nw.when(nw.col("listing_room_type") == room).then(nw.col(f"_clicked_is_{room}"))
            for room in ROOM_TYPES
        )
    )
    return ratio(of_room, nw.col("guest_past_clicks"))


def _mean_clicked(name: str, count: str | None = None) -> nw.Expr:
    """Mean of a measure over the guest's clicks where it is known, in the measure's unit."""
    return ratio(nw.col(f"_clicked{name}"), nw.col(f"_clicked{count or f'_has{name}'}"))
