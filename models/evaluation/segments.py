"""Segments: parts of the searches, or of the listings, that get figures of their own.

A segment of searches (market, party size, lead time …) keeps whole searches. A segment of
listings (new ones, a room type) keeps the whole ranking too, and counts only its own rows
as hits: it asks where bookings *of such listings* stood among all results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Mask

__all__ = ["ALL", "Segment", "SegmentColumns", "segments_of"]

ALL = "all"


@dataclass(frozen=True, kw_only=True)
class SegmentColumns:
    """Which columns describe the segments, and where their bands are cut.

    ``returning`` counts the guest's earlier searches: 0 for a first-time guest, null for
    one without an id. ``lead_time`` is in days, null without dates; without that column
    it is taken from ``checkin_day`` and ``search_day``. The bands begin at these whole
    numbers.
    """

    returning: str = "guest_past_searches"
    lead_time: str = "query_lead_time_days"
    lead_time_days: tuple[int, ...] = (4, 15, 61)
    party_size: tuple[int, ...] = (2, 3, 5)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One part of the split.

    Attributes:
        name: ``all`` or ``name=value``.
        searches: searches that belong, shape (S,).
        part: rows that count as hits, shape (N,), or ``None`` for all.
    """

    name: str
    searches: Mask
    part: Mask | None = None


def segments_of(
    rows: pa.Table, judged: ArrangedRows, columns: SegmentColumns
) -> tuple[list[Segment], tuple[str, ...]]:
    """Every segment that the columns allow, and the names of those left out.

    The whole split comes first, under the name ``all``.
    """
    found = [Segment(name=ALL, searches=np.ones(judged.searches, dtype=bool))]
    left_out: list[str] = []
    makers: dict[str, Callable[[], list[Segment] | None]] = {
        "market": lambda: _by_value(rows, judged, column="market", name="market"),
        "room_type": lambda: _room_types(rows, judged),
        "guest": lambda: _guests(rows, judged, columns),
        "listing": lambda: _new_listings(rows, judged),
        "lead_time_days": lambda: _lead_times(rows, judged, columns),
        "party": lambda: _parties(rows, judged, columns),
        "position": lambda: _positions(rows, judged),
    }
    for name, make in makers.items():
        segments = make()
        if segments is None:
            left_out.append(name)
        else:
            found += segments
    return found, tuple(left_out)


def _column(rows: pa.Table, judged: ArrangedRows, name: str) -> pa.Array:
    return rows[name].combine_chunks().take(pa.array(judged.order))


def numbers(rows: pa.Table, judged: ArrangedRows, name: str) -> Floats:
    """A numeric or boolean column in the arrangement, NaN for null; shape (N,)."""
    values = pc.cast(_column(rows, judged, name), pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _per_search(rows: pa.Table, judged: ArrangedRows, name: str) -> Floats:
    """A column that is one value per search, read off its first row; shape (S,)."""
    first = pa.array(judged.order[judged.starts])
    values = pc.cast(rows[name].combine_chunks().take(first), pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _by_value(
    rows: pa.Table, judged: ArrangedRows, *, column: str, name: str
) -> list[Segment] | None:
    if column not in rows.column_names:
        return None
    first = pa.array(judged.order[judged.starts])
    encoded = pc.dictionary_encode(rows[column].combine_chunks().take(first))
    codes = np.asarray(encoded.indices.fill_null(-1))
    values = sorted((str(v), i) for i, v in enumerate(encoded.dictionary.to_pylist()))
    return [Segment(name=f"{name}={value}", searches=codes == code) for value, code in values]


def _room_types(rows: pa.Table, judged: ArrangedRows) -> list[Segment] | None:
    if "listing_room_type" not in rows.column_names:
        return None
    encoded = pc.dictionary_encode(_column(rows, judged, "listing_room_type").cast(pa.string()))
    codes = np.asarray(encoded.indices.fill_null(-1))
    values = sorted((str(v), i) for i, v in enumerate(encoded.dictionary.to_pylist()))
    return [_of_rows(judged, f"room_type={value}", codes == code) for value, code in values]


def _of_rows(judged: ArrangedRows, name: str, part: Mask) -> Segment:
    holds = judged.per_search(part.astype(np.float64)) > 0
    return Segment(name=name, searches=holds, part=part)


def _guests(rows: pa.Table, judged: ArrangedRows, columns: SegmentColumns) -> list[Segment] | None:
    if columns.returning not in rows.column_names:
        return None
    earlier = _per_search(rows, judged, columns.returning)
    return [
        Segment(name="guest=returning", searches=earlier > 0),
        Segment(name="guest=first_time", searches=earlier == 0),
        Segment(name="guest=without_id", searches=np.isnan(earlier)),
    ]


def _new_listings(rows: pa.Table, judged: ArrangedRows) -> list[Segment] | None:
    if "listing_is_new" not in rows.column_names:
        return None
    is_new = numbers(rows, judged, "listing_is_new")
    return [
        _of_rows(judged, "listing=new", is_new == 1),
        _of_rows(judged, "listing=known", is_new == 0),
    ]


def _lead_times(
    rows: pa.Table, judged: ArrangedRows, columns: SegmentColumns
) -> list[Segment] | None:
    if columns.lead_time in rows.column_names:
        lead = _per_search(rows, judged, columns.lead_time)
    elif {"checkin_day", "search_day"} <= set(rows.column_names):
        lead = _per_search(rows, judged, "checkin_day") - _per_search(rows, judged, "search_day")
    else:
        return None
    dateless = Segment(name="lead_time_days=dateless", searches=np.isnan(lead))
    return [*_bands("lead_time_days", lead, columns.lead_time_days), dateless]


def _parties(rows: pa.Table, judged: ArrangedRows, columns: SegmentColumns) -> list[Segment] | None:
    if "query_num_guests" not in rows.column_names:
        return None
    return _bands(
        "party", _per_search(rows, judged, "query_num_guests"), columns.party_size, first=1
    )


def _bands(name: str, values: Floats, edges: tuple[int, ...], first: int = 0) -> list[Segment]:
    """Whole-number bands ``first..edge-1``, …, ``edge+``; a band of one number names it."""
    starts = (first, *edges)
    segments = []
    for low, high in zip(starts, (*edges, None), strict=True):
        if high is None:
            label, mask = f"{low}+", values >= low
        else:
            label = f"{low}" if high == low + 1 else f"{low}-{high - 1}"
            mask = (values >= low) & (values < high)
        segments.append(Segment(name=f"{name}={label}", searches=mask))
    return segments


def _positions(rows: pa.Table, judged: ArrangedRows) -> list[Segment] | None:
    if "position" not in rows.column_names:
        return None
    known = ~np.isnan(_per_search(rows, judged, "position"))
    return [
        Segment(name="position=known", searches=known),
        Segment(name="position=unknown", searches=~known),
    ]
