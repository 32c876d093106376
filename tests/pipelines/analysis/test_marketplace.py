"""Unmet demand, price guidance and missing hosts, on tables to check by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.analysis.marketplace import hosts_to_recruit, price_guidance, unmet_demand

HERE, THERE = (-22.97, -43.18), (-22.91, -43.11)


def searches(clicked: list[bool], place: tuple[float, float], guests: int = 2) -> pl.DataFrame:
    """One impression per search around a place, with a click or without."""
    return pl.DataFrame(
        {
            "market": "rio",
            "id_search": [f"{place} {n}" for n in range(len(clicked))],
            "query_checkin": date(2026, 2, 4),
            "query_num_guests": guests,
            "query_center_lat": place[0],
            "query_center_lng": place[1],
            "stage": [int(is_clicked) for is_clicked in clicked],
        }
    )


def listings(prices: list[float], place: tuple[float, float], capacity: int = 2) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "market": "rio",
            "id_listing": [f"l{n}" for n in range(len(prices))],
            "listing_lat": place[0],
            "listing_lng": place[1],
            "listing_room_type": "flat",
            "listing_person_capacity": capacity,
            "nightly_price": prices,
            "impressions": 100,
            "clicks": range(len(prices)),
            "bookings": 0,
        }
    )


def test_unmet_demand_is_above_the_markets_rate_which_an_area_is_drawn_towards() -> None:
    log = pl.concat([searches([False] * 50, HERE), searches([True] * 50, THERE)])
    worst, best = unmet_demand(log.lazy()).to_dicts()
    # The market clicks in half of its searches; 50 of its searches are added to each area.
    assert worst["week"] == date(2026, 2, 2)
    assert (worst["searches"], worst["click_rate"]) == (50, (0 + 50 * 0.5) / 100)
    assert worst["unmet"] == pytest.approx(50 * (0.5 - 0.25))
    assert (best["click_rate"], best["unmet"]) == (0.75, 0.0)


def test_price_guidance_compares_with_the_median_of_at_least_five_others() -> None:
    guidance = price_guidance(listings([80, 90, 100, 110, 120, 200], HERE))
    dearest = guidance.row(0, named=True)
    assert (dearest["id_listing"], dearest["comparable"]) == ("l5", 5)
    assert dearest["price_ratio"] == pytest.approx(200 / 105)
    assert (dearest["click_rate"], dearest["comparable_click_rate"]) == (0.05, 15 / 600)
    assert price_guidance(listings([80, 90, 100, 110, 120], HERE)).is_empty()


def test_hosts_are_wanted_where_searches_per_listing_exceed_the_markets() -> None:
    log = pl.concat([searches([False] * 30, HERE), searches([False] * 10, THERE)])
    stays = pl.concat([listings([100.0], HERE), listings([100.0] * 3, THERE)])
    here, there = hosts_to_recruit(log.lazy(), stays).to_dicts()
    # 40 searches and 4 listings in the market: 10 a listing. 30 here want 3, and there is 1.
    assert (here["capacity"], here["searches_per_listing"], here["wanted"]) == ("1-2", 30.0, 2.0)
    assert (there["searches"], there["listings"], there["wanted"]) == (10, 3, 0.0)
