"""Segments: parts of the searches, or of the listings, with figures of their own.

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
    rows: pa.Table, arranged: ArrangedRows, columns: SegmentColumns
) -> tuple[list[Segment], tuple[str, ...]]:
    """Every segment that the columns allow, and the names of those left out.

    The whole split comes first, under the name ``all``.
    """
    segments = [Segment(name=ALL, searches=np.ones(arranged.searches, dtype=bool))]
    left_out: list[str] = []
    makers: dict[str, Callable[[], list[Segment] | None]] = {
        "market": lambda: _markets(rows, arranged),
        "room_type": lambda: _room_types(rows, arranged),
        "guest": lambda: _guests(rows, arranged, columns),
        "listing": lambda: _new_listings(rows, arranged),
        "lead_time_days": lambda: _lead_times(rows, arranged, columns),
        "party": lambda: _parties(rows, arranged, columns),
        "position": lambda: _positions(rows, arranged),
    }
    for name, make in makers.items():
        of_column = make()
        if of_column is None:
            left_out.append(name)
        else:
            segments += of_column
    return segments, tuple(left_out)


def _column(rows: pa.Table, arranged: ArrangedRows, name: str) -> pa.Array:
    return rows[name].combine_chunks().take(pa.array(arranged.order))


def numbers(rows: pa.Table, arranged: ArrangedRows, name: str) -> Floats:
    """A numeric or boolean column in the arrangement, NaN for null; shape (N,)."""
    values = pc.cast(_column(rows, arranged, name), pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _per_search(rows: pa.Table, arranged: ArrangedRows, name: str) -> Floats:
    """A column that is one value per search, read off its first row; shape (S,)."""
    first = pa.array(arranged.order[arranged.starts])
    values = pc.cast(rows[name].combine_chunks().take(first), pa.float64(), safe=False)
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


def _markets(rows: pa.Table, arranged: ArrangedRows) -> list[Segment] | None:
    if "market" not in rows.column_names:
        return None
    first = pa.array(arranged.order[arranged.starts])
    markets = _masks_by_value(rows["market"].combine_chunks().take(first))
    return [Segment(name=f"market={value}", searches=mask) for value, mask in markets]


def _room_types(rows: pa.Table, arranged: ArrangedRows) -> list[Segment] | None:
    if "listing_room_type" not in rows.column_names:
        return None
    values = _column(rows, arranged, "listing_room_type").cast(pa.string())
    return [
        _of_rows(arranged, f"room_type={value}", mask) for value, mask in _masks_by_value(values)
    ]


def _masks_by_value(values: pa.Array) -> list[tuple[str, Mask]]:
    """The values in alphabetical order, each with where it stands; null is no value.

    >>> [(value, mask.tolist()) for value, mask in _masks_by_value(pa.array(["b", None, "a"]))]
    [('a', [False, False, True]), ('b', [True, False, False])]
    """
    encoded = pc.dictionary_encode(values)
    codes = np.asarray(encoded.indices.fill_null(-1))
    names = sorted((str(v), i) for i, v in enumerate(encoded.dictionary.to_pylist()))
    return [(name, codes == code) for name, code in names]


def _of_rows(arranged: ArrangedRows, name: str, part: Mask) -> Segment:
    """The segment of these listings: the searches that show one, with only them as hits."""
    holds = arranged.per_search(part.astype(np.float64)) > 0
    return Segment(name=name, searches=holds, part=part)


def _guests(
    rows: pa.Table, arranged: ArrangedRows, columns: SegmentColumns
) -> list[Segment] | None:
    if columns.returning not in rows.column_names:
        return None
    earlier = _per_search(rows, arranged, columns.returning)
    return [
        Segment(name="guest=returning", searches=earlier > 0),
        Segment(name="guest=first_time", searches=earlier == 0),
        Segment(name="guest=without_id", searches=np.isnan(earlier)),
    ]


def _new_listings(rows: pa.Table, arranged: ArrangedRows) -> list[Segment] | None:
    if "listing_is_new" not in rows.column_names:
        return None
    is_new = numbers(rows, arranged, "listing_is_new")
    return [
        _of_rows(arranged, "listing=new", is_new == 1),
        _of_rows(arranged, "listing=known", is_new == 0),
    ]


def _lead_times(
    rows: pa.Table, arranged: ArrangedRows, columns: SegmentColumns
) -> list[Segment] | None:
    if columns.lead_time in rows.column_names:
        lead = _per_search(rows, arranged, columns.lead_time)
    elif {"checkin_day", "search_day"} <= set(rows.column_names):
        lead = _per_search(rows, arranged, "checkin_day") - _per_search(
            rows, arranged, "search_day"
        )
    else:
        return None
    dateless = Segment(name="lead_time_days=dateless", searches=np.isnan(lead))
    return [*_bands("lead_time_days", lead, columns.lead_time_days), dateless]


def _parties(
    rows: pa.Table, arranged: ArrangedRows, columns: SegmentColumns
) -> list[Segment] | None:
    if "query_num_guests" not in rows.column_names:
        return None
    return _bands(
        "party", _per_search(rows, arranged, "query_num_guests"), columns.party_size, first=1
    )


def _bands(name: str, values: Floats, edges: tuple[int, ...], first: int = 0) -> list[Segment]:
    """Whole-number bands ``first..edge-1``, …, ``edge+``; a band of one number names it.

    >>> values = np.array([1.0, 2.0, 4.0, 9.0, np.nan])
    >>> {s.name: s.searches.tolist() for s in _bands("party", values, (2, 5), first=1)}
    {'party=1': [True, False, False, False, False], \
'party=2-4': [False, True, True, False, False], 'party=5+': [False, False, False, True, False]}
    """
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


def _positions(rows: pa.Table, arranged: ArrangedRows) -> list[Segment] | None:
    if "position" not in rows.column_names:
        return None
    is_known = ~np.isnan(_per_search(rows, arranged, "position"))
    return [
        Segment(name="position=known", searches=is_known),
        Segment(name="position=unknown", searches=~is_known),
    ]
