"""Integer measures and keys of one impression, which sums over the past add up and group by.

They are functions of the row alone, computed the same for the rows that get features and for
the earlier events. Integers make the sums over the past exact: prices in hundredths, places in
millionths of a degree, ratings in hundredths of a star.

==============================  ==============================================================
column                          what
==============================  ==============================================================
``_price``, ``_rating``         hundredths per night, of a star
``_lat``, ``_lng``              millionths of a degree
``_capacity``                   guests
``_has_*``                      1 where that measure is known, else 0
``_is_*``                       1 for that room type, else 0
``_cell``, ``_query_cell``      key: grid cell of the listing, of the searched centre
``_room``                       key: room type, one value for all unknown ones
``_party``, ``_size``           key: bucket of the party, of the capacity
``_lead``                       key: bucket of the days to check-in
==============================  ==============================================================

Null where unknown. To add one: a line in ``INPUTS``.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from features.definitions.definition import Definition, hidden
from features.formulas.geo import cell_of, micro_degrees
from features.formulas.nightly_price import nightly_price

__all__ = ["INPUTS", "ROOM_TYPES"]

ROOM_TYPES = ("entire_home", "private_room", "shared_room", "hotel_room")
"""The room types of the contract."""

_UNKNOWN = "unknown"
_LEAD_BOUNDS_DAYS = (1, 7, 30, 90)
_SIZE_BOUNDS_GUESTS = (1, 2, 4)


def _hundredths(value: pl.Expr) -> pl.Expr:
    """A number as an integer of hundredths, halves upward; null stays null."""
    return (value.cast(pl.Float64) * 100 + 0.5).floor().cast(pl.Int64)


def _price(columns: Collection[str]) -> pl.Expr:
    return _hundredths(nightly_price(columns))


def _room(columns: Collection[str]) -> pl.Expr:
    """One value for all unknown room types, and for every listing of a log without them."""
    if "listing_room_type" not in columns:
        return pl.lit(_UNKNOWN)
    return pl.col("listing_room_type").fill_null(_UNKNOWN)


def _bucket(value: pl.Expr, bounds: tuple[int, ...]) -> pl.Expr:
    """Number of bounds that the value exceeds; null where the value is unknown."""
    exceeded = [pl.when(value > bound).then(1).otherwise(0) for bound in bounds]
    return pl.when(value.is_not_null()).then(pl.sum_horizontal(*exceeded)).cast(pl.Int64)


def _is_room(room: str) -> pl.Expr:
    return pl.when(pl.col("listing_room_type") == room).then(1).otherwise(0).cast(pl.Int64)


def _is_known(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_null()).then(0).otherwise(1).cast(pl.Int64)


INPUTS: tuple[Definition, ...] = (
    hidden("_price", _price),
    hidden("_rating", _hundredths(pl.col("listing_review_rating"))),
    hidden("_lat", micro_degrees(pl.col("listing_lat"))),
    hidden("_lng", micro_degrees(pl.col("listing_lng"))),
    hidden("_capacity", pl.col("listing_person_capacity").cast(pl.Int64)),
    *(hidden(f"_has{of}", _is_known(of)) for of in ("_price", "_rating", "_lat", "_capacity")),
    *(hidden(f"_is_{room}", _is_room(room)) for room in ROOM_TYPES),
    hidden("_cell", cell_of(pl.col("listing_lat"), pl.col("listing_lng"))),
    hidden("_query_cell", cell_of(pl.col("query_center_lat"), pl.col("query_center_lng"))),
    hidden("_room", _room),
    hidden("_party", _bucket(pl.col("query_num_guests"), _SIZE_BOUNDS_GUESTS)),
    hidden("_size", _bucket(pl.col("listing_person_capacity"), _SIZE_BOUNDS_GUESTS)),
    hidden("_lead", _bucket(pl.col("checkin_day") - pl.col("search_day"), _LEAD_BOUNDS_DAYS)),
)
