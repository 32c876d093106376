"""Heads of the two-tower: recall by hand, and differences from one head."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import polars as pl
import pyarrow as pa
import pytest

from pipelines.evaluation.retrieval_recall import Retrieval


@pytest.fixture(scope="module")
def tower_heads(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("tower_heads")


def test_recall_is_the_mean_over_searches_of_the_share_of_their_listings(
    tower_heads: ModuleType,
) -> None:
    """s took a, b and c, of which b was contacted; t took a. Retrieved: a for s, b for t."""
    taken = pl.DataFrame(
        {
            "id_search": ["s", "s", "s", "t"],
            "id_listing": ["a", "b", "c", "a"],
            "stage": [1, 2, 1, 1],
        }
    )
    found = pa.table({"id_search": ["s", "t"], "id_listing": ["a", "b"], "rank": [1, 1]})
    retrieval = Retrieval(
        taken=taken, queries=taken, catalogue=taken, retrieved={"one head": found}
    )
    everything = tower_heads.recall_of(retrieval, "one head", pl.lit(value=True))
    assert everything == pytest.approx((1 / 3 + 0) / 2)
    assert tower_heads.recall_of(retrieval, "one head", pl.col("stage") > 1) == 0.0


def test_only_the_value_is_told_in_per_cent_of_one_head(tower_heads: ModuleType) -> None:
    other = next(name for name in tower_heads.SHARES if name != tower_heads.ONE)
    world = {
        tower_heads.ONE: {tower_heads.VALUE: 0.02, tower_heads.TAKEN: 0.4},
        other: {tower_heads.VALUE: 0.021, tower_heads.TAKEN: 0.3},
    }
    assert tower_heads.figure_of(world, tower_heads.ONE, tower_heads.VALUE) == 0.02
    assert tower_heads.figure_of(world, other, tower_heads.VALUE) == pytest.approx(5.0)
    assert tower_heads.figure_of(world, other, tower_heads.TAKEN) == pytest.approx(-0.1)
