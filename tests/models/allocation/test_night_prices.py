"""Prices of nights: what a stay costs, and how the next day takes them over."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.allocation import NightPrices


def _prices(*rows: tuple[int, int, float]) -> NightPrices:
    listing, night, price = zip(*rows, strict=True)
    return NightPrices(
        listing_M=np.array(listing), night_M=np.array(night), price_M=np.array(price)
    )


PRICES = _prices((0, 2, 0.25), (0, 3, 0.5), (2, 0, 0.125))


def test_stay_costs_the_sum_of_its_nights() -> None:
    listings = np.array([[0, 1, 2, -1]] * 5)
    first, end = np.array([0, 2, 3, 0, 3]), np.array([3, 4, 3, 30, 99])

    assert PRICES.of_stays(listings, first, end).tolist() == [
        [0.25, 0.0, 0.125, 0.0],
        [0.75, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0],
        [0.75, 0.0, 0.125, 0.0],
        [0.5, 0.0, 0.0, 0.0],
    ]


def test_without_prices_every_stay_is_free() -> None:
    costs = NightPrices.none().of_stays(np.array([[0, 5]]), np.array([0]), np.array([9]))

    assert costs.tolist() == [[0.0, 0.0]]


def test_table_has_the_listings_ids_and_comes_back_the_same() -> None:
    ids = pa.array(["a", "b", "c"])
    table = PRICES.to_table(ids)
    back = NightPrices.from_table(table, ids)

    assert table.to_pydict() == {
        "listing": ["a", "a", "c"],
        "night": [2, 3, 0],
        "price": [0.25, 0.5, 0.125],
    }
    assert back.listing_M.tolist() == [0, 0, 2]
    assert back.night_M.tolist() == [2, 3, 0]
    assert back.price_M.tolist() == [0.25, 0.5, 0.125]


def test_next_day_counts_from_its_own_first_day_and_by_its_own_codes() -> None:
    table = PRICES.to_table(pa.array(["a", "b", "c"])).take([2, 1, 0])
    # "a" has the code 1 now, and the night of "c" has passed.
    later = NightPrices.from_table(table, pa.array(["c", "a"]), days_later=1)

    assert later.listing_M.tolist() == [1, 1]
    assert later.night_M.tolist() == [1, 2]
    assert later.price_M.tolist() == [0.25, 0.5]


def test_listing_that_left_the_catalogue_is_left_out() -> None:
    table = PRICES.to_table(pa.array(["a", "b", "c"]))
    later = NightPrices.from_table(table, pa.array(["c", "d"]))

    assert later.listing_M.tolist() == [0]
    assert later.price_M.tolist() == [0.125]


def test_night_that_has_passed_is_left_out() -> None:
    ids = pa.array(["a", "b", "c"])
    later = NightPrices.from_table(PRICES.to_table(ids), ids, days_later=3)

    assert later.night_M.tolist() == [0]
    assert later.price_M.tolist() == [0.5]


def test_table_without_rows_gives_no_prices() -> None:
    ids = pa.array(["a"])

    assert len(NightPrices.from_table(NightPrices.none().to_table(ids), ids)) == 0


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 1, 0.0)],
        [(0, 1, float("nan"))],
        [(-1, 1, 0.1)],
        [(0, -1, 0.1)],
        [(0, 1, 0.1), (0, 1, 0.2)],
        [(1, 0, 0.1), (0, 0, 0.1)],
    ],
)
def test_bad_prices_are_refused(rows: list[tuple[int, int, float]]) -> None:
    with pytest.raises(ValueError, match="NightPrices"):
        _prices(*rows)


def test_table_without_a_column_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="night, price"):
        NightPrices.from_table(pa.table({"listing": ["a"]}), pa.array(["a"]))
