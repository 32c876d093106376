"""A listing beside the other results of its search, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from tests.features.worlds import features_of, impression, typed


def test_three_prices_are_ranked_and_compared_with_their_median_and_best() -> None:
    prices = {"l1": 100.0, "l2": 200.0, "l3": 300.0, "l4": None}
    log = typed([impression("s1", k, listing_total_price=p) for k, p in prices.items()])
    names = ["in_search_price_rank", "in_search_price_to_median", "in_search_price_to_best"]
    assert features_of(log, names).rows() == [
        (1, 0.5, 1.0),
        (2, 1.0, 2.0),
        (3, 1.5, 3.0),
        (None,) * 3,
    ]
    z = features_of(log, ["in_search_price_z"])["in_search_price_z"].to_list()
    assert z == [pytest.approx(-(1.5**0.5)), 0.0, pytest.approx(1.5**0.5), None]


def test_results_all_alike_have_no_z_score() -> None:
    log = typed([impression("s1", k, listing_review_rating=4.5) for k in ("l1", "l2")])
    names = ["in_search_rating_z", "in_search_rating_rank", "in_search_results"]
    assert features_of(log, names).rows() == [(None, 1, 2), (None, 1, 2)]


def test_domination_needs_all_three_and_one_strictly() -> None:
    def row(listing: str, price: float, lat: float, rating: float | None) -> dict[str, Any]:
        return impression(
            "s1",
            listing,
            listing_total_price=price,
            listing_lat=lat,
            listing_lng=0.0,
            query_center_lat=0.0,
            query_center_lng=0.0,
            listing_review_rating=rating,
        )

    log = typed(
        [
            row("a", 100.0, 0.01, 4.8),
            row("b", 120.0, 0.02, 4.5),
            row("c", 90.0, 0.03, 4.9),
            row("d", 100.0, 0.01, 4.8),
            row("e", 80.0, 0.01, None),
        ]
    )
    counts = features_of(log, ["in_search_dominated_by"])["in_search_dominated_by"].to_list()
    assert counts == [0, 2, 0, 0, None]


def test_room_type_share_counts_unknown_types_among_the_results() -> None:
    rooms = {"l1": "entire_home", "l2": "entire_home", "l3": "private_room", "l4": None}
    log = typed([impression("s1", k, listing_room_type=room) for k, room in rooms.items()])
    names = ["in_search_room_type_share", "in_search_results"]
    assert features_of(log, names).rows() == [(0.5, 4), (0.5, 4), (0.25, 4), (None, 4)]
