"""What a guest did before the search, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from data.schema.time import HOUR_S
from features.all_features import available_features
from tests.features.worlds import features_of, impression, typed

TEN = 10 * HOUR_S


def test_guest_history_compares_with_what_was_clicked() -> None:
    def row(search: str, listing: str, at: int, price: float, stage: int = 0) -> dict[str, Any]:
        return impression(search, listing, at=at, stage=stage, listing_total_price=price)

    log = typed(
        [
            row("s1", "l1", 0, 100.0, 1),
            row("s1", "l2", 0, 900.0),
            row("s2", "l1", 600, 200.0, 1),
            row("s3", "l1", 1_200, 300.0),
            row("s4", "l9", 9_000, 300.0),
        ]
    )
    names = [
        "guest_past_searches",
        "guest_past_clicks",
        "guest_price_to_clicked",
        "guest_saw_listing",
        "guest_clicked_listing",
        "guest_session_searches",
        "guest_session_minutes",
    ]
    assert features_of(log, names).rows() == [
        (0, 0, None, 0, 0, 0, 0.0),
        (0, 0, None, 0, 0, 0, 0.0),
        (1, 1, 2.0, 1, 1, 1, 10.0),
        (2, 2, 2.0, 2, 2, 2, 20.0),
        (3, 2, 2.0, 0, 0, 0, 0.0),
    ]


def test_guest_history_takes_means_of_the_clicks_whose_value_is_known() -> None:
    def row(at: int, listing: str, stage: int = 0, **listed: Any) -> dict[str, Any]:
        return impression(f"s{at}", listing, at=at, stage=stage, **listed)

    columns = ("listing_review_rating", "listing_person_capacity", "listing_room_type")
    described = {
        "l1": (4.0, 2, "entire_home"),
        "l2": (None, 4, "entire_home"),
        "l3": (5.0, 6, "private_room"),
    }
    place = {"listing_lat": -22.97, "listing_lng": -43.19}
    values = {k: {**dict(zip(columns, v, strict=True)), **place} for k, v in described.items()}
    north = {**values["l1"], "listing_lat": -22.96}
    log = typed(
        [
            *(row(at, k, 1, **values[k]) for at, k in enumerate(values)),
            row(7_200, "l1", **north),
        ]
    )
    names = [
        "guest_rating_less_clicked",
        "guest_capacity_less_clicked",
        "guest_room_type_click_share",
        "guest_distance_to_clicked_km",
        "guest_clicked_listing",
        "guest_hours_since_listing_click",
    ]
    # Ratings 4 and 5 are known: mean 4.5. Capacities: mean 4. Two of three clicks: entire homes.
    expected = (-0.5, -2.0, 2 / 3, 1.1119, 1, 2.0)
    assert features_of(log, names).row(3) == pytest.approx(expected, abs=1e-4)


def test_guest_without_id_gets_null_and_never_zero() -> None:
    log = typed(
        [
            impression("s1", user=None, at=0, stage=1),
            impression("s2", user=None, at=TEN, stage=1),
            impression("s3", user="u1", at=TEN),
        ]
    )
    names = [f.name for f in available_features(log.columns) if f.group == "guest_history"]
    rows = features_of(log, names)
    assert all(value is None for row in rows.rows()[:2] for value in row)
    assert rows.row(2, named=True)["guest_past_searches"] == 0


def test_the_latest_click_on_the_listing_can_be_asked_for_alone() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1),
            impression("s2", "l1", at=2 * HOUR_S),
            impression("s2", "l2", at=2 * HOUR_S),
        ]
    )
    column = features_of(log, ["guest_hours_since_listing_click"]).to_series()
    assert column.to_list() == [None, 2.0, None]
