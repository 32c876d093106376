"""The catalogue: every listing as the latest search that showed it tells it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pyarrow as pa
import pytest

from models.stay_price.stay_prices import StayPrices
from pipelines.candidates.catalogue import NIGHTLY_PRICE, catalogue_of, with_base_prices

SCHEMA = {"checkin_day": pl.Int32, "checkout_day": pl.Int32, "listing_total_price": pl.Float64}


def log(*rows: dict[str, Any]) -> pl.LazyFrame:
    plain = {
        "market": "rio",
        "id_listing": "flat",
        "checkin_day": 100,
        "checkout_day": 101,
        "listing_total_price": None,
        "listing_cleaning_fee": 0.0,
        "listing_person_capacity": 2,
        "x_listing_view": "sea",
    }
    return pl.LazyFrame([plain | row for row in rows], schema_overrides=SCHEMA)


def described(catalogue: pl.DataFrame, *names: str) -> list[tuple[Any, ...]]:
    return catalogue.select("market", "id_listing", *names).rows()


def test_a_listing_is_described_as_it_was_shown_last() -> None:
    catalogue = catalogue_of(
        log(
            {"id_search": "s2", "search_s": 20, "listing_person_capacity": 4},
            {"id_search": "s1", "search_s": 10, "listing_person_capacity": 3},
            {"id_search": "s1", "search_s": 10, "id_listing": "loft", "x_listing_view": "yard"},
        )
    )
    assert described(catalogue, "listing_person_capacity", "x_listing_view") == [
        ("rio", "flat", 4, "sea"),
        ("rio", "loft", 2, "yard"),
    ]


def test_of_two_searches_in_one_second_the_lower_id_describes_it() -> None:
    rows = (
        {"id_search": "s8", "search_s": 20, "listing_person_capacity": 8},
        {"id_search": "s9", "search_s": 20, "listing_person_capacity": 9},
    )
    for order in (rows, rows[::-1]):
        assert described(catalogue_of(log(*order)), "listing_person_capacity") == [
            ("rio", "flat", 8)
        ]


def test_one_id_in_two_markets_is_two_listings() -> None:
    catalogue = catalogue_of(
        log(
            {"id_search": "s1", "search_s": 10, "listing_person_capacity": 3},
            {"id_search": "s2", "search_s": 20, "market": "bahia", "listing_person_capacity": 5},
        )
    )
    assert described(catalogue, "listing_person_capacity") == [
        ("bahia", "flat", 5),
        ("rio", "flat", 3),
    ]


def test_nightly_price_is_the_median_without_fee_and_the_asked_total_is_left_out() -> None:
    nights = {"checkin_day": 100, "checkout_day": 102, "listing_cleaning_fee": 30.0}
    catalogue = catalogue_of(
        log(
            {"id_search": "s1", "search_s": 10, "listing_total_price": 230.0} | nights,
            {"id_search": "s2", "search_s": 20, "listing_total_price": 90.0},
            {"id_search": "s3", "search_s": 30, "listing_total_price": 330.0} | nights,
            {"id_search": "s4", "search_s": 40},
        )
    )
    # (230 − 30) / 2 = 100, 90 and (330 − 30) / 2 = 150; the latest search shows no price
    assert described(catalogue, NIGHTLY_PRICE) == [("rio", "flat", 100.0)]
    assert "listing_total_price" not in catalogue.columns


def test_log_without_prices_has_no_nightly_price() -> None:
    bare = log({"id_search": "s1", "search_s": 10}).drop("listing_total_price")
    assert NIGHTLY_PRICE not in catalogue_of(bare).columns


def test_base_prices_take_the_place_of_the_median_and_keep_the_order() -> None:
    catalogue = catalogue_of(
        log(
            {"id_search": "s1", "search_s": 10, "listing_total_price": 90.0},
            {"id_search": "s1", "search_s": 10, "id_listing": "loft"},
            {"id_search": "s2", "search_s": 10, "market": "bahia", "listing_total_price": 70.0},
        )
    )
    told = pa.table(
        {"market": ["rio", "bahia"], "id_listing": ["flat", "flat"], "base_price": [80.0, 60.0]}
    )
    fitted = StayPrices.fit(
        pa.table(told.rename_columns(["market", "id_listing", "listing_total_price"]))
    )
    prices = StayPrices(markets=fitted.markets, nights=fitted.nights, bases=told)

    plain = with_base_prices(catalogue, prices)

    assert described(plain, NIGHTLY_PRICE) == [
        ("bahia", "flat", pytest.approx(60.0)),
        ("rio", "flat", pytest.approx(80.0)),
        ("rio", "loft", None),
    ]
