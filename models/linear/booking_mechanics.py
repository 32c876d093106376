"""The few features that decide whether a stay can be booked, whoever wants it."""

from __future__ import annotations

__all__ = ["INSTANT_BOOKABLE", "MECHANICS", "MECHANICS_PRODUCTS"]

INSTANT_BOOKABLE = "listing_instant_bookable"

MECHANICS = (
    INSTANT_BOOKABLE,
    "listing_is_new",
    "listing_num_books_90day",
    "listing_occupancy_rate",
    "query_is_dateless",
    "query_lead_time_days",
)
"""Features by which a host can be booked at all."""

MECHANICS_PRODUCTS = ((INSTANT_BOOKABLE, "query_is_dateless"),)
"""Pairs of them that act together: without dates nothing can be booked at once."""
