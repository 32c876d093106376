"""Queries and catalogue on a world small enough to check by hand."""

from __future__ import annotations

import polars as pl
import pytest

from pipelines.recommendation.candidate_rows import candidate_rows, candidate_source

DAY = 20_000
SECOND = DAY * 86_400


def impressions() -> pl.LazyFrame:
    """Guest ann searches twice, guest bob once; the third search names no guest."""
    return pl.LazyFrame(
        {
            "id_search": ["s1", "s1", "s2", "s3", "s4"],
            "id_user": ["ann", "ann", "ann", "bob", None],
            "id_listing": ["flat", "loft", "flat", "loft", "flat"],
            "market": ["rio", "rio", "rio", "rio", "rio"],
            "search_s": [SECOND + 60, SECOND + 60, SECOND + 900, SECOND + 300, SECOND + 400],
            "search_day": [DAY] * 5,
            "ds_search": [DAY] * 5,
            "checkin_day": [DAY + 5, DAY + 5, DAY + 9, DAY, None],
            "checkout_day": [DAY + 7, DAY + 7, DAY + 12, DAY + 1, None],
            "query_num_guests": [2, 2, 3, 1, 1],
            "listing_total_price": [250.0, 330.0, 350.0, 130.0, 150.0],
            "listing_cleaning_fee": [50.0, 30.0, 50.0, 30.0, 50.0],
        },
        schema_overrides={
            "search_day": pl.Int32,
            "checkin_day": pl.Int32,
            "checkout_day": pl.Int32,
        },
    )


def test_the_query_of_each_guest_is_the_most_recent_search() -> None:
    queries = candidate_source(impressions(), DAY + 1).queries
    assert sorted(queries["id_search"]) == ["s2", "s3", "s4"]


def test_search_is_repeated_on_the_day_at_its_own_time() -> None:
    queries = candidate_source(impressions(), DAY + 1).queries.sort("id_search")
    assert queries["search_s"].to_list()[0] == SECOND + 86_400 + 900
    assert queries["search_day"].to_list()[0] == DAY + 1


def test_search_whose_checkin_has_passed_keeps_its_time() -> None:
    (bob,) = candidate_source(impressions(), DAY + 1).queries.filter(id_user="bob").to_dicts()
    assert (bob["search_s"], bob["search_day"]) == (SECOND + 300, DAY)


def test_searches_of_the_day_itself_and_later_are_unknown() -> None:
    assert candidate_source(impressions(), DAY).queries.is_empty()


def test_price_is_estimated_for_the_nights_of_the_query() -> None:
    source = candidate_source(impressions(), DAY + 1)
    pairs = pl.DataFrame({"id_search": ["s2"], "id_listing": ["loft"]})
    (row,) = candidate_rows(source, pairs).to_dicts()
    # loft showed (330 - 30) / 2 = 150 and (130 - 30) / 1 = 100 a night: the median is 125
    assert row["listing_total_price"] == pytest.approx(125 * 3 + 30)


def test_log_without_prices_gives_candidates_without_prices() -> None:
    bare = impressions().drop("listing_total_price", "listing_cleaning_fee")
    source = candidate_source(bare, DAY + 1)
    (row,) = candidate_rows(
        source, pl.DataFrame({"id_search": ["s2"], "id_listing": ["loft"]})
    ).to_dicts()
    query = source.queries.drop("nights").row(by_predicate=pl.col("id_search") == "s2", named=True)
    assert row == query | {"id_listing": "loft"}
