"""Comparing the results of searches as arrays, by hand."""

from __future__ import annotations

import numpy as np
import polars as pl

from features.formulas.within_search_arrays import ResultsBySearch


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
