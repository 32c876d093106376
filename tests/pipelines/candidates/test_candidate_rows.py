"""Candidate rows on worlds small enough to check by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pipelines.candidates.candidate_rows import (
    candidate_rows,
    candidate_source,
    estimated_prices,
)
from tests.models.stay_price.made_up_log import FIRST_DAY, HOLIDAY, multiplier
from tests.pipelines.candidates.price_log import BASES, CARNIVAL, MARKET, guest_asks, price_log

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
            "listing_total_price": [250.0, 330.0, 350.0, 180.0, 150.0],
            "listing_cleaning_fee": [50.0, 30.0, 50.0, 30.0, 50.0],
        },
        schema_overrides={
            "search_day": pl.Int32,
            "checkin_day": pl.Int32,
            "checkout_day": pl.Int32,
        },
    )


def test_searches_of_the_day_itself_and_later_are_unknown() -> None:
    assert candidate_source(impressions(), DAY).queries.is_empty()


def test_price_is_estimated_for_the_nights_of_the_query() -> None:
    source = candidate_source(impressions(), DAY + 1)
    pairs = pl.DataFrame({"id_search": ["s2"], "id_listing": ["loft"]})
    (row,) = candidate_rows(source, pairs).to_dicts()
    # the loft showed (330 - 30) / 2 and (180 - 30) / 1 a night, and is asked for three
    assert row["listing_total_price"] == pytest.approx(150 * 3 + 30, rel=1e-3)


def test_log_without_prices_gives_candidates_without_prices() -> None:
    bare = impressions().drop("listing_total_price", "listing_cleaning_fee")
    source = candidate_source(bare, DAY + 1)
    (row,) = candidate_rows(
        source, pl.DataFrame({"id_search": ["s2"], "id_listing": ["loft"]})
    ).to_dicts()
    query = source.queries.drop("nights").row(by_predicate=pl.col("id_search") == "s2", named=True)
    assert row == query | {"id_listing": "loft"}


def test_rows_come_in_the_order_of_the_pairs_with_query_and_listing_columns() -> None:
    source = candidate_source(impressions(), DAY + 1)
    pairs = [("s3", "loft"), ("s2", "flat"), ("s3", "flat")]
    rows = candidate_rows(
        source, pl.DataFrame(pairs, schema=["id_search", "id_listing"], orient="row")
    )
    assert rows.select("id_search", "id_listing").rows() == pairs
    assert rows.select("id_user", "query_num_guests", "listing_cleaning_fee").rows() == [
        ("bob", 1, 30.0),
        ("ann", 3, 50.0),
        ("bob", 1, 50.0),
    ]


def test_what_the_latest_searches_showed_is_told_and_no_other_search() -> None:
    shown = candidate_source(impressions(), DAY + 1).shown
    assert sorted(shown.rows()) == [("s2", "flat"), ("s3", "loft"), ("s4", "flat")]


def test_nothing_of_the_day_itself_is_known() -> None:
    later = impressions().with_columns(
        search_day=pl.col("search_day") + 1,
        search_s=pl.col("search_s") + 86_400,
        id_search=pl.concat_str(pl.lit("later "), "id_search"),
        id_listing=pl.lit("villa"),
        listing_total_price=pl.col("listing_total_price") * 9,
    )
    source = candidate_source(impressions(), DAY + 1)
    other = candidate_source(pl.concat([later, impressions()]), DAY + 1)
    assert source.queries.equals(other.queries)
    assert source.catalogue.equals(other.catalogue)


def test_carnival_is_told_at_its_own_price_and_a_tuesday_at_its_own() -> None:
    tuesday = FIRST_DAY + 22
    asked = [guest_asks("carnival", *CARNIVAL), guest_asks("tuesday", tuesday, tuesday + 1)]
    source = candidate_source(price_log(*asked).lazy(), FIRST_DAY + 1)
    pairs = [(f"of {guest}", listing) for guest in ("carnival", "tuesday") for listing in BASES]
    rows = candidate_rows(
        source, pl.DataFrame(pairs, schema=["id_search", "id_listing"], orient="row")
    )

    nights = (sum(HOLIDAY.values()), multiplier(tuesday))
    expected = [base * of_stay for of_stay in nights for base in BASES.values()]
    assert rows["listing_total_price"].to_list() == pytest.approx(expected, rel=1e-3)
    # The same by rows of the queries and of the catalogue.
    places = source.queries.with_row_index("q").filter(pl.col("id_search").str.starts_with("of "))
    query = np.repeat(places["q"].to_numpy(), len(BASES))
    listing = np.tile(np.arange(len(BASES)), 2)
    assert source.catalogue["market"].unique().to_list() == [MARKET]
    np.testing.assert_array_equal(
        estimated_prices(source, query, listing), rows["listing_total_price"].to_numpy()
    )


def test_a_dateless_search_is_told_one_plain_night_and_a_month_its_factor() -> None:
    week = (FIRST_DAY + 21, FIRST_DAY + 28)
    asked = [guest_asks("dateless", None, None), guest_asks("month", week[0], week[0] + 28)]
    log = price_log(*asked).with_columns(listing_monthly_price_factor=pl.lit(0.5))
    # No stay of the log is long enough for the factor; the month is.
    source = candidate_source(log.lazy(), FIRST_DAY + 1)
    pairs = pl.DataFrame({"id_search": ["of dateless", "of month"], "id_listing": ["l0", "l0"]})
    one, month = candidate_rows(source, pairs)["listing_total_price"]
    assert one == pytest.approx(BASES["l0"], rel=1e-3)
    plain = 4 * sum(multiplier(night) for night in range(*week))
    assert month == pytest.approx(0.5 * BASES["l0"] * plain, rel=0.02)


def test_a_listing_without_any_price_has_none() -> None:
    unpriced = guest_asks("ann", *CARNIVAL).with_columns(id_listing=pl.lit("unpriced"))
    source = candidate_source(price_log(unpriced).lazy(), FIRST_DAY + 1)
    pairs = pl.DataFrame({"id_search": ["of ann"] * 2, "id_listing": ["unpriced", "l0"]})
    prices = candidate_rows(source, pairs)["listing_total_price"].to_list()
    assert prices == [None, pytest.approx(BASES["l0"] * sum(HOLIDAY.values()), rel=1e-3)]
