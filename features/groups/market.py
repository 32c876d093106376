"""Demand, supply and price level of the market around a search, strictly before it.

Demand counts searches, one event each, and is the same for all rows of a search; supply and
prices belong to the listing's cell and count impressions.
"""

from __future__ import annotations

import polars as pl

from data.schema.time import DAY_S, HOUR_S
from features.definitions.definition import NEVER_NULL, defined
from features.formulas.ratios import ratio
from features.formulas.unit_factors import PER_HUNDREDTH
from features.history.aggregation_declaration import Aggregate, HistoryAggregation

__all__ = ["DEFINITIONS", "SOURCES"]

_DEMAND = HistoryAggregation(
    key=("market",),
    aggregates=(
        Aggregate(name="market_searches_24h", window_s=DAY_S),
        Aggregate(name="_market_searches"),
    ),
    refresh_s=HOUR_S,
    counts_searches=True,
)
_CHECKIN = HistoryAggregation(
    key=("market", "checkin_day"),
    aggregates=(Aggregate(name="_checkin_searches"),),
    refresh_s=HOUR_S,
    counts_searches=True,
)
_CENTER_DEMAND = HistoryAggregation(
    key=("_query_cell",),
    aggregates=(Aggregate(name="market_center_searches_24h", window_s=DAY_S),),
    refresh_s=HOUR_S,
    counts_searches=True,
)
_SUPPLY = HistoryAggregation(
    key=("_cell",),
    aggregates=(
        Aggregate(name="cell_listings", distinct="id_listing"),
        # Not `_cell_impressions`: listing_engagement has that, refreshed by the hour.
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

SOURCES = (_DEMAND, _CHECKIN, _CENTER_DEMAND, _SUPPLY, _PRICES)

_NO_PLACE = "place unknown"
_COMPARABLE = ratio(pl.col("_comparable_sum"), pl.col("_comparables")) * PER_HUNDREDTH

DEFINITIONS = (
    defined(
        "market_searches_24h",
        "searches of the market in the last 24 whole hours",
        null=NEVER_NULL,
    ),
    defined(
        "market_checkin_share",
        "share of the market's earlier searches that asked for this check-in",
        ratio(pl.col("_checkin_searches"), pl.col("_market_searches")),
        unit="share",
        null="dateless, or no earlier search",
    ),
    defined(
        "market_center_searches_24h",
        "searches centred in the same cell in the last 24 whole hours",
        null="centre not given",
    ),
    defined(
        "cell_listings",
        "different listings of the neighbourhood cell shown up to yesterday: the supply",
        unit="listings",
        null=_NO_PLACE,
    ),
    defined(
        "cell_impressions_per_listing",
        "impressions per listing of the cell up to yesterday: demand over supply",
        ratio(pl.col("_supply_impressions"), pl.col("cell_listings")),
        unit="impressions",
        null="place unknown, or nothing shown there yet",
    ),
    defined(
        "market_comparable_price",
        "mean nightly price shown of the same cell, room type and size",
        _COMPARABLE,
        unit="price per night",
        null="place or size unknown, or nothing comparable shown yet",
    ),
    defined(
        "market_price_to_comparable",
        "nightly price as a multiple of that mean",
        pl.col("listing_nightly_price") / _COMPARABLE,
        unit="ratio",
        null="price unknown, or nothing comparable shown yet",
    ),
)
