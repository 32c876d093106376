"""The truth of one who remembers the guest: between the other two, and it has converged."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.simulator import SimulationConfig
from data.simulator.converged_truth import ConvergedTruth, ShownRows
from data.simulator.personal_truth import GuestRows, PersonalTruth, personal_truth
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import Ceiling
from tests.data.simulator.conftest import Array, simulated_week

SETTINGS: dict[str, Any] = {"searches": 5_000, "seed": 31, "searches_per_chunk": 1_000}


@cache
def world(scenario: str = "default") -> tuple[ConvergedTruth, pa.Table]:
    """The world, and its log and truth side by side."""
    week = simulated_week(**SETTINGS, scenario=scenario)
    table = week.truth
    for name in ("query_price_max", "label"):
        table = table.append_column(name, week.log[name])
    return ConvergedTruth(SimulationConfig(**SETTINGS, scenario=scenario)), table


def guest_rows(table: pa.Table) -> GuestRows:
    """The whole log, its last day to be judged."""
    return GuestRows(
        shown=ShownRows.of_table(table),
        clicked=pc.not_equal(table["label"], "impressed").to_numpy(),
        judged=pc.equal(table["ds_search"], pc.max(table["ds_search"])).to_numpy(),
    )


@cache
def found(scenario: str = "default", *, nodes: int = 1024, seed: int = 1) -> PersonalTruth:
    truth, table = world(scenario)
    return personal_truth(truth, guest_rows(table), nodes=nodes, seed=seed)


def _g(order: Array, chance: Array, scenario: str = "default") -> float:
    """G@10 on the last day."""
    table = world(scenario)[1]
    judged = guest_rows(table).judged
    zero = pa.array(np.zeros(judged.sum(), dtype=np.int8))
    rows = table.select(["id_search", "id_listing"]).filter(pa.array(judged))
    arranged = arrange_rows(rows.append_column("stage", zero))
    ceiling = Ceiling(arranged, "x", arranged.arrange(chance[judged]))
    measure, _ = ceiling.measures(arranged, arranged.ranks(order[judged], model="x"), (10,))
    return float(measure.numerator.sum() / measure.denominator.sum())


def test_only_judged_rows_have_it_and_it_is_a_probability() -> None:
    judged = guest_rows(world()[1]).judged
    book = found().book
    assert np.isnan(book[~judged]).all()
    assert ((book[judged] >= 0) & (book[judged] < 1)).all()
    can_book = world()[1]["can_book"].to_numpy()
    assert book[judged & ~can_book].max() == 0
    assert book[judged & can_book].min() > 0


@pytest.mark.parametrize("scenario", ["default", "contrast", "strong_tastes"])
def test_it_lies_between_observables_and_taste(scenario: str) -> None:
    truth, table = world(scenario)
    taste = table["p_book_taste"].to_numpy()
    observables = truth.observables(guest_rows(table).shown, nodes=128)
    share = {
        name: _g(order, taste, scenario)
        for name, order in {
            "observables": observables,
            "personal": found(scenario).book,
        }.items()
    }
    assert share["observables"] + 0.02 < share["personal"] < 0.99


def test_two_seeds_of_the_nodes_agree() -> None:
    one, other = found(nodes=4096).book, found(nodes=4096, seed=101).book
    taste = world()[1]["p_book_taste"].to_numpy()
    position = -world()[1]["position"].to_numpy().astype(float)
    assert _g(one, taste) == pytest.approx(_g(other, taste), rel=0.02)
    for order in (taste, position):
        assert _g(order, one) == pytest.approx(_g(order, other), rel=0.02)
    assert min(_g(one, other), _g(other, one)) > 0.98


def test_guest_without_a_past_has_the_truth_given_observables() -> None:
    truth, table = world()
    rows = guest_rows(table)
    guest = truth.world.plan.guest[rows.shown.search]
    first = truth.world.plan.ordinal[rows.shown.search] == 0
    at = np.flatnonzero(rows.judged & first)
    assert len(at) > 50
    observables = truth.observables(rows.shown.part(at), nodes=8192, draws=1)
    close = np.abs(found(nodes=2048).book[at] / np.maximum(observables, 1e-12) - 1)
    assert np.median(close) < 0.02
    told = found(nodes=2048).effective_nodes[at]
    assert told == pytest.approx(2048, rel=1e-3)
    assert len(np.unique(guest[at])) > 5


def test_the_more_a_guest_has_done_the_fewer_nodes_explain_it() -> None:
    truth, table = world()
    rows = guest_rows(table)
    ordinal = truth.world.plan.ordinal[rows.shown.search]
    few = found().effective_nodes[rows.judged & (ordinal < 3)]
    many = found().effective_nodes[rows.judged & (ordinal > 12)]
    assert np.median(few) > 3 * np.median(many)
    assert many.min() >= 1 - 1e-3


def test_what_comes_after_a_search_does_not_change_its_truth() -> None:
    truth, table = world()
    rows = guest_rows(table)
    last = rows.shown.search[rows.judged]
    middle = int(np.median(last))
    before = np.flatnonzero(rows.shown.search <= middle)
    cut = GuestRows(
        shown=rows.shown.part(before), clicked=rows.clicked[before], judged=rows.judged[before]
    )
    # clicks of the judged day's later searches turned round
    later = rows.clicked ^ (rows.shown.search > middle)
    changed = GuestRows(shown=rows.shown, clicked=later, judged=rows.judged)
    one = personal_truth(truth, cut, nodes=256, draws=1).book
    other = personal_truth(truth, changed, nodes=256, draws=1).book[before]
    judged = cut.judged
    assert np.allclose(one[judged], other[judged], rtol=1e-4)


def test_threads_do_not_matter() -> None:
    truth, table = world()
    one, two = (
        personal_truth(truth, guest_rows(table), nodes=128, threads=threads).book
        for threads in (1, 2)
    )
    assert np.array_equal(one, two, equal_nan=True)
