"""How a listing matches the query, by hand."""

from __future__ import annotations

import pytest

from tests.features.worlds import features_of_row, impression

SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


def test_fit_compares_party_nights_and_place() -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + 3,
        query_num_guests=3,
        listing_person_capacity=4,
        listing_minimum_nights=5,
        listing_maximum_nights=None,
        listing_lat=-22.97,
        listing_lng=-43.19,
        query_center_lat=-22.98,
        query_center_lng=-43.19,
        query_radius=1.0,
    )
    names = (
        "fit_spare_capacity",
        "fit_nights_above_minimum",
        "fit_nights_below_maximum",
        "fit_is_within_nights",
        "fit_distance_km",
        "fit_is_inside_radius",
    )
    km = pytest.approx(1.1119, abs=1e-4)
    assert features_of_row(row, *names) == (1, -2, None, False, km, False)


def test_fit_compares_price_with_the_filter_and_distance_with_the_radius() -> None:
    row = impression(
        listing_total_price=150.0,
        query_num_guests=3,
        query_price_min=100.0,
        query_price_max=200.0,
        listing_person_capacity=4,
        listing_lat=-22.97,
        listing_lng=-43.19,
        query_center_lat=-22.98,
        query_center_lng=-43.19,
        query_radius=2.0,
    )
    names = (
        "fit_price_to_filter_max",
        "fit_price_above_filter_min",
        "fit_price_per_searching_guest",
        "fit_party_share_of_capacity",
        "fit_distance_to_radius",
    )
    assert features_of_row(row, *names) == pytest.approx(
        (0.75, 50.0, 50.0, 0.75, 0.55597), abs=1e-4
    )
    assert features_of_row({**row, "query_price_max": 0.0}, "fit_price_to_filter_max") == (None,)
