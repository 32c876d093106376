"""A handful of impressions made by hand."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl

from data.schema.time import DAY_S, day_number

MONDAY = day_number(date(2026, 1, 26))
NOON_S = DAY_S // 2
_SCHEMA = {
    "id_search": pl.String,
    "id_listing": pl.String,
    "id_user": pl.String,
    "market": pl.String,
    "search_s": pl.Int64,
    "search_day": pl.Int32,
    "stage": pl.Int8,
    "contact_day": pl.Int32,
    "book_day": pl.Int32,
    "checkin_day": pl.Int32,
    "checkout_day": pl.Int32,
    "query_checkin": pl.Date,
    "query_checkout": pl.Date,
    "query_num_guests": pl.Int32,
    "query_num_children": pl.Int32,
    "query_center_lat": pl.Float64,
    "query_center_lng": pl.Float64,
    "query_radius": pl.Float64,
}


def shown(search: str, listing: str, day: int, **columns: Any) -> dict[str, Any]:
    """One impression at noon of ``MONDAY + day``; dateless and of ann unless said otherwise."""
    row = {
        "id_search": search,
        "id_listing": listing,
        "id_user": "ann",
        "market": "rio_de_janeiro",
        "search_day": MONDAY + day,
        "search_s": (MONDAY + day) * DAY_S + NOON_S,
        "stage": 0,
    }
    return {name: (row | columns).get(name) for name in _SCHEMA}


def log_of(*rows: dict[str, Any]) -> pl.LazyFrame:
    return pl.LazyFrame(list(rows), schema=_SCHEMA)
