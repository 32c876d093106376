"""Every feature group, and what a log's columns support of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from data.schema.feature_set import Feature, FeatureSet
from features.definitions.catalogue import Catalogue
from features.groups import (
    co_engagement,
    guest_history,
    history_inputs,
    listing,
    listing_engagement,
    market,
    query,
    query_listing_match,
    within_search,
)
from features.groups.extra_columns import extras_of

__all__ = ["ALL_FEATURES", "available_features", "catalogue_for"]

_GROUPS = {
    "query": query.DEFINITIONS,
    "listing": listing.DEFINITIONS,
    "fit": query_listing_match.DEFINITIONS,
    "in_search": within_search.DEFINITIONS,
    "engagement": listing_engagement.DEFINITIONS,
    "guest_history": guest_history.DEFINITIONS,
    "market": market.DEFINITIONS,
    "co_engagement": co_engagement.DEFINITIONS,
}
_INPUTS = (*history_inputs.INPUTS, *query.INPUTS, *within_search.INPUTS)
_SOURCES = (
    *listing_engagement.SOURCES,
    *guest_history.SOURCES,
    *market.SOURCES,
    *co_engagement.SOURCES,
)


def catalogue_for(columns: Collection[str] | Mapping[str, Any] = ()) -> Catalogue:
    """All definitions, with those that a log's extra columns add.

    ``columns`` are names, or a mapping of names to Polars types, which tells numeric extras
    from others.
    """
    extras = extras_of(columns)
    return Catalogue({**_GROUPS, **({"extra": extras} if extras else {})}, _INPUTS, _SOURCES)


def available_features(columns: Collection[str] | Mapping[str, Any]) -> FeatureSet:
    """The features that a log with these impression columns supports; see :func:`catalogue_for`."""
    return catalogue_for(columns).features().available(columns)


ALL_FEATURES: tuple[Feature, ...] = catalogue_for().features().features
"""Every feature of a log in the contract's columns; a mapping's extras add to them."""
