"""The order of the rows: the one of :mod:`models.ranking_order`, whatever order they come in."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.arranged_rows import arrange_rows, arranged_columns, arrangement
from models.evaluation.metrics import reciprocal_rank
from models.evaluation.ranking_metrics import hits_of
from models.ranking_order import group_codes, rank_within, tie_keys


def test_ranks_are_those_of_the_common_order_ties_included(worlds, rng):
    world = worlds(rng, sizes=(1, 90))
    arranged = arrange_rows(world.rows)
    searches = group_codes(world.rows["id_search"])
    for scores in (rng.normal(size=world.rows.num_rows), rng.integers(0, 3, world.rows.num_rows)):
        expected = rank_within(searches, scores, tie_keys(world.rows))
        assert (arranged.ranks(scores, model="any") == expected[arranged.order]).all()


def test_arrangement_is_exact_when_shortened_keys_meet():
    search = np.array([1, 0, 1, 1])
    ties = np.array([8, 5, 9, 7], dtype=np.uint64)
    assert arrangement(search, ties).tolist() == [1, 3, 0, 2]
    assert arrangement(np.zeros(3, int), ties[:3]).tolist() == [1, 0, 2]


def test_all_scores_tied_means_a_random_order_not_the_row_order(worlds, rng):
    world = worlds(rng, searches=3_000, sizes=(20, 20))
    arranged = arrange_rows(world.rows)
    ranks = arranged.ranks(np.zeros(world.rows.num_rows), model="constant")
    hits = hits_of(arranged, arranged.reached(3), ranks)
    expected = np.mean(1 / np.arange(1, 21))
    single = hits.counts == 1
    assert np.mean(reciprocal_rank(hits)[single]) == pytest.approx(expected, abs=0.03)


def test_searches_of_one_guest_share_a_cluster_and_anonymous_ones_have_their_own():
    rows = pa.table(
        {
            "id_search": ["s", "t", "u", "v", "v"],
            "id_listing": ["a", "a", "a", "a", "b"],
            "id_user": ["anna", None, "anna", None, None],
            "stage": [0, 0, 0, 0, 0],
        }
    )
    arranged = arrange_rows(rows)
    ids = np.asarray(rows["id_search"].to_pylist())[arranged.order[arranged.starts]]
    cluster_of = dict(zip(ids, arranged.cluster.tolist(), strict=True))
    assert cluster_of["s"] == cluster_of["u"]
    assert len({cluster_of[search] for search in "stv"}) == arranged.clusters == 3
    assert arranged.guests_known == 2


def test_top_holds_the_rows_in_rank_order_and_minus_one_past_the_end():
    rows = pa.table({"id_search": ["s"] * 3, "id_listing": ["a", "b", "c"], "stage": [0, 0, 0]})
    arranged = arrange_rows(rows)
    scores = np.array([0.2, 0.9, 0.5])
    (top,) = arranged.top(arranged.ranks(scores, model="any"), 4)
    assert arranged.order[top[:3]].tolist() == [1, 2, 0]
    assert top[3] == -1


def test_column_with_another_number_of_rows_is_refused_by_name():
    rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, 0]})
    with pytest.raises(ValueError, match="not one value per row: long"):
        arranged_columns(arrange_rows(rows), {"fits": np.zeros(2), "long": np.zeros(3)})


def test_row_without_a_stage_is_refused():
    rows = pa.table({"id_search": ["s", "s"], "id_listing": ["a", "b"], "stage": [0, None]})
    with pytest.raises(ValueError, match="1 rows have no stage"):
        arrange_rows(rows)
