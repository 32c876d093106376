"""Prices of stays, held against sums that can be done by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from data.simulator import SimulationConfig
from data.simulator.draws import Array
from data.simulator.listings import Catalogue, draw_catalogue
from data.simulator.parameters import load_world
from data.simulator.prices import Quote, draw_prices, quote
from data.simulator.searches import Queries

CONFIG = SimulationConfig(searches=10, listings=200, start=date(2026, 3, 2))
MONDAY = CONFIG.first_day + 7
RIO = load_world().demand[0].night_multipliers


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    """Every listing at 100 a night, a fee of 30, factors 0.9 and 0.5."""
    drawn = draw_catalogue(CONFIG)
    ones = np.ones(len(drawn))
    return replace(
        drawn,
        price=100 * ones,
        cleaning_fee=30 * ones,
        weekly_factor=0.9 * ones,
        monthly_factor=0.5 * ones,
    )


def _one_search(checkin: int, nights: int, *, is_dated: bool = True) -> Queries:
    values = {"checkin": checkin, "nights": nights, "is_dated": is_dated}
    columns: dict[str, Array] = {
        name: np.array([values.get(name, 0)]) for name in Queries.__dataclass_fields__
    }
    columns["day"] = np.array([CONFIG.first_day])
    return Queries(**columns)


def _quote(catalogue: Catalogue, queries: Queries) -> Quote:
    pair = (np.array([0]), np.array([0]))
    return quote(CONFIG, catalogue, draw_prices(CONFIG, catalogue), queries, pair)


def test_stay_is_the_sum_of_its_nights_and_the_fee(catalogue: Catalogue) -> None:
    price = _quote(catalogue, _one_search(MONDAY + 4, 2))
    nights = 100 * (RIO[4] + RIO[5])
    assert price.total[0] == pytest.approx(nights + 30)
    assert price.shown_per_night[0] == pytest.approx((nights + 30) / 2)
    assert price.felt_per_night[0] == pytest.approx((nights + 30) / 2)


@pytest.mark.parametrize(("nights", "factor"), [(6, 1.0), (7, 0.9), (27, 0.9), (28, 0.5)])
def test_factors_apply_from_seven_and_from_twenty_eight_nights(
    catalogue: Catalogue, nights: int, factor: float
) -> None:
    price = _quote(catalogue, _one_search(MONDAY, nights))
    whole = sum(RIO[night % 7] for night in range(nights))
    assert price.total[0] == pytest.approx(100 * whole * factor + 30, abs=0.01)


def test_listing_without_factor_or_fee_costs_its_nights(catalogue: Catalogue) -> None:
    bare = replace(
        catalogue,
        cleaning_fee=np.full(len(catalogue), np.nan),
        weekly_factor=np.full(len(catalogue), np.nan),
    )
    price = _quote(bare, _one_search(MONDAY, 7))
    assert price.total[0] == pytest.approx(100 * sum(RIO))


def test_dateless_search_shows_one_night_with_its_fee(catalogue: Catalogue) -> None:
    price = _quote(catalogue, _one_search(MONDAY, 5, is_dated=False))
    assert price.total[0] == pytest.approx(130)
    assert price.felt_per_night[0] == pytest.approx(
        100 + 30 / load_world().catalogue.mean_stay_nights
    )


def test_carnival_nights_cost_more_in_rio() -> None:
    config = SimulationConfig(searches=10, listings=200)
    prices = draw_prices(config, draw_catalogue(config))
    friday = (date(2026, 2, 13) - config.start).days
    nightly = np.diff(prices.nights_before, axis=1)
    assert nightly[0, friday : friday + 5] == pytest.approx(
        load_world().demand[0].carnival_multiplier
    )
    assert nightly[0, friday + 5] < 1.2
    assert nightly[1, friday] < 1
