"""The two ways of finding dominated results give the same counts."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
from hypothesis import given, settings

from features.groups.within_search_dominance import _by_pairs, dominated_by

NAME = "in_search_dominated_by"
SMALL = st.none() | st.integers(0, 3).map(float)
ROWS = st.lists(st.tuples(st.integers(0, 4), SMALL, SMALL, SMALL), min_size=1, max_size=40)


def counted(frame: Any) -> list[int | None]:
    collected: pl.DataFrame = frame.to_native().collect()
    return collected.sort("id_listing")[NAME].to_list()


def results(rows: list[tuple[int, float | None, float | None, float | None]]) -> nw.LazyFrame[Any]:
    columns = ["id_search", "price", "distance", "rating"]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.Float64), orient="row")
    searches = pl.col("id_search").cast(pl.Int64).cast(pl.String)
    return nw.from_native(frame.with_columns(searches).with_row_index("id_listing").lazy())


def test_a_result_is_dominated_by_those_no_worse_in_all_and_better_in_one() -> None:
    rows = [(1, 90.0, 1.0, 4.5), (1, 80.0, 1.0, 4.5), (1, 70.0, 2.0, 4.0), (1, None, 0.0, 5.0)]
    counts = counted(dominated_by(results(rows), low=("price", "distance"), high=("rating",)))
    assert counts == [1, 0, 0, None]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(rows=ROWS)
def test_comparing_as_arrays_equals_joining_each_search_with_itself(
    rows: list[tuple[int, float | None, float | None, float | None]],
) -> None:
    low, high = ("price", "distance"), ("rating",)
    as_arrays = counted(dominated_by(results(rows), low=low, high=high))
    assert as_arrays == counted(_by_pairs(results(rows), low, high))
