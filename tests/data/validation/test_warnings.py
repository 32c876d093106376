"""Warnings: each sentence in full, from rows whose figures can be checked by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from data.validation.warnings import WarningLimits, find_warnings

DAY = date(2018, 2, 5)
LIMITS = WarningLimits(far_km=200, capacity=50, day_share=0.5, usual_rows=4)


@pytest.fixture
def warnings_of(tmp_path: Path):
    """The warnings about rows that differ from a plain one as given."""

    def find(*changes: dict[str, Any]) -> list[str]:
        plain = {"market": "rio", "id_listing": "L1", "ds_search": DAY, "book_day": None}
        rows = [plain | change for change in changes]
        part = tmp_path / "accepted-000001.parquet"
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(part)
        return find_warnings([part], LIMITS)

    return find


def _days(*counts: int) -> list[dict[str, Any]]:
    return [
        {"ds_search": date(2018, 2, 5 + day)}
        for day, count in enumerate(counts)
        for _ in range(count)
    ]


def test_day_with_less_than_half_of_the_days_beside_it_is_reported(warnings_of) -> None:
    assert warnings_of(*_days(8, 3, 6)) == ["rio 2018-02-06: 3 rows, its neighbours have 7"]
    # 3 of 6 is half, not less
    assert warnings_of(*_days(6, 3, 6)) == []
    # fewer than four usual rows: small markets vary by themselves
    assert warnings_of(*_days(3, 1, 3)) == []
    # the last day has one neighbour
    assert warnings_of(*_days(8, 8, 3)) == ["rio 2018-02-07: 3 rows, its neighbours have 8"]


def test_listing_far_from_the_middle_of_its_market_is_reported_with_its_distance(
    warnings_of,
) -> None:
    places = [
        {"id_listing": f"L{n}", "listing_lat": lat, "listing_lng": -43.0}
        for n, lat in enumerate((-22.0, -22.0, -22.0, -24.0, -22.5))
    ]
    # two degrees of latitude, 222.39 km; half a degree is near
    (warning,) = warnings_of(*places)
    assert warning == (
        "1 listing(s) lie more than 200 km from the middle of their market, such as L3 "
        "(rio, 222 km)"
    )


def test_listings_for_more_guests_than_the_limit_are_counted_and_the_largest_named(
    warnings_of,
) -> None:
    sizes = [{"id_listing": f"L{n}", "listing_person_capacity": n} for n in (50, 51, 1600)]
    assert warnings_of(*sizes) == ["2 listing(s) take more than 50 guests, such as L1600 (1,600)"]


def test_search_for_a_past_check_in_is_counted(warnings_of) -> None:
    checkins = [{"query_checkin": date(2018, 2, day)} for day in (4, 5, 6)]
    assert warnings_of(*checkins) == ["1 row(s) search for a check-in before the day of the search"]


def test_log_without_booking_dates_is_reported(tmp_path: Path) -> None:
    part = tmp_path / "accepted-000001.parquet"
    pl.DataFrame([{"market": "rio", "ds_search": DAY}]).write_parquet(part)
    (warning,) = find_warnings([part])
    assert warning.startswith("the log has no ds_book: a row whose label is booked cannot be used")
