"""The marketplace by neighbourhood, on tables to check by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest

from pipelines.analysis.marketplace_by_area import hosts_by_area, unmet_by_area, with_areas
from pipelines.reporting.marketplace_section import parts_of

# Barra da Tijuca is several cells wide.
BARRA, NEAR_IT, IPANEMA = (-23.009, -43.342), (-23.009, -43.325), (-22.985, -43.195)
CITY_WIDE = 22.0


def searches(
    clicked: list[bool], place: tuple[float, float], radius: float = 2.0, name: str = ""
) -> pl.DataFrame:
    """One impression per search around a place, with a click or without."""
    return pl.DataFrame(
        {
            "market": "rio_de_janeiro",
            "id_search": [f"{place} {name} {n}" for n in range(len(clicked))],
            "query_checkin": date(2026, 2, 4),
            "query_num_guests": 2,
            "query_center_lat": place[0],
            "query_center_lng": place[1],
            "query_radius": radius,
            "stage": [int(is_clicked) for is_clicked in clicked],
        }
    )


def listings(number: int, place: tuple[float, float]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "market": "rio_de_janeiro",
            "listing_lat": [place[0]] * number,
            "listing_lng": place[1],
            "listing_person_capacity": 2,
        }
    )


def test_cells_of_one_neighbourhood_are_one_row_and_whole_cities_are_left_out() -> None:
    log = pl.concat(
        [
            searches([False] * 20, BARRA),
            searches([False] * 10, NEAR_IT),
            searches([True] * 30, IPANEMA),
            searches([False] * 500, BARRA, CITY_WIDE, name="city"),
        ]
    )
    worst, best = unmet_by_area(log.lazy()).to_dicts()
    assert (worst["area"], worst["searches"]) == ("Barra da Tijuca", 30)
    assert (best["area"], best["searches"], best["unmet"]) == ("Ipanema", 30, 0.0)
    # the market clicks in half of its 60 searches; 50 of its searches are added to each cell
    expected = 20 * (0.5 - 25 / 70) + 10 * (0.5 - 25 / 60)
    assert worst["unmet"] == pytest.approx(expected)


def test_hosts_are_wanted_where_a_whole_neighbourhood_lacks_them() -> None:
    log = pl.concat([searches([False] * 20, BARRA), searches([False] * 10, NEAR_IT)])
    log = pl.concat([log, searches([False] * 10, IPANEMA)])
    stays = pl.concat([listings(1, BARRA), listings(1, NEAR_IT), listings(2, IPANEMA)])
    here, there = hosts_by_area(log.lazy(), stays).to_dicts()
    # 40 searches and 4 listings: 10 a listing; 30 searches want 3, and there are 2
    assert (here["area"], here["searches"], here["listings"]) == ("Barra da Tijuca", 30, 2)
    assert (here["usual"], here["wanted"], there["wanted"]) == (10.0, 1.0, 0.0)


def test_a_city_without_known_neighbourhoods_has_places_instead() -> None:
    cells = pl.DataFrame(
        {"market": ["lisbon"] * 2, "area_lat": [38.71, None], "area_lng": [-9.14, None]}
    )
    assert with_areas(cells)["area"].to_list() == ["around 38.71, -9.14", "place not known"]


def test_a_log_that_tells_no_places_has_no_marketplace() -> None:
    bare = pl.LazyFrame({"market": ["rio"], "id_search": ["s"], "id_listing": ["l"], "stage": [0]})
    assert parts_of(bare) == []
    # and of demand alone only what demand tells
    demand = searches([False] * 20, BARRA).with_columns(id_listing=pl.lit("l"))
    quiet = pl.concat([demand, searches([True] * 20, IPANEMA).with_columns(id_listing=pl.lit("l"))])
    assert [part["title"] for part in parts_of(quiet.lazy())] == ["Unmet demand"]
