"""Ranks, ties and spreads within a search, whatever the order of the rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.ranking_order import group_codes, hashed_ids, rank_within, spread_within, tie_keys
from tests.models.worlds import reordered, world


def test_equal_scores_are_ranked_by_their_tie_key() -> None:
    groups, scores, ties = np.zeros(4), np.array([0.7, 0.2, 0.7, 0.1]), np.array([9, 4, 3, 1])

    assert rank_within(groups, scores, ties).tolist() == [2, 3, 1, 4]


def test_nan_among_the_scores_is_refused() -> None:
    with pytest.raises(ValueError, match="1 scores are NaN"):
        rank_within(np.zeros(2), np.array([1.0, np.nan]), np.zeros(2))


def test_tie_keys_follow_the_ids_and_the_seed() -> None:
    rows = world(searches=30)
    moved, order = reordered(rows)

    np.testing.assert_array_equal(tie_keys(moved), tie_keys(rows)[order])
    assert len(np.unique(tie_keys(rows))) == rows.num_rows
    assert (tie_keys(rows, seed=1) != tie_keys(rows)).all()


def test_hash_of_an_id_is_the_same_on_every_machine() -> None:
    known, null = 17_270_002_727_057_899_022, 10_383_637_831_379_799_427

    assert hashed_ids(pa.array(["l0001", None, "l0001"])).tolist() == [known, null, known]


def test_null_id_is_a_group_of_its_own() -> None:
    assert group_codes(pa.array(["b", None, "a", None, "b"])).tolist() == [0, 1, 2, 1, 0]


def test_spread_is_that_of_the_search_and_zero_for_a_lone_result() -> None:
    rows = pa.table({"id_search": ["s", "t", "s"]})

    assert spread_within(rows, np.array([4.0, 7.0, 2.0])).tolist() == [1.0, 0.0, 1.0]
    assert spread_within(rows.slice(0, 0), np.zeros(0)).shape == (0,)
