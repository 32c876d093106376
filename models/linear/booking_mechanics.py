"""The few features that decide whether a stay can be booked, whoever wants it."""

from __future__ import annotations

__all__ = ["MECHANICS"]

MECHANICS = (
    "listing_instant_bookable",
    "listing_is_new",
    "listing_num_books_90day",
    "listing_occupancy_rate",
    "query_lead_time_days",
)
"""Features by which a host can be booked at all; a missing lead time is a dateless search."""
