"""Prices of scarce nights, kept from day to day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.allocation import Allocation, Certificate, NightPrices
from pipelines.config.home import Home
from pipelines.recommendation.allocation_prices import read_prices, write_prices
from pipelines.recommendation.recommended import Recommended
from tests.pipelines.recommendation.worlds import Unlike

DAY = 20_000
FILE = "night_prices.parquet"
# One id stands in two markets.
CATALOGUE = pl.DataFrame(
    {"market": ["bahia", "rio", "rio", "rio"], "id_listing": ["flat", "flat", "hut", "loft"]}
)
# (row of the catalogue, night after the day, price)
PRICES = [(0, 3, 0.25), (1, 0, 0.5), (1, 2, 0.125), (3, 2, 1.5)]

Rows = list[tuple[int, int, float]]
MakeDay = Callable[..., Recommended]


def priced(*rows: tuple[int, int, float]) -> NightPrices:
    listing, night, price = (np.array(column) for column in zip(*rows, strict=True))
    return NightPrices(listing_M=listing, night_M=night, price_M=price)


def rows_of(prices: NightPrices | None) -> Rows | None:
    if prices is None:
        return None
    return list(
        zip(
            prices.listing_M.tolist(), prices.night_M.tolist(), prices.price_M.tolist(), strict=True
        )
    )


@pytest.fixture
def made_on(unlike: Unlike) -> MakeDay:
    """A day's recommendations over ``CATALOGUE`` with these prices."""

    def made(day: int, prices: NightPrices | None) -> Recommended:
        nothing = Certificate(dual=0, primal=0, bookings=0, most_bookings=0, iterations=0)
        allocation = (
            None
            if prices is None
            else Allocation(prices=prices, worth_GK=np.zeros((0, 0)), certificate=nothing)
        )
        source = replace(unlike.made.source, catalogue=CATALOGUE)
        lists = replace(unlike.made.lists, allocation=allocation)
        return replace(unlike.made, day=day, source=source, lists=lists)

    return made


def test_prices_are_read_as_they_were_written(made_on: MakeDay, tmp_path: Path) -> None:
    made = made_on(DAY, priced(*PRICES))
    write_prices(Home(tmp_path), made)
    assert rows_of(read_prices(Home(tmp_path), made.source, DAY)) == PRICES
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_later_days_count_the_nights_from_themselves(made_on: MakeDay, tmp_path: Path) -> None:
    made = made_on(DAY, priced(*PRICES))
    write_prices(Home(tmp_path), made)
    assert rows_of(read_prices(Home(tmp_path), made.source, DAY + 2)) == [
        (0, 1, 0.25),
        (1, 0, 0.125),
        (3, 0, 1.5),
    ]
    # All nights have passed: a search for prices that starts at none.
    assert rows_of(read_prices(Home(tmp_path), made.source, DAY + 9)) == []


def test_prices_follow_their_listing_through_another_catalogue(
    made_on: MakeDay, tmp_path: Path
) -> None:
    made = made_on(DAY, priced(*PRICES))
    write_prices(Home(tmp_path), made)
    later = pl.DataFrame(
        {"market": ["bahia", "rio", "rio"], "id_listing": ["flat", "annex", "loft"]}
    )
    source = replace(made.source, catalogue=later)
    assert rows_of(read_prices(Home(tmp_path), source, DAY)) == [(0, 3, 0.25), (2, 2, 1.5)]


def test_a_past_day_reads_no_later_prices_and_does_not_replace_them(
    made_on: MakeDay, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    write_prices(home, made_on(DAY, priced(*PRICES)))
    past = made_on(DAY - 1, priced((2, 4, 0.75)))
    assert read_prices(home, past.source, DAY - 1) is None
    write_prices(home, past)
    assert rows_of(read_prices(home, past.source, DAY)) == PRICES
    write_prices(home, made_on(DAY, priced((2, 4, 0.75))))
    assert rows_of(read_prices(home, past.source, DAY)) == [(2, 4, 0.75)]


def test_where_the_policy_is_off_what_is_kept_stays(made_on: MakeDay, tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_prices(home, made_on(DAY, None))
    assert read_prices(home, made_on(DAY, None).source, DAY) is None
    write_prices(home, made_on(DAY, priced(*PRICES)))
    write_prices(home, made_on(DAY + 1, None))
    assert rows_of(read_prices(home, made_on(DAY, None).source, DAY)) == PRICES


@pytest.mark.parametrize(
    "damage",
    [
        {"price": pl.lit(float("nan"))},
        {"price": pl.lit(-0.5)},
        {"price": pl.lit(None, pl.Float64)},
        {"night": pl.lit(1, pl.Int32)},  # a night of a listing twice
        {"day": pl.lit(None, pl.Int32)},
        {"day": pl.lit("today")},
    ],
)
def test_damaged_values_are_as_no_prices_and_are_replaced(
    made_on: MakeDay, tmp_path: Path, damage: dict[str, pl.Expr]
) -> None:
    made = made_on(DAY, priced(*PRICES))
    write_prices(Home(tmp_path), made)
    path = tmp_path / FILE
    pl.read_parquet(path).with_columns(**damage).write_parquet(path)
    assert read_prices(Home(tmp_path), made.source, DAY) is None
    write_prices(Home(tmp_path), made)
    assert rows_of(read_prices(Home(tmp_path), made.source, DAY)) == PRICES


@pytest.mark.parametrize("content", [b"", b"no parquet", None])
def test_a_file_that_cannot_be_read_is_as_no_prices(
    made_on: MakeDay, tmp_path: Path, content: bytes | None
) -> None:
    made = made_on(DAY, priced(*PRICES))
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    assert read_prices(Home(tmp_path), made.source, DAY) is None
