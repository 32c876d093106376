"""Segments: which searches, and which rows as hits, belong to each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.segments import SegmentColumns, segments_of

ROWS = pa.table(
    {
        "id_search": ["s", "s", "t", "u"],
        "id_listing": ["a", "b", "a", "c"],
        "stage": [0, 0, 0, 0],
        "market": ["rio", "rio", "sampa", "rio"],
        "listing_room_type": ["home", "room", "home", None],
        "listing_is_new": [True, False, True, None],
        "guest_past_searches": [0, 0, 2, None],
        "query_lead_time_days": [3.0, 3.0, 20.0, None],
        "query_num_guests": [1, 1, 4, 5],
        "position": [1, 2, None, None],
    }
)


@pytest.fixture
def segments():
    """Name → the ids of its searches, and of the rows that count as hits (``None``: all)."""
    arranged = arrange_rows(ROWS)
    search = np.asarray(ROWS["id_search"].to_pylist())[arranged.order]
    row = np.array(["s-a", "s-b", "t-a", "u-c"])[arranged.order]
    named, left_out = segments_of(ROWS, arranged, SegmentColumns())
    assert left_out == ()
    return {
        segment.name: (
            "".join(sorted(search[arranged.starts][segment.searches])),
            None if segment.part is None else sorted(row[segment.part].tolist()),
        )
        for segment in named
    }


def test_segments_of_searches(segments):
    of_searches = {name: ids for name, (ids, part) in segments.items() if part is None}
    assert of_searches == {
        "all": "stu",
        "market=rio": "su",
        "market=sampa": "t",
        "guest=returning": "t",
        "guest=first_time": "s",
        "guest=without_id": "u",
        "lead_time_days=0-3": "s",
        "lead_time_days=4-14": "",
        "lead_time_days=15-60": "t",
        "lead_time_days=61+": "",
        "lead_time_days=dateless": "u",
        "party=1": "s",
        "party=2": "",
        "party=3-4": "t",
        "party=5+": "u",
        "position=known": "s",
        "position=unknown": "tu",
    }


def test_segments_of_listings_hold_the_searches_that_show_one(segments):
    of_listings = {name: both for name, both in segments.items() if both[1] is not None}
    assert of_listings == {
        "room_type=home": ("st", ["s-a", "t-a"]),
        "room_type=room": ("s", ["s-b"]),
        "listing=new": ("st", ["s-a", "t-a"]),
        "listing=known": ("s", ["s-b"]),
    }


def test_segments_without_their_column_are_named():
    arranged = arrange_rows(ROWS)
    bare = ROWS.select(["id_search", "id_listing", "stage", "market"])
    named, left_out = segments_of(bare, arranged, SegmentColumns())
    assert [segment.name for segment in named] == ["all", "market=rio", "market=sampa"]
    assert left_out == ("room_type", "guest", "listing", "lead_time_days", "party", "position")


def test_lead_time_is_taken_from_the_days_where_it_has_no_column():
    rows = ROWS.drop_columns(["query_lead_time_days"])
    rows = rows.append_column("search_day", pa.array([100, 100, 100, 100]))
    rows = rows.append_column("checkin_day", pa.array([103, 103, 161, None]))
    named, _ = segments_of(rows, arrange_rows(rows), SegmentColumns())
    counts = {s.name: int(s.searches.sum()) for s in named if s.name.startswith("lead")}
    assert counts == {
        "lead_time_days=0-3": 1,
        "lead_time_days=4-14": 0,
        "lead_time_days=15-60": 0,
        "lead_time_days=61+": 1,
        "lead_time_days=dateless": 1,
    }
