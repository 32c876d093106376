"""G and expected DCG over the whole catalogue, held against every possible order."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from models.evaluation.recommended_lists import (
    catalogue_bounds,
    expected_dcg_metric,
    g_metric,
)

WORTH = np.array([0.1, 0.5, 0.0, 0.3])


def _discounted(worth, k):
    return sum(p / np.log2(place + 1) for place, p in enumerate(worth[:k], start=1))


@pytest.mark.parametrize("k", [1, 3, 4, 9])
def test_bounds_are_the_mean_and_the_best_of_all_orders(k):
    bounds = catalogue_bounds(np.zeros(4, int), WORTH, queries=1, k=k)
    of_orders = [_discounted(order, k) for order in permutations(WORTH)]
    assert bounds.random_Q[0] == pytest.approx(np.mean(of_orders))
    assert bounds.oracle_Q[0] == pytest.approx(max(of_orders))


def test_the_best_list_has_g_of_one_and_all_lists_of_none_on_average(lists_of):
    bounds = catalogue_bounds(np.zeros(4, int), WORTH, queries=1, k=3)

    def g_of(order):
        lists = lists_of({0: list(order)})
        metric = g_metric(lists, WORTH[list(order)], bounds, name="taste")
        return metric.numerator[0] / metric.denominator[0]

    assert g_of((1, 3, 0)) == pytest.approx(1)
    assert np.mean([g_of(order) for order in permutations(range(4))]) == pytest.approx(0, abs=1e-12)
    # the worst three of the four, the best of them last
    assert g_of((2, 0, 3)) < g_of((0, 2, 3)) < 0


def test_blocks_of_whole_queries_add_up_to_the_whole(rng):
    query = np.repeat(np.arange(5), [3, 1, 0, 400, 2])
    value = rng.random(len(query)) * (rng.random(len(query)) < 0.4)
    whole = catalogue_bounds(query, value, queries=5, k=10)
    parts = [
        catalogue_bounds(query[query == q], value[query == q], queries=5, k=10) for q in range(5)
    ]
    summed = parts[0] + parts[1] + parts[2] + parts[3] + parts[4]
    assert summed.random_Q.tolist() == whole.random_Q.tolist()
    assert summed.oracle_Q.tolist() == whole.oracle_Q.tolist()
    assert summed.pairs_Q.tolist() == whole.pairs_Q.tolist() == [3, 1, 0, 400, 2]
    assert whole.oracle_Q[3] == pytest.approx(_discounted(sorted(value[4:404])[::-1], 10))


def test_a_query_in_two_blocks_is_refused():
    part = catalogue_bounds(np.array([1]), np.array([0.2]), queries=2, k=1)
    with pytest.raises(ValueError, match="query 1 has pairs in two parts"):
        part + part


@pytest.mark.parametrize(("queries", "k"), [(3, 1), (2, 2)])
def test_unlike_bounds_do_not_add_up(queries, k):
    part = catalogue_bounds(np.array([1]), np.array([0.2]), queries=2, k=1)
    with pytest.raises(ValueError, match="only bounds with one cut-off"):
        part + catalogue_bounds(np.array([0]), np.array([0.2]), queries=queries, k=k)


@pytest.mark.parametrize(
    ("query", "value", "message"),
    [
        ([1, 0], [0.1, 0.1], "sorted by query"),
        ([0, 2], [0.1, 0.1], r"query 0\.\.2, of 2 queries"),
        ([-1, 0], [0.1, 0.1], r"query -1\.\.0"),
        ([0, 1], [0.1, 1.1], "between 0 and 1"),
        ([0, 1], [0.1, np.nan], "between 0 and 1"),
        ([0, 1], [0.1], "1.* values for .2"),
    ],
)
def test_unsound_pairs_are_refused(query, value, message):
    with pytest.raises(ValueError, match=message):
        catalogue_bounds(np.array(query), np.array(value), queries=2, k=10)


def test_a_guest_without_a_list_loses_what_chance_would_give(lists_of):
    bounds = catalogue_bounds(np.array([0, 0, 1]), np.array([0.2, 0.4, 0.3]), queries=2, k=1)
    metric = g_metric(lists_of({0: [1]}), np.array([0.4]), bounds, name="taste")
    # random 0.3 and 0.3, oracle 0.4 and 0.3
    assert metric.numerator == pytest.approx([0.1, -0.3])
    assert metric.denominator == pytest.approx([0.1, 0.0])
    assert metric.scored.tolist() == [1, 1]


def test_a_guest_whose_search_allows_nothing_is_not_scored(lists_of):
    bounds = catalogue_bounds(np.array([0, 0]), np.array([0.2, 0.4]), queries=2, k=1)
    metric = g_metric(lists_of({0: [1], 1: [5]}), np.array([0.4, 0.0]), bounds, name="taste")
    assert metric.scored.tolist() == [1, 0]
    assert (metric.numerator[1], metric.denominator[1]) == (0, 0)


def test_short_lists_and_places_beyond_k_by_hand(lists_of):
    bounds = catalogue_bounds(np.repeat([0, 1], 3), np.tile([0.3, 0.2, 0.1], 2), queries=2, k=2)
    lists = lists_of({0: [1], 1: [2, 1, 0]})
    value = np.array([0.2, 0.1, 0.2, 0.3])
    metric = expected_dcg_metric(lists, value, bounds, name="observables")
    assert metric.metric == "catalogue_expected_dcg_observables_at_2"
    assert metric.numerator == pytest.approx([0.2, 0.1 + 0.2 / np.log2(3)])
    assert g_metric(lists, value, bounds, name="observables").k == 2


def test_the_order_of_the_rows_does_not_show(crowd, in_other_order):
    lists, chance = crowd
    other, chances = in_other_order(lists, chance)
    bounds = catalogue_bounds(np.arange(200), np.ones(200), queries=200, k=10)
    one = expected_dcg_metric(lists, chance, bounds, name="taste")
    two = expected_dcg_metric(other, chances, bounds, name="taste")
    assert one.numerator.tolist() == two.numerator.tolist()


def test_all_taken_and_all_alike_have_no_weight(lists_of):
    bounds = catalogue_bounds(np.repeat([0, 1], 2), np.array([0.0, 0.0, 0.4, 0.4]), queries=2, k=2)
    metric = g_metric(
        lists_of({0: [0, 1], 1: [1, 0]}), np.array([0, 0, 0.4, 0.4]), bounds, name="t"
    )
    assert metric.denominator == pytest.approx([0, 0])
    assert metric.numerator == pytest.approx([0, 0])


def test_known_free_asks_for_the_order_among_what_is_free(lists_of, ratio_of):
    worth, is_free = np.array([0.4, 0.2, 0.0, 0.0]), np.array([True, True, False, False])
    lists, value = lists_of({0: [1]}), np.array([0.2])
    over_all = catalogue_bounds(np.zeros(4, int), worth, queries=1, k=1)
    over_free = catalogue_bounds(np.zeros(2, int), worth[is_free], queries=1, k=1)
    # random: 0.15 of all, 0.3 of the free; oracle 0.4
    assert ratio_of(g_metric(lists, value, over_all, name="taste")) == pytest.approx(0.05 / 0.25)
    known = g_metric(lists, value, over_free, name="taste_known_free")
    assert known.metric == "catalogue_g_taste_known_free_at_1"
    assert ratio_of(known) == pytest.approx(-0.1 / 0.1)


def test_a_list_above_the_best_order_is_refused(lists_of):
    bounds = catalogue_bounds(np.array([0, 1]), np.array([0.2, 0.2]), queries=2, k=1)
    with pytest.raises(ValueError, match=r"1 lists are worth more .* query 1: 0.3 above 0.2"):
        g_metric(lists_of({0: [0], 1: [0]}), np.array([0.2, 0.3]), bounds, name="taste")


def test_no_guests_have_empty_bounds(lists_of):
    bounds = catalogue_bounds(np.empty(0, int), np.empty(0), queries=0, k=10)
    assert len(g_metric(lists_of({}), np.empty(0), bounds, name="taste").numerator) == 0
