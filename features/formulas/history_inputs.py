"""Integer measures and keys of one impression, which aggregations sum and group by.

They are functions of the row alone, computed the same for the rows that get features and for
the earlier events. Their names begin with ``_``: they never reach the features table.
Integers make the sums over the past exact: prices in hundredths, places in millionths of
a degree, ratings in hundredths of a star.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import narwhals as nw

from features.formulas.geo import cell_of, micro_degrees
from features.formulas.nightly_price import nightly_price

__all__ = [
    "HISTORY_INPUTS",
    "ROOM_TYPES",
    "history_inputs_of",
    "hundredths",
    "with_history_inputs",
]

ROOM_TYPES = ("entire_home", "private_room", "shared_room", "hotel_room")
"""The room types of the contract."""

_UNKNOWN = "unknown"
_LEAD_BOUNDS_DAYS = (1, 7, 30, 90)
_SIZE_BOUNDS_GUESTS = (1, 2, 4)


def with_history_inputs(
    rows: nw.LazyFrame[Any], names: Collection[str] | None = None
) -> nw.LazyFrame[Any]:
    """``rows`` with the measures that its columns allow, or those of ``names`` among them.

    ``_price`` hundredths per night, ``_rating`` hundredths of a star, ``_lat`` and ``_lng``
    millionths of a degree, ``_capacity`` guests: each null where unknown, each with a
    ``_has_*`` that is 1 where it is known and 0 elsewhere; ``_is_*`` is 1 for that room
    type and 0 elsewhere. Keys: ``_cell`` of the listing,
    ``_query_cell``, ``_room`` (room type, one value for all unknown ones), ``_party``,
    ``_size`` (of the capacity) and ``_lead`` (time to check-in): numbers of buckets, null
    where unknown.
    """
    columns = rows.collect_schema().names()
    needed = {name: e for name, (e, needs) in _measures(columns).items() if needs <= set(columns)}
    is_known = {f"_has{name}": _is_known(name) for name in _SUMMED if name in needed}
    if names is not None:
        is_known = {name: e for name, e in is_known.items() if name in names}
        needed = {n: e for n, e in needed.items() if n in names or f"_has{n}" in names}
    measured = rows.with_columns(**needed) if needed else rows
    return measured.with_columns(**is_known) if is_known else measured


def history_inputs_of(impressions: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """Keys, times, outcomes and measures of impressions: all that aggregations read."""
    measured = with_history_inputs(impressions)
    names = measured.collect_schema().names()
    return measured.select(*(name for name in names if name in _READ or name in HISTORY_INPUTS))


_READ = (
    "id_search",
    "id_listing",
    "id_user",
    "market",
    "search_s",
    "search_day",
    "stage",
    "contact_day",
    "book_day",
    "checkin_day",
)
_SUMMED = ("_price", "_rating", "_lat", "_capacity")


def hundredths(value: nw.Expr) -> nw.Expr:
    """A number as an integer of hundredths, halves upward; null stays null."""
    return (value.cast(nw.Float64) * 100 + 0.5).floor().cast(nw.Int64)


def _measures(columns: Collection[str]) -> dict[str, tuple[nw.Expr, set[str]]]:
    lead = nw.col("checkin_day") - nw.col("search_day")
    lat, lng = nw.col("listing_lat"), nw.col("listing_lng")
    center = nw.col("query_center_lat"), nw.col("query_center_lng")
    has_room = "listing_room_type" in columns
    room = nw.col("listing_room_type").fill_null(_UNKNOWN) if has_room else nw.lit(_UNKNOWN)
    place = {"listing_lat", "listing_lng"}
    return {
        "_price": (hundredths(nightly_price(columns)), {"listing_total_price"}),
        "_rating": (hundredths(nw.col("listing_review_rating")), {"listing_review_rating"}),
        "_lat": (micro_degrees(lat), place),
        "_lng": (micro_degrees(lng), place),
        "_capacity": (
            nw.col("listing_person_capacity").cast(nw.Int64),
            {"listing_person_capacity"},
        ),
        "_cell": (cell_of(lat, lng), place),
        "_query_cell": (cell_of(*center), {"query_center_lat", "query_center_lng"}),
        "_room": (room, set()),
        **{f"_is_{room}": (_is_room(room), {"listing_room_type"}) for room in ROOM_TYPES},
        "_party": (_bucket(nw.col("query_num_guests"), _SIZE_BOUNDS_GUESTS), {"query_num_guests"}),
        "_size": (
            _bucket(nw.col("listing_person_capacity"), _SIZE_BOUNDS_GUESTS),
            {"listing_person_capacity"},
        ),
        "_lead": (_bucket(lead, _LEAD_BOUNDS_DAYS), {"checkin_day"}),
    }


def _is_room(room: str) -> nw.Expr:
    return nw.when(nw.col("listing_room_type") == room).then(1).otherwise(0).cast(nw.Int64)


def _bucket(value: nw.Expr, bounds: tuple[int, ...]) -> nw.Expr:
    """Number of bounds that the value exceeds; null where the value is unknown."""
    exceeded = [nw.when(value > bound).then(1).otherwise(0) for bound in bounds]
    return nw.when(~value.is_null()).then(nw.sum_horizontal(*exceeded)).cast(nw.Int64)


def _is_known(name: str) -> nw.Expr:
    return nw.when(nw.col(name).is_null()).then(0).otherwise(1).cast(nw.Int64)


HISTORY_INPUTS = frozenset({*_measures(()), *(f"_has{name}" for name in _SUMMED)})
"""The columns that :func:`with_history_inputs` may add."""
