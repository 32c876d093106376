"""The log's evidence on stays, as arrays over a catalogue."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from data.schema.time import DAY_S
from pipelines.candidates.stay_log import has_stays, listings_of, market_codes, read_stay_log

DAY = 20_000
CATALOGUE = pl.DataFrame(
    {
        "market": ["bahia", "rio", "rio"],
        "id_listing": ["flat", "flat", "loft"],
        "listing_minimum_nights": [None, 2, 3],
        "listing_review_rating": [4.5, None, 4.0],
        "listing_is_new": [True, False, None],
    }
)
SCHEMA = {
    "id_search": pl.String,
    "market": pl.String,
    "id_listing": pl.String,
    "search_s": pl.Int64,
    "checkin_day": pl.Int32,
    "checkout_day": pl.Int32,
    "stage": pl.Int8,
    "book_day": pl.Int32,
}


def log(*rows: tuple[Any, ...]) -> pl.LazyFrame:
    return pl.DataFrame(list(rows), schema=SCHEMA, orient="row").lazy()


LOG = log(
    ("s1", "rio", "loft", DAY * DAY_S + 7, DAY + 3, DAY + 5, 3, DAY + 1),
    ("s1", "rio", "flat", DAY * DAY_S + 7, DAY + 3, DAY + 5, 0, None),
    ("s2", "rio", "flat", DAY * DAY_S + 9, None, None, 3, DAY),
    ("s0", "bahia", "flat", DAY * DAY_S + 2, DAY + 1, DAY + 2, 1, None),
    ("s0", "bahia", "gone", DAY * DAY_S + 2, DAY + 1, DAY + 2, 3, DAY),
)


def rows_of(entries: Any) -> list[tuple[int, ...]]:
    return list(
        zip(*(np.asarray(values).tolist() for values in vars(entries).values()), strict=True)
    )


def test_every_dated_row_of_a_known_listing_proves_a_stay_free() -> None:
    shown = read_stay_log(LOG, CATALOGUE).shown
    assert sorted(rows_of(shown)) == [
        (0, DAY + 1, DAY + 2, DAY * DAY_S + 2),
        (1, DAY + 3, DAY + 5, DAY * DAY_S + 7),
        (2, DAY + 3, DAY + 5, DAY * DAY_S + 7),
    ]


def test_each_dated_search_counts_once_in_order_of_time() -> None:
    assert rows_of(read_stay_log(LOG, CATALOGUE).searches) == [
        (0, DAY + 1, DAY + 2, DAY * DAY_S + 2),
        (1, DAY + 3, DAY + 5, DAY * DAY_S + 7),
    ]


def test_a_booking_is_known_from_the_day_after() -> None:
    read = read_stay_log(LOG, CATALOGUE)
    assert rows_of(read.booked) == [(2, DAY + 3, DAY + 5, (DAY + 2) * DAY_S)]
    assert not len(read.before((DAY + 2) * DAY_S - 1).booked.listing_B)
    assert len(read.before((DAY + 2) * DAY_S).booked.listing_B)


@pytest.mark.parametrize("lacking", [["book_day"], ["stage", "book_day"]])
def test_log_without_outcomes_has_no_bookings_and_the_same_stays(lacking: list[str]) -> None:
    read = read_stay_log(LOG.drop(lacking), CATALOGUE)
    assert rows_of(read.booked) == []
    assert len(read.shown) == 3


def test_dates_are_looked_for_in_the_rows_and_not_in_the_columns_alone() -> None:
    assert has_stays(LOG)
    assert not has_stays(LOG.drop("checkin_day"))
    assert not has_stays(LOG.filter(pl.col("id_search") == "s2"))
    assert not has_stays(LOG.filter(pl.col("id_search") == "no search"))


def test_listings_are_arrays_in_the_order_of_the_catalogue() -> None:
    listings = listings_of(CATALOGUE)
    assert listings.market_L.tolist() == [0, 1, 1]
    assert market_codes(CATALOGUE) == {"bahia": 0, "rio": 1}
    np.testing.assert_array_equal(listings.fewest_L, [np.nan, 2, 3])
    # A bound that the log lacks forbids nothing; occupancy is unknown.
    assert np.isnan(listings.most_L).all()
    assert np.isnan(listings.occupancy_L).all()
    np.testing.assert_array_equal(listings.attributes_LA, [[4.5, 1], [np.nan, 0], [4, np.nan]])
    assert listings.takes(np.array([1, 2, 0]), np.array([2, 2, 1])).tolist() == [True, False, True]


def test_a_catalogue_of_ids_alone_has_no_attributes() -> None:
    listings = listings_of(CATALOGUE.select("market", "id_listing"))
    assert listings.attributes_LA.shape == (3, 0)
