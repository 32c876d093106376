"""What retrieval finds: recall by group of listings, by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from types import ModuleType

import polars as pl
import pytest


@pytest.fixture(scope="module")
def retrieval(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("retrieval")


def test_recall_is_the_mean_over_searches_of_the_share_of_their_listings(
    retrieval: ModuleType,
) -> None:
    """s took a, b (booked, new) and c; t took a (booked). Retrieved: a and b for s, b for t."""
    taken = pl.DataFrame(
        {
            "id_search": ["s", "s", "s", "t"],
            "id_listing": ["a", "b", "c", "a"],
            "market": ["rio", "rio", "rio", "natal"],
            "stage": [1, 3, 2, 3],
            "listing_is_new": [False, True, None, False],
        }
    )
    retrieved = pl.DataFrame({"id_search": ["s", "s", "t"], "id_listing": ["a", "b", "b"]})
    figures = dict(retrieval._recall_by_group(taken, retrieved, known={"a", "b"}))
    assert figures == pytest.approx(
        {
            "taken": (2 / 3 + 0) / 2,
            "n taken": 2,
            "booked": (1 + 0) / 2,
            "n booked": 2,
            "new": 1.0,
            "n new": 1,
            "not new": (1 / 2 + 0) / 2,
            "n not new": 2,
            "unseen in training": 0.0,
            "n unseen in training": 1,
            "taken, natal": 0.0,
            "n taken, natal": 1,
            "booked, natal": 0.0,
            "n booked, natal": 1,
            "taken, rio": 2 / 3,
            "n taken, rio": 1,
            "booked, rio": 1.0,
            "n booked, rio": 1,
        }
    )


def test_each_row_of_the_table_adds_to_the_one_above(retrieval: ModuleType) -> None:
    """The last one is what a batch retrieves with: everything that can be added."""
    added = [set(names) for names in retrieval.STEPS.values()]
    assert all(one < other for one, other in pairwise(added))
    everything = {name for name, value in vars(retrieval.PLAIN).items() if value == 0.0}
    assert added[-1] == everything == set(retrieval.STEPS[retrieval.LAST])
