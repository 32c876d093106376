"""The fast formulas of the choice under many tastes are those that the guests follow."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from data.simulator import SimulationConfig
from data.simulator.choice_over_nodes import ChoiceOverNodes, Known, known_of
from data.simulator.choices import Offers, Taste, from_normal, probabilities
from data.simulator.guests import draw_guests
from data.simulator.scenario import SCENARIOS
from data.simulator.searches import chunks_of, draw_plan, queries_of
from data.simulator.taste_nodes import taste_nodes, wish_nodes
from tests.data.simulator.conftest import Array

NODES = 64
MEDIAN_PRICES = np.array([400.0, 250.0])


def _offers(config: SimulationConfig, rows: int) -> Offers:
    """Offers of all kinds, also such as no guest would take."""
    rng = np.random.default_rng(5)
    wide = {
        "log_price": rng.normal(5.8, 1.0, rows),
        "north_km": rng.normal(0, 6, rows),
        "east_km": rng.normal(0, 6, rows),
        "is_entire": rng.random(rows) < 0.7,
        "quality": rng.uniform(-1.5, 0.3, rows),
        "style_first": rng.standard_normal(rows),
        "style_second": rng.standard_normal(rows),
        "plain": rng.normal(0, 2, rows),
        "click_base": rng.normal(-2.4, 1, rows),
        "contact_base": rng.normal(-4, 1, rows),
        "direct_base": np.where(rng.random(rows) < 0.4, rng.normal(-4.9, 1, rows), -np.inf),
        "accept": np.where(rng.random(rows) < 0.9, rng.random(rows), 0.0),
        "has_booked": np.zeros(rows),
    }
    columns = {name: column.astype(np.float32) for name, column in wide.items()}
    return Offers(settings=config.choice, **columns)


def _tastes(config: SimulationConfig, known: Known, search: Array, market: Array) -> Taste:
    """The tastes that nodes stand for, one column per impression."""
    nodes = taste_nodes(NODES)
    noise, knows = known.wish[search, 0], known.wish[search, 0] > 0
    wish = [
        np.where(
            knows,
            centre[search] + noise * nodes[name],
            np.where(market[search] == 0, wish_nodes(0, NODES)[axis], wish_nodes(1, NODES)[axis]),
        )
        for axis, (name, centre) in enumerate((("north", known.north_km), ("east", known.east_km)))
    ]
    own = from_normal(config.choice, nodes)
    return Taste(
        log_budget=known.budget_mean[search] + known.budget_spread[search] * nodes["budget"],
        wish_north_km=wish[0],
        wish_east_km=wish[1],
        **{name: column.astype(np.float32) for name, column in own.items()},
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_chances_are_those_of_the_guests_choice(scenario: str) -> None:
    config = SimulationConfig(searches=300, seed=3, scenario=scenario)
    guests = draw_guests(config, MEDIAN_PRICES)
    plan = draw_plan(config, guests)
    _, chunk = next(chunks_of(config, plan))
    queries = queries_of(config, guests, plan, chunk)
    search = np.repeat(np.arange(len(queries)), 10)
    assert 0 < queries.knows_area.mean() < 1
    assert set(queries.market) == {0, 1} or scenario == "cold_market"
    known, offers = known_of(guests, queries), _offers(config, len(search))
    told = probabilities(offers, _tastes(config, known, search, queries.market))
    found = ChoiceOverNodes(config.choice, NODES).chances(offers, known, search)
    # 1e-12: of what the wildest tastes find worthless, nothing is left of the sixth digit
    assert np.allclose(found.click, told.click.T, rtol=1e-5, atol=1e-12)
    assert np.allclose(found.book, told.book_unless_booked.T, rtol=1e-5, atol=1e-12)


def test_what_cannot_be_booked_has_no_chance_under_any_taste() -> None:
    config = SimulationConfig(searches=50, seed=3)
    guests = draw_guests(config, MEDIAN_PRICES)
    plan = draw_plan(config, guests)
    _, chunk = next(chunks_of(config, plan))
    queries = queries_of(config, guests, plan, chunk)
    search = np.arange(len(queries))
    closed = {"accept": 0.0, "direct_base": -np.inf}
    offers = _offers(config, len(search))
    offers = replace(
        offers, **{name: np.full(len(search), at, np.float32) for name, at in closed.items()}
    )
    chances = ChoiceOverNodes(config.choice, NODES).chances(
        offers, known_of(guests, queries), search
    )
    assert chances.book.max() == 0
    assert chances.click.min() > 0


def test_no_taste_however_wild_leaves_the_range_of_float32() -> None:
    """Warnings are errors here; a hundred units of utility either way."""
    config = SimulationConfig(searches=50, seed=3, scenario="strong_tastes")
    guests = draw_guests(config, MEDIAN_PRICES)
    plan = draw_plan(config, guests)
    _, chunk = next(chunks_of(config, plan))
    queries = queries_of(config, guests, plan, chunk)
    search = np.arange(len(queries))
    for plain in (-100.0, 30.0):
        offers = _offers(config, len(search))
        offers = replace(offers, plain=np.full(len(search), plain, np.float32))
        with np.errstate(all="raise", under="ignore"):
            chances = ChoiceOverNodes(config.choice, NODES).chances(
                offers, known_of(guests, queries), search
            )
        for field in fields(chances):
            values = getattr(chances, field.name)
            assert ((values >= 0) & (values <= 1)).all()
