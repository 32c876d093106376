"""Demand, supply and prices around a search, by hand."""

from __future__ import annotations

from typing import Any

from data.schema.time import DAY_S
from tests.features.worlds import features_of, impression, typed

SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


def test_market_knows_demand_and_price_level() -> None:
    def row(search: str, at: int, price: float) -> dict[str, Any]:
        return impression(
            search,
            at=at,
            listing_total_price=price,
            listing_lat=-22.97,
            listing_lng=-43.19,
            listing_person_capacity=2,
        )

    log = typed([row("s1", 0, 100.0), row("s2", 10, 300.0), row("s3", 3_600, 100.0)])
    names = ["market_searches_24h", "market_comparable_price", "market_price_to_comparable"]
    assert features_of(log, names).rows() == [(0, None, None), (0, None, None), (2, 200.0, 0.5)]


def test_market_counts_check_ins_supply_and_demand_of_a_cell() -> None:
    def row(search: str, listing: str, at: int, checkin: int) -> dict[str, Any]:
        place = {"listing_lat": -22.97, "listing_lng": -43.19}
        return impression(search, listing, at=at, checkin_day=checkin, **place)

    log = typed(
        [
            row("s1", "l1", 0, SATURDAY),
            row("s1", "l2", 0, SATURDAY),
            row("s2", "l1", 10, SATURDAY + 1),
            row("s3", "l1", DAY_S + 3_600, SATURDAY),
        ]
    )
    names = ["market_checkin_share", "cell_listings", "cell_impressions_per_listing"]
    assert features_of(log, names).rows() == [*[(None, 0, None)] * 3, (0.5, 2, 1.5)]
