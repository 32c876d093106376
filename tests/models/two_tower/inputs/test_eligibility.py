"""Bounds are exact, null binds nothing, and the mask comes before the top-k."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from models.two_tower.exact_search import exact_top_k
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


def test_top_k_in_blocks_equals_a_full_sort() -> None:
    chance = torch.Generator().manual_seed(0)
    query_QD = torch.randn(7, 5, generator=chance)
    listing_LD = torch.randn(50, 5, generator=chance)
    permitted_QL = torch.rand(7, 50, generator=chance) < 0.5
    scores, places = exact_top_k(
        query_QD,
        listing_LD,
        6,
        allowed=lambda q, r: permitted_QL[q, r],
        query_block=3,
        listing_block=8,
    )
    score_QL = (query_QD @ listing_LD.T).masked_fill(~permitted_QL, float("-inf"))
    expected = torch.sort(score_QL, dim=1, descending=True)
    torch.testing.assert_close(scores, expected.values[:, :6])
    assert torch.equal(places, expected.indices[:, :6])


def test_few_eligible_listings_are_all_found() -> None:
    """The two allowed ones score worst; over-fetching and filtering would lose them."""
    listing_LD = torch.arange(100.0)[:, None]
    permitted_QL = torch.zeros(1, 100, dtype=torch.bool)
    permitted_QL[0, [3, 5]] = True
    scores, places = exact_top_k(
        torch.ones(1, 1), listing_LD, 4, allowed=lambda q, r: permitted_QL[q, r], listing_block=10
    )
    assert places.tolist() == [[5, 3, -1, -1]]
    assert torch.isinf(scores[0, 2:]).all()


def test_fewer_listings_than_k_leave_empty_places() -> None:
    _, places = exact_top_k(torch.ones(1, 1), torch.ones(2, 1), 5)
    assert sorted(places[0].tolist()) == [-1, -1, -1, 0, 1]
