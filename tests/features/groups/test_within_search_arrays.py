"""Comparing the results of searches as arrays gives what windows give."""

from __future__ import annotations

import hypothesis.strategies as st
import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from features.groups.within_search import (
    ComparedValue,
    _by_arrays,
    _by_windows,
    comparison_features,
)
from features.groups.within_search_arrays import ResultsBySearch

VALUES = st.none() | st.integers(0, 3).map(float) | st.floats(-50, 50)


@pytest.mark.parametrize("low_is_good", [True, False])
@settings(max_examples=60, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(st.integers(0, 4), VALUES), min_size=1, max_size=40))
def test_comparisons_as_arrays_equal_those_as_windows(
    low_is_good: bool, rows: list[tuple[int, float | None]]
) -> None:
    frame = pl.DataFrame(rows, schema={"id_search": pl.UInt32, "v": pl.Float64}, orient="row")
    value = ComparedValue(name="v", column="v", needs=("v",), low_is_good=low_is_good)
    wanted = [f.name for f in comparison_features(value)]
    lazy = nw.from_native(frame.lazy())
    as_arrays, as_windows = (
        way(lazy, [value], wanted).select("id_search", "v", *wanted).collect().to_native()
        for way in (_by_arrays, _by_windows)
    )
    assert_frame_equal(as_arrays, as_windows, rel_tol=1e-12, abs_tol=1e-12)


def test_a_search_with_more_results_than_there_are_searches_is_ranked_the_same() -> None:
    values = np.array([3.0, 1.0, np.nan, 3.0, 2.0])
    results = ResultsBySearch(pl.Series([7, 7, 7, 7, 7], dtype=pl.UInt32))
    low = results.comparisons(values, ["rank"], low_is_good=True)["rank"]
    high = results.comparisons(values, ["rank"], low_is_good=False)["rank"]
    assert low.tolist() == [3, 1, 0, 3, 2]
    assert high.tolist() == [1, 4, 0, 1, 3]


def test_results_that_lie_apart_belong_to_their_search() -> None:
    results = ResultsBySearch(pl.Series([2, 1, 2, 1, 2], dtype=pl.UInt32))
    best = results.comparisons(np.array([4.0, 9.0, 2.0, 3.0, 8.0]), ["to_best"], low_is_good=True)
    assert best["to_best"].tolist() == [2.0, 3.0, 1.0, 1.0, 4.0]
