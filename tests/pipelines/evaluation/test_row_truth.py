"""The simulator's probabilities of the rows that are judged: converged, or not at all."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from data.lake.store import Lake
from data.schema.tables import FEATURES, TRUTH
from models.evaluation.oracle import CEILINGS, PERSONAL
from pipelines.config.home import Home
from pipelines.evaluation.row_truth import personal_row_truth, row_truth
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.run_context import RunContext

Finished = tuple[RunContext, str]
KEY = ["id_search", "id_listing"]


@pytest.fixture(scope="module")
def context(finished: Finished) -> RunContext:
    return finished[0]


@pytest.fixture(scope="module")
def rows(context: RunContext) -> pa.Table:
    """Rows of the last day, mixed."""
    features = context.lake.scan(FEATURES.name).select(*KEY, "ds_search")
    last = features.filter(pl.col("ds_search") == pl.col("ds_search").max()).collect()
    return arrow(last.sample(fraction=1, shuffle=True, seed=3).select(KEY))


def _told(context: RunContext, rows: pa.Table, name: str) -> np.ndarray[Any, Any]:
    table = context.lake.scan(TRUTH.name).select(*KEY, name).collect()
    keys = pl.DataFrame(rows.to_pydict())
    return keys.join(table, on=KEY, how="left", maintain_order="left")[name].to_numpy()


@pytest.fixture
def copied(context: RunContext, tmp_path: Path) -> RunContext:
    """The same home elsewhere, to be spoilt."""
    shutil.copytree(context.home.root / "lake", tmp_path / "lake")
    shutil.copy(context.home.simulated_world, Home(tmp_path).simulated_world)
    return replace(context, home=Home(tmp_path))


def test_taste_is_as_the_table_has_it_and_observables_have_converged(
    context: RunContext, rows: pa.Table
) -> None:
    truth = row_truth(context, rows)
    assert truth is not None
    assert set(truth) == {*CEILINGS.values(), "p_click_taste"}
    assert np.array_equal(truth["p_book_taste"], _told(context, rows, "p_book_taste"))
    told, found = _told(context, rows, "p_book_observables"), truth["p_book_observables"]
    assert np.corrcoef(told, found)[0, 1] > 0.9
    assert not np.allclose(told, found, rtol=0.05, atol=1e-4)
    again = row_truth(context, rows, seed=5)
    assert again is not None
    apart = np.abs(again["p_book_observables"] - found).mean()
    assert apart < 0.2 * np.abs(told - found).mean()


def test_some_of_a_searchs_rows_have_the_truth_that_they_have_among_all(
    context: RunContext, rows: pa.Table
) -> None:
    """What the guest saw weighs its tastes, also where only a part of it is judged."""
    few = rows.slice(0, 50)
    some, whole = row_truth(context, few), row_truth(context, rows)
    assert some is not None
    assert whole is not None
    assert np.allclose(some["p_book_observables"], whole["p_book_observables"][:50], rtol=0.1)


def test_row_that_the_truth_does_not_know_leaves_all_without(
    context: RunContext, rows: pa.Table
) -> None:
    foreign = pa.table({"id_search": rows["id_search"][:1], "id_listing": ["simL00999999"]})
    foreign = foreign.cast(rows.schema)
    assert row_truth(context, pa.concat_tables([rows.slice(1, 9), foreign])) is None


def test_world_of_another_seed_has_no_truth_of_this_log(copied: RunContext, rows: pa.Table) -> None:
    world = json.loads(copied.home.simulated_world.read_text())
    assert row_truth(copied, rows) is not None
    copied.home.simulated_world.write_text(json.dumps({**world, "seed": world["seed"] + 1}))
    assert row_truth(copied, rows) is None
    assert personal_row_truth(copied, rows, nodes=64) is None


@pytest.mark.parametrize("content", [None, "{}", "no json", '{"searches": -1}'])
def test_home_that_does_not_know_its_world_has_none(
    copied: RunContext, rows: pa.Table, content: str | None
) -> None:
    copied.home.simulated_world.unlink()
    if content is not None:
        copied.home.simulated_world.write_text(content)
    assert row_truth(copied, rows) is None


def test_truth_of_an_older_home_that_has_no_places_is_not_used(
    copied: RunContext, rows: pa.Table
) -> None:
    lake = Lake(copied.home.root)
    truth = lake.scan(TRUTH.name).collect()
    lake.replace_all(TRUTH.name, truth.drop("position"))
    assert row_truth(copied, rows) is None
    lake.replace_all(TRUTH.name, truth.with_columns(can_book=pl.lit(None, pl.Boolean)))
    assert row_truth(copied, rows) is None


def test_personal_truth_stands_between_the_others(context: RunContext, rows: pa.Table) -> None:
    personal, others = personal_row_truth(context, rows, nodes=1024), row_truth(context, rows)
    assert personal is not None
    assert others is not None
    assert set(personal) == {PERSONAL, "effective_nodes"}
    taste = others["p_book_taste"]
    can = taste > 1e-20
    closeness = {
        name: np.corrcoef(np.log(chances[can] + 1e-9), np.log(taste[can] + 1e-9))[0, 1]
        for name, chances in {**others, **personal}.items()
        if name != "effective_nodes"
    }
    assert closeness["p_book_observables"] < closeness[PERSONAL] < 1
    assert personal["effective_nodes"].max() <= 1024 * 1.001


def test_what_guests_do_after_the_judged_rows_is_not_asked_for(
    context: RunContext, rows: pa.Table
) -> None:
    """The rows of an earlier day, alone: the last day has not happened yet."""
    features = context.lake.scan(FEATURES.name).select(*KEY, "ds_search").collect()
    days = features["ds_search"].unique().sort()
    earlier = arrow(features.filter(pl.col("ds_search") == days[-2]).select(KEY))
    both = pa.concat_tables([earlier, rows])
    alone, among = (personal_row_truth(context, part, nodes=128) for part in (earlier, both))
    assert alone is not None
    assert among is not None
    of_day = among[PERSONAL][: earlier.num_rows]
    # nodes are drawn given a guest's first judged search, which is the same one here
    assert np.allclose(alone[PERSONAL], of_day, rtol=1e-3)
