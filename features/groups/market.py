"""Demand, supply and price level of the market around a search, strictly before it.

Demand (``_OF_SEARCH``) is the same for all rows of a search and counts searches, one event each;
supply and prices (``_OF_LISTING``) belong to the listing's cell and count impressions.

To add a feature: describe it in ``_OF_SEARCH`` or ``_OF_LISTING`` and add what it counts to an
aggregation, or a new aggregation to the loop that joins them. If the feature is such a column
itself, that is all. Otherwise name the columns that it is computed from in ``_READS``, add its
expression to :func:`market_search_features` or :func:`market_features`, and a column of the row
that nothing here read yet to :data:`ROW_COLUMNS`.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from data.schema.time import DAY_S, HOUR_S
from features.formulas.feature_declaration import (
    NEVER_NULL,
    feature,
    grouped,
    names_read,
    with_wanted,
)
from features.formulas.ratios import ratio
from features.formulas.unit_factors import PER_HUNDREDTH
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
from features.history.point_in_time import EventHistory

__all__ = [
    "BY_ROOM_TYPE",
    "FEATURES",
    "ROW_COLUMNS",
    "market_features",
    "market_search_features",
]

_CENTER = ("stage", "query_center_lat", "query_center_lng")
_PLACE = ("stage", "listing_lat", "listing_lng")
_COMPARABLE = (*_PLACE, "listing_total_price", "listing_person_capacity")
_NO_PLACE = "place unknown"

_OF_SEARCH = (
    feature(
        "market_searches_24h",
        "searches of the market in the last 24 whole hours",
        ("stage",),
        null=NEVER_NULL,
    ),
    feature(
        "market_checkin_share",
        "share of the market's earlier searches that asked for this check-in",
        ("stage", "checkin_day"),
        unit="share",
        null="dateless, or no earlier search",
    ),
    feature(
        "market_center_searches_24h",
        "searches centred in the same cell in the last 24 whole hours",
        _CENTER,
        null="centre not given",
    ),
)

_OF_LISTING = (
    feature(
        "cell_listings",
        "different listings of the neighbourhood cell shown up to yesterday: the supply",
        _PLACE,
        unit="listings",
        null=_NO_PLACE,
    ),
    feature(
        "cell_impressions_per_listing",
        "impressions per listing of the cell up to yesterday: demand over supply",
        _PLACE,
        unit="impressions",
        null="place unknown, or nothing shown there yet",
    ),
    feature(
        "market_comparable_price",
        "mean nightly price shown of the same cell, room type and size",
        _COMPARABLE,
        unit="price per night",
        null="place or size unknown, or nothing comparable shown yet",
    ),
    feature(
        "market_price_to_comparable",
        "nightly price as a multiple of that mean",
        _COMPARABLE,
        unit="ratio",
        null="price unknown, or nothing comparable shown yet",
    ),
)

FEATURES = grouped("market", (*_OF_SEARCH, *_OF_LISTING), is_history=True)

_DEMAND = HistoryAggregation(
    key=("market",),
    aggregates=(
        Aggregate(name="market_searches_24h", window_s=DAY_S),
        Aggregate(name="_market_searches"),
    ),
    refresh_s=HOUR_S,
)
_CHECKIN = HistoryAggregation(
    key=("market", "checkin_day"),
    aggregates=(Aggregate(name="_checkin_searches"),),
    refresh_s=HOUR_S,
)
_CENTER_DEMAND = HistoryAggregation(
    key=("_query_cell",),
    aggregates=(Aggregate(name="market_center_searches_24h", window_s=DAY_S),),
    refresh_s=HOUR_S,
)
_SUPPLY = HistoryAggregation(
    key=("_cell",),
    aggregates=(
        Aggregate(name="cell_listings", distinct="id_listing"),
        # Not `_cell_impressions`: listing_engagement has that, refreshed by the hour, and the
        # columns of all groups lie side by side.
        Aggregate(name="_supply_impressions"),
    ),
    refresh_s=DAY_S,
)
_PRICES = HistoryAggregation(
    key=("_cell", "_room", "_size"),
    aggregates=(
        Aggregate(name="_comparable_sum", of="_price"),
        Aggregate(name="_comparables", of="_has_price"),
    ),
    refresh_s=HOUR_S,
)


_COMPARED = frozenset({"_comparable_sum", "_comparables"})

_READS: dict[str, frozenset[str]] = {
    "market_checkin_share": frozenset({"_market_searches", "_checkin_searches"}),
    "cell_impressions_per_listing": frozenset({"cell_listings", "_supply_impressions"}),
    "market_comparable_price": _COMPARED,
    "market_price_to_comparable": _COMPARED,
}
"""What the aggregations have to give for a feature that is not one of their columns itself."""

BY_ROOM_TYPE = frozenset({"market_comparable_price", "market_price_to_comparable"})
"""Features that tell room types apart where the log has them, and do without otherwise."""

ROW_COLUMNS = ("listing_nightly_price",)
"""Columns of a row that :func:`market_features` reads, sums and keys aside."""


def market_search_features(
    searches: nw.LazyFrame[Any], history: EventHistory, wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """One search per row in; with the wanted features of the market's demand out."""
    if not {f.name for f in _OF_SEARCH} & set(wanted):
        return searches
    names = names_read(wanted, _READS)
    by_search = history.of_searches(("market", "search_s", "checkin_day", "_query_cell"))
    for aggregation in (_DEMAND, _CHECKIN, _CENTER_DEMAND):
        searches = by_search.join(searches, aggregation, names)
    share = ratio(nw.col("_checkin_searches"), nw.col("_market_searches"))
    return with_wanted(searches, {"market_checkin_share": share}, wanted)


def market_features(
    rows: nw.LazyFrame[Any], history: EventHistory, wanted: Collection[str]
) -> nw.LazyFrame[Any]:
    """One impression per row, with measures, in; with supply and price level out."""
    names = names_read(wanted, _READS)
    for aggregation in (_SUPPLY, _PRICES):
        rows = history.join(rows, aggregation, names)
    mean = ratio(nw.col("_comparable_sum"), nw.col("_comparables")) * PER_HUNDREDTH
    expressions = {
        "cell_impressions_per_listing": ratio(
            nw.col("_supply_impressions"), nw.col("cell_listings")
        ),
        "market_comparable_price": mean,
        "market_price_to_comparable": nw.col("listing_nightly_price") / mean,
    }
    return with_wanted(rows, expressions, wanted)
