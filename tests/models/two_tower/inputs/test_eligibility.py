"""Bounds are exact, null binds nothing, and the mask comes before the top-k."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.inputs.eligibility import Eligibility

EVERYTHING = slice(None)


def mask(query: dict[str, Any], *listings: dict[str, Any]) -> list[bool]:
    allowed = Eligibility.of(pa.Table.from_pylist([query]), pa.Table.from_pylist(list(listings)))
    return list(allowed(EVERYTHING, EVERYTHING)[0].tolist())


@pytest.mark.parametrize(
    ("query", "column", "values", "expected"),
    [
        ({"query_num_guests": 3}, "listing_person_capacity", [2, 3, None], [False, True, True]),
        ({"query_nights": 3}, "listing_minimum_nights", [4, 3, None], [False, True, True]),
        ({"query_nights": 3}, "listing_maximum_nights", [2, 3, None], [False, True, True]),
        ({"query_price_min": 50.0}, "listing_nightly_price", [49.9, 50.0], [False, True]),
        ({"query_price_max": 50.0}, "listing_nightly_price", [50.1, 50.0], [False, True]),
        ({"query_num_guests": None}, "listing_person_capacity", [1, 2], [True, True]),
        ({"query_nights": None}, "listing_minimum_nights", [9, 1], [True, True]),
        ({"other": 1}, "listing_person_capacity", [1, 2], [True, True]),
    ],
)
def test_bounds_are_inclusive_and_null_binds_nothing(
    query: dict[str, Any], column: str, values: list[Any], expected: list[bool]
) -> None:
    assert mask(query, *({column: value} for value in values)) == expected


def test_only_listings_of_the_searched_market_are_allowed() -> None:
    listings = ({"market": "rio"}, {"market": "sp"})
    assert mask({"market": "rio"}, *listings) == [True, False]
    assert mask({"market": None}, *listings) == [True, True]


def test_distance_agrees_with_the_haversine() -> None:
    chance = np.random.default_rng(0)
    lat, lng = -23 + chance.normal(0, 0.1, 500), -43 + chance.normal(0, 0.1, 500)
    radius = 8.0
    query = {"query_center_lat": -23.0, "query_center_lng": -43.0, "query_radius": radius}
    listings = [{"listing_lat": a, "listing_lng": b} for a, b in zip(lat, lng, strict=True)]
    phi, zero = np.radians(lat), np.radians(-23.0)
    half = (
        np.sin((phi - zero) / 2) ** 2
        + np.cos(phi) * np.cos(zero) * np.sin(np.radians(lng + 43.0) / 2) ** 2
    )
    km = 2 * 6371.0088 * np.arcsin(np.sqrt(half))
    assert mask(query, *listings) == (km <= radius).tolist()


def test_a_listing_or_a_search_without_coordinates_is_not_too_far() -> None:
    query = {"query_center_lat": 0.0, "query_center_lng": 0.0, "query_radius": 1.0}
    lost, far = (
        {"listing_lat": None, "listing_lng": 0.0},
        {"listing_lat": 5.0, "listing_lng": 0.0},
    )
    assert mask(query, lost, far) == [True, False]
    assert mask({**query, "query_radius": None}, lost, far) == [True, True]
