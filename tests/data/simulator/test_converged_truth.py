"""The truth given observables, with enough nodes: the same quantity, and it has converged."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.simulator import SimulationConfig
from data.simulator.converged_truth import ConvergedTruth, ShownRows, nodes_for
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import Ceiling
from tests.data.simulator.conftest import Array, Week, simulated_week

SETTINGS = {"searches": 6_000, "seed": 21, "searches_per_chunk": 1_000}
SCENARIOS = ("default", "clickbait", "strong_tastes", "contrast", "drift")
KS = (5, 10, 38)


@cache
def week(scenario: str) -> Week:
    return simulated_week(**SETTINGS, scenario=scenario)


@cache
def truth(scenario: str) -> ConvergedTruth:
    return ConvergedTruth(SimulationConfig(**SETTINGS, scenario=scenario))


def _last_day(scenario: str) -> pa.Table:
    log, table = week(scenario).log, week(scenario).truth
    table = table.append_column("query_price_max", log["query_price_max"])
    return table.filter(pc.equal(table["ds_search"], pc.max(table["ds_search"])))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_with_the_nodes_of_the_truth_table_it_is_its_column(scenario: str) -> None:
    rows = _last_day(scenario)
    nodes = truth(scenario).config.choice.taste_nodes
    found = truth(scenario).observables(ShownRows.of_table(rows), nodes=nodes, draws=1)
    told = rows["p_book_observables"].to_numpy()
    can_book = rows["can_book"].to_numpy()
    assert 0.5 < can_book.mean() < 1
    # without a free host the table holds what float32 leaves of nothing
    assert np.allclose(found[can_book], told[can_book], rtol=1e-5, atol=1e-12)
    assert found[~can_book].max() == 0
    assert told[~can_book].max() < 1e-20


def test_order_of_rows_threads_and_company_change_nothing() -> None:
    rows = _last_day("default")
    asked = ShownRows.of_table(rows)
    whole = truth("default").observables(asked, nodes=128)
    mixed = np.random.default_rng(0).permutation(len(whole))
    one_thread = truth("default").observables(asked.part(mixed), nodes=128, threads=1)
    assert np.allclose(one_thread, whole[mixed], rtol=1e-6)
    few = np.flatnonzero(asked.search % 7 == 3)
    assert np.allclose(truth("default").observables(asked.part(few), nodes=128), whole[few], 1e-6)


def test_world_tells_a_truth_table_of_its_own_from_another_one() -> None:
    rows = _last_day("default")
    asked, told = ShownRows.of_table(rows), rows["p_book_observables"].to_numpy()
    assert truth("default").is_of(asked, told)
    other = ConvergedTruth(SimulationConfig(**{**SETTINGS, "seed": 22}))
    assert not other.is_of(asked, told)


def test_search_that_the_world_lacks_is_refused() -> None:
    rows = ShownRows.of_table(_last_day("default"))
    small = ConvergedTruth(SimulationConfig(**{**SETTINGS, "searches": 100}))
    with pytest.raises(ValueError, match="searches that the simulated world lacks"):
        small.observables(rows)


def test_no_rows_have_no_truth() -> None:
    rows = ShownRows.of_table(_last_day("default"))
    assert len(truth("default").observables(rows.part(np.empty(0, dtype=np.int64)))) == 0


def test_few_rows_get_more_nodes_and_always_a_power_of_two() -> None:
    counts = [nodes_for(rows) for rows in (1, 4_000, 9_000, 40_000, 10**9)]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) == 512
    assert all(count & (count - 1) == 0 for count in counts)


@pytest.mark.parametrize("scenario", ["default", "strong_tastes"])
def test_two_seeds_of_the_nodes_agree_in_every_g(scenario: str) -> None:
    """Each to half a per cent of itself, from a weak order to the two oracles."""
    rows = _last_day(scenario)
    asked = ShownRows.of_table(rows)
    one, other = (truth(scenario).observables(asked, seed=seed) for seed in (1, 10_001))
    told = rows["p_book_observables"].to_numpy()
    orders = {
        "as shown": -asked.position.astype(float),
        "32 nodes": told,
        "oracle": one,
        "oracle of the other seed": other,
        "oracle of the taste": rows["p_book_taste"].to_numpy(),
    }
    for name, order in orders.items():
        assert _g(rows, order, one) == pytest.approx(_g(rows, order, other), rel=0.005), name
    # the truth table's own order is further from the best than the seeds are from each other
    assert _g(rows, told, one)[1] < 0.99
    assert _g(rows, other, one)[1] > 0.998


def _g(rows: pa.Table, order: Array, chance: Array) -> list[float]:
    """G of an order at 5, 10 and 38 under true chances of a booking."""
    zero = pa.array(np.zeros(rows.num_rows, dtype=np.int8))
    arranged = arrange_rows(rows.select(["id_search", "id_listing"]).append_column("stage", zero))
    ceiling = Ceiling(arranged, "observables", arranged.arrange(chance))
    measures = ceiling.measures(arranged, arranged.ranks(order, model="order"), KS)
    return [
        float(measure.numerator.sum() / measure.denominator.sum())
        for measure in measures
        if measure.metric.startswith("g_")
    ]
