"""Rows read batch by batch: each value at the place asked for, and no more held than those."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models.funnel import fitting_rows
from models.funnel.config import FunnelConfig
from models.funnel.fitting_rows import FittingRows
from models.lightgbm_core.search_groups import searches_to_learn_from
from models.row_source import (
    one_after_the_other,
    places_of,
    read,
    read_all,
    read_at,
    with_columns,
)
from pipelines.training.model_factory import make_recommender
from tests.models.batches import InBatches
from tests.models.fit_and_digest import quick_settings, saved_digest
from tests.models.worlds import FEATURES, windows, world

ROWS = 1_000


def mixed(rows: int = ROWS) -> pa.Table:
    """Columns of every kind that a features table has, with and without nulls."""
    rng = np.random.default_rng(3)
    some = rng.random(rows) < 0.2
    return pa.table(
        {
            "whole": np.arange(rows),
            "small": rng.integers(0, 4, rows).astype(np.int8),
            "number": rng.random(rows),
            "with_null": pa.array(rng.random(rows), mask=some),
            "counted": pa.array(rng.integers(0, 99, rows), mask=some),
            "flag": pa.array(rng.random(rows) < 0.5, mask=some),
            "word": pa.array([f"w{i}" for i in range(rows)], pa.large_string(), mask=some),
            "day": pa.array(rng.integers(0, 99, rows), pa.int32()).cast(pa.date32()),
            "nothing": pa.nulls(rows),
        }
    )


@pytest.mark.parametrize("size", [1, 7, 64, ROWS])
def test_rows_stand_where_they_were_asked_for(size: int) -> None:
    table = mixed()
    order = np.random.default_rng(1).permutation(ROWS)[:300]
    source = InBatches(table, size)
    chosen, all_of_them = read_at(
        source, table.column_names, [places_of(order, ROWS), np.arange(ROWS)]
    )
    assert chosen.equals(table.take(pa.array(order)))
    assert all_of_them.equals(table)


def test_a_number_that_is_none_stays_apart_from_a_null() -> None:
    table = pa.table({"x": pa.array([np.nan, None, 1.0], from_pandas=False)})
    [found] = read_at(InBatches(table, 2), ["x"], [np.array([1, 2, 0])])
    assert found["x"].null_count == 1
    assert np.isnan(found["x"][1].as_py())


def test_whole_numbers_take_no_more_bytes_than_they_need() -> None:
    most = {"int8": 100, "int16": -200, "int32": 1 << 20, "int64": 1 << 40}
    table = pa.table({name: pa.array([0, 1, None, value]) for name, value in most.items()})
    [found] = read_at(InBatches(table, 1), table.column_names, [np.arange(4)], narrows=True)
    assert [str(field.type) for field in found.schema] == list(most)
    assert found.to_pydict() == table.to_pydict()


def test_no_row_is_a_table_without_rows() -> None:
    table = mixed()
    [found] = read_at(InBatches(table, 9), table.column_names, [np.full(ROWS, -1)])
    assert found.num_rows == 0
    assert found.schema.equals(table.schema)
    assert read_all(InBatches(table.slice(0, 0), 9)).schema.equals(table.schema)


def test_windows_together_have_the_columns_of_both_and_one_type_each() -> None:
    earlier = pa.table({"x": pa.array([1, 2]), "only_here": pa.array([0, 0])})
    later = InBatches(pa.table({"x": pa.array([0.5])}), 1)
    both = one_after_the_other(earlier, later)
    assert both.schema.names == ["x"]
    assert read(both, ["x"])["x"].to_pylist() == [1.0, 2.0, 0.5]


def test_columns_beside_the_rows_are_cut_as_the_rows_are() -> None:
    table = mixed()
    more = pa.table({"twice": pc.multiply(table["whole"], 2)})
    source = with_columns(InBatches(table, 7), more)
    assert read(source, ["twice", "whole"]).equals(
        with_columns(table, more).select(["twice", "whole"])
    )
    assert read(source, ["twice"]).equals(more)
    with pytest.raises(ValueError, match="5 rows of columns for 1000 rows"):
        with_columns(source, more.slice(0, 5))


@pytest.mark.parametrize("name", ["two_tower", "lambdarank", "ranker"])
def test_a_model_learns_the_same_bits_from_batches_as_from_tables(name: str) -> None:
    train, valid, test = windows(world(searches=600))
    settings = quick_settings(1)
    of_tables = make_recommender(name, FEATURES, settings).fit(train, valid)
    of_batches = make_recommender(name, FEATURES, settings)
    of_batches.fit(InBatches(train, 97), InBatches(valid, 64))
    assert saved_digest(of_batches) == saved_digest(of_tables)
    np.testing.assert_array_equal(of_batches.score(test), of_tables.score(test))


WIDTH = 100
SHOWN = 20
ACTIVE = 200


@dataclass(frozen=True)
class WideLog:
    """Searches of which the first ``ACTIVE`` have a click; made as they are read."""

    searches: int

    @property
    def schema(self) -> pa.Schema:
        return self._searches(0, 1).schema

    @property
    def num_rows(self) -> int:
        return self.searches * SHOWN

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for first in range(0, self.searches, ACTIVE):
            yield self._searches(first, min(first + ACTIVE, self.searches)).select(list(columns))

    def _searches(self, first: int, end: int) -> pa.Table:
        search = np.repeat(np.arange(first, end), SHOWN)
        place = np.tile(np.arange(SHOWN), end - first)
        keys = {
            "id_search": pa.array([f"s{n}" for n in search]),
            "id_listing": pa.array([f"l{n}" for n in place]),
            "market": pa.array(["rio"] * len(search)),
            "stage": pa.array(((place == 0) & (search < ACTIVE)).astype(np.int8)),
        }
        features = {f"x{n}": np.full(len(search), float(n)) for n in range(WIDTH)}
        return pa.table(keys | features)


def held_at_most(read_rows: Callable[[], None]) -> int:
    """Bytes that NumPy and Arrow together held at most while ``read_rows()`` ran."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        read_rows()
        return tracemalloc.get_traced_memory()[1] + (pool.max_memory() or 0)
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def learn_orders(log: WideLog) -> None:
    found = searches_to_learn_from(log)
    assert found.count.searches == ACTIVE


def learn_clicks(log: WideLog) -> None:
    config = FunnelConfig(unclicked_share=1e-3, fewest_unclicked=1, corrects_maturity=False)
    rows = FittingRows.of(log, WideLog(0), config)
    assert rows.clicks == ACTIVE


@pytest.mark.parametrize("learn", [learn_orders, learn_clicks])
def test_rows_that_are_not_learnt_from_are_not_held(
    learn: Callable[[WideLog], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their features alone would be WIDTH numbers each; what grows is ids and places of rows."""
    monkeypatch.setattr(fitting_rows, "_SAMPLED_ROWS", ACTIVE)
    few, many = WideLog(10 * ACTIVE), WideLog(30 * ACTIVE)
    grown = held_at_most(lambda: learn(many)) - held_at_most(lambda: learn(few))
    unneeded = (many.num_rows - few.num_rows) * WIDTH * np.dtype(np.float64).itemsize
    assert grown < unneeded / 3
