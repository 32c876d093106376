"""Replay: of what guests took next, how much stood in their lists."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.recommended_lists import Lists, Takes, pooled, replay_metrics, takes_of


def _takes(*rows):
    query, listing, stage = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    return Takes(query_T=query, listing_T=listing, stage_T=stage)


def _figures(lists, takes, *, queries, ks=(10, 20)):
    metrics = replay_metrics(lists, takes, queries=queries, ks=ks)
    return {m.metric: (m.numerator.tolist(), m.denominator.tolist()) for m in metrics}


def test_hits_by_stage_and_cut_off_by_hand(lists_of):
    lists = lists_of({0: [1, 2, 3], 1: [4, 5, 6]})
    takes = _takes((0, 3, 1), (0, 1, 2), (0, 9, 3), (1, 5, 3), (1, 4, 0))
    figures = _figures(lists, takes, queries=3, ks=(2, 3))
    assert figures == {
        "replay_hit_click_at_2": ([1, 1, 0], [3, 1, 0]),
        "replay_hit_click_at_3": ([2, 1, 0], [3, 1, 0]),
        "replay_hit_contact_at_2": ([1, 1, 0], [2, 1, 0]),
        "replay_hit_contact_at_3": ([1, 1, 0], [2, 1, 0]),
        "replay_hit_book_at_2": ([0, 1, 0], [1, 1, 0]),
        "replay_hit_book_at_3": ([0, 1, 0], [1, 1, 0]),
    }


def test_a_listing_met_often_counts_once_at_its_furthest_stage(lists_of):
    takes = _takes((0, 1, 3), (0, 1, 1), (0, 1, 0), (0, 2, 1))
    figures = _figures(lists_of({0: [1]}), takes, queries=1)
    assert figures["replay_hit_click_at_10"] == ([1], [2])
    assert figures["replay_hit_book_at_10"] == ([1], [1])


def test_what_stood_in_the_list_of_another_guest_is_no_hit(lists_of):
    lists = lists_of({0: [3], 1: [4]})
    figures = _figures(lists, _takes((0, 4, 1), (1, 3, 1)), queries=2)
    assert figures["replay_hit_click_at_10"] == ([0, 0], [1, 1])


def test_codes_that_no_list_has_are_not_mistaken_for_those_of_the_next_guest(lists_of):
    # codes of lists below 4: guest 0's listing 4 is not guest 1's listing 0
    lists = lists_of({0: [3], 1: [0]})
    figures = _figures(lists, _takes((0, 4, 1)), queries=2)
    assert figures["replay_hit_click_at_10"] == ([0, 0], [1, 0])


def test_32_bit_codes_do_not_wrap_round():
    # 65,536 · 65,536 is 0 in 32 bits: the list of the last guest is not what the first took
    query, listing = np.array([65_536], dtype=np.int32), np.array([0], dtype=np.int32)
    lists = Lists(model="m", query_R=query, place_R=np.ones(1, dtype=np.int32), listing_R=listing)
    takes = _takes((0, 0, 1), (0, 65_535, 1))
    takes = Takes(
        query_T=takes.query_T.astype(np.int32),
        listing_T=takes.listing_T.astype(np.int32),
        stage_T=takes.stage_T.astype(np.int8),
    )
    click = replay_metrics(lists, takes, queries=65_537)[0]
    assert (click.numerator.sum(), click.denominator.sum()) == (0, 2)


def test_a_list_of_what_was_taken_hits_all_in_any_order(crowd, in_other_order, ratio_of):
    lists, _ = crowd
    takes = Takes(
        query_T=lists.query_R, listing_T=lists.listing_R, stage_T=np.ones_like(lists.query_R)
    )
    other, places = in_other_order(lists, lists.place_R)
    metrics = {m.metric: m for m in replay_metrics(other, takes, queries=200, ks=(3, 12))}
    assert ratio_of(metrics["replay_hit_click_at_12"]) == 1
    assert ratio_of(metrics["replay_hit_click_at_3"]) == (places <= 3).mean()


def test_guests_without_a_list_hit_nothing(lists_of):
    figures = _figures(lists_of({}), _takes((0, 4, 3)), queries=1)
    assert figures["replay_hit_book_at_20"] == ([0], [1])


@pytest.mark.parametrize("queries", [0, 2])
def test_nobody_came_back_or_took_anything(lists_of, queries):
    for metric in replay_metrics(lists_of({}), _takes(), queries=queries):
        assert metric.denominator.tolist() == [0] * queries
        assert metric.scored.tolist() == [0] * queries


def test_days_are_pooled_guest_after_guest(lists_of):
    monday = replay_metrics(lists_of({0: [1], 1: [2]}), _takes((0, 1, 1), (1, 9, 3)), queries=2)
    tuesday = replay_metrics(lists_of({0: [5, 6]}), _takes((0, 6, 3), (0, 5, 2)), queries=1)
    metrics = {m.metric: m for m in pooled([monday, tuesday])}
    click = metrics["replay_hit_click_at_10"]
    assert (click.numerator.tolist(), click.denominator.tolist()) == ([1, 0, 2], [1, 1, 2])
    booked = metrics["replay_hit_book_at_20"]
    assert (booked.numerator.tolist(), booked.scored.tolist()) == ([0, 0, 1], [0, 1, 1])
    assert (booked.k, click.k) == (20, 10)
    positives = takes_of(metrics.values())
    assert [positives[f"replay_hit_{stage}_at_10"] for stage in ("click", "contact", "book")] == [
        4,
        3,
        2,
    ]


def test_days_of_unlike_metrics_are_not_pooled(lists_of):
    day = replay_metrics(lists_of({}), _takes(), queries=1)
    with pytest.raises(ValueError, match="same metrics"):
        pooled([day, day[:3]])
    with pytest.raises(ValueError, match="same metrics"):
        pooled([])


def test_unsound_takes_are_refused(lists_of):
    with pytest.raises(ValueError, match="unknown stage 4"):
        _takes((0, 1, 4))
    with pytest.raises(ValueError, match="below 0"):
        _takes((0, -1, 1))
    with pytest.raises(ValueError, match="one query, listing and stage"):
        Takes(query_T=np.array([0, 1]), listing_T=np.array([1, 1]), stage_T=np.array([1]))
    with pytest.raises(ValueError, match="takes of query 2 of only 2"):
        replay_metrics(lists_of({}), _takes((2, 1, 1)), queries=2)
    with pytest.raises(ValueError, match="query 2 of only 2"):
        replay_metrics(lists_of({2: [1]}), _takes(), queries=2)
