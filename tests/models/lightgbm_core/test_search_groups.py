"""Which searches a ranker learns from, and in which order their rows lie."""

from __future__ import annotations

import pyarrow as pa

from models.lightgbm_core.search_groups import downsample_unclicked, searches_to_learn_from
from tests.models.worlds import reordered, world


def test_searches_lie_one_after_the_other_without_those_in_which_nothing_happened() -> None:
    rows = pa.table(
        {
            "id_search": ["s1", "s2", "s3", "s1", "s3"],
            "id_listing": ["a", "a", "b", "d", "c"],
            "stage": pa.array([0, 0, 3, 1, 0], pa.int8()),
        }
    )
    learnt = searches_to_learn_from(rows)
    searches = learnt.rows["id_search"].to_pylist()

    assert sorted(searches) == ["s1", "s1", "s3", "s3"]
    assert searches[0] == searches[1]
    assert learnt.groups.tolist() == [2, 2]
    assert learnt.stages.tolist() == learnt.rows["stage"].to_pylist()
    assert (learnt.count.searches, learnt.count.without_action) == (2, 1)


def test_order_is_that_of_the_ids_whatever_the_order_of_the_rows() -> None:
    rows = world(searches=40)

    assert searches_to_learn_from(reordered(rows)[0]).rows == searches_to_learn_from(rows).rows


def test_search_above_lightgbms_limit_is_cut_without_losing_an_outcome() -> None:
    n = 10_050
    rows = pa.table(
        {
            "id_search": ["s"] * n,
            "id_listing": [f"l{i}" for i in range(n)],
            "stage": pa.array([3 if i == n - 1 else 0 for i in range(n)], pa.int8()),
        }
    )
    learnt = searches_to_learn_from(rows)

    assert learnt.groups.tolist() == [10_000]
    assert learnt.count.rows_cut == 50
    assert learnt.stages.max() == 3


def test_downsampling_leaves_every_clicked_row_and_a_share_of_the_others() -> None:
    rows = world(searches=400)
    stage = rows["stage"].to_numpy()
    fewer = downsample_unclicked(rows, share=0.25, seed=1)["stage"].to_numpy()

    assert (fewer > 0).sum() == (stage > 0).sum()
    assert abs((fewer == 0).sum() / (stage == 0).sum() - 0.25) < 0.03
