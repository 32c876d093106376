"""How few listings and hosts fill the lists, how many are free, how many new."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.recommended_lists import (
    free_share,
    most_common_listing,
    new_listing_exposure,
    top_hosts_share,
    top_listings_share,
)

ONE_MARKET = np.zeros(4, dtype=np.int64)


def test_each_market_has_its_own_most_common_listing(lists_of, ratio_of):
    lists = lists_of({0: [7, 8], 1: [8, 7], 2: [9], 3: [9]})
    # over both markets together 7, 8 and 9 each stand in half of the lists
    assert ratio_of(most_common_listing(lists, ONE_MARKET, k=2)) == 0.5
    assert ratio_of(most_common_listing(lists, np.array([0, 0, 1, 1]), k=2)) == 1


def test_a_listing_code_of_two_markets_is_two_listings(lists_of):
    lists = lists_of({0: [700], 1: [800], 2: [700], 3: [800]})
    metric = most_common_listing(lists, np.array([0, 0, 1, 1], dtype=np.int8), k=2)
    # equally common: the lower code of each market
    assert metric.numerator.tolist() == [1, 0, 1, 0]


def test_only_the_first_k_places_hold_a_listing(lists_of, ratio_of):
    lists = lists_of({0: [1, 7], 1: [2, 7], 2: [3, 7], 3: [3]})
    assert ratio_of(most_common_listing(lists, ONE_MARKET, k=2)) == 0.75
    # at 1 it is listing 3, in 2 of 4
    assert ratio_of(most_common_listing(lists, ONE_MARKET, k=1)) == 0.5


def test_guests_without_a_list_do_not_count(lists_of, ratio_of):
    metric = most_common_listing(lists_of({0: [7], 2: [7]}), ONE_MARKET, k=10)
    assert metric.scored.tolist() == [1, 0, 1, 0]
    assert ratio_of(metric) == 1


def test_places_of_the_most_common_listings_by_hand(lists_of):
    lists = lists_of({0: [7, 8, 1], 1: [7, 9, 1], 2: [8, 7, 1], 3: [5]})
    # in the first two places: 7 three times, 8 twice, 5 and 9 once
    metric = top_listings_share(lists, ONE_MARKET, k=2, listings=2)
    assert metric.metric == "catalogue_top_2_listings_at_2"
    assert metric.numerator.tolist() == [2, 1, 2, 0]
    assert metric.denominator.tolist() == [2, 2, 2, 1]


def test_a_hundred_listings_fill_all_places_when_there_are_no_more(crowd, ratio_of):
    lists, _ = crowd
    market = np.zeros(200, dtype=np.int64)
    assert ratio_of(top_listings_share(lists, market, k=10)) == 1
    assert 10 / 30 < ratio_of(top_listings_share(lists, market, k=10, listings=10)) < 1


def test_the_tenth_of_hosts_is_of_all_hosts_and_rounded_up(lists_of):
    lists = lists_of({0: [0, 1, 2, 3], 1: [4, 5, 6, 7]})
    hosts = np.array([0, 1, 0, 2, 1, 0, -1, 4])
    # 0 three times, 1 twice, 2 and 4 once; one not known
    one = top_hosts_share(lists, hosts, queries=2, hosts=10, k=10)
    assert one.metric == "catalogue_top_tenth_hosts_at_10"
    assert (one.numerator.tolist(), one.denominator.tolist()) == ([2, 1], [4, 3])
    two = top_hosts_share(lists, hosts, queries=2, hosts=11, k=10)
    assert two.numerator.tolist() == [3, 2]
    cut = top_hosts_share(lists, hosts, queries=2, hosts=10, k=2)
    # in the first two places hosts 0 and 1 have two each: the lower code
    assert (cut.numerator.tolist(), cut.denominator.tolist()) == ([1, 1], [2, 2])


def test_hosts_beyond_their_number_are_refused(lists_of):
    with pytest.raises(ValueError, match="one code below 3 per row"):
        top_hosts_share(lists_of({0: [5]}), np.array([3]), queries=1, hosts=3, k=10)


def test_free_places_of_dated_guests_by_hand(lists_of):
    lists = lists_of({0: [1, 2, 3], 1: [1, 2], 3: [4]})
    is_free = np.array([True, False, True, True, True, False])
    is_dated = np.array([True, False, True, True])
    metric = free_share(lists, is_free, is_dated, k=2)
    assert metric.metric == "catalogue_free_at_2"
    assert metric.numerator.tolist() == [1, 0, 0, 0]
    assert metric.denominator.tolist() == [2, 0, 0, 1]
    assert metric.scored.tolist() == [1, 0, 0, 1]


def test_new_listings_weigh_by_their_place(lists_of):
    lists = lists_of({0: [1, 2, 3, 4], 1: [5]})
    is_new = np.array([0.0, 1.0, np.nan, 1.0, np.nan])
    metric = new_listing_exposure(lists, is_new, queries=3, k=3)
    assert metric.metric == "catalogue_new_listing_exposure_at_3"
    assert metric.numerator == pytest.approx([1 / np.log2(3), 0, 0])
    assert metric.denominator == pytest.approx([1 + 1 / np.log2(3), 0, 0])
    assert metric.scored.tolist() == [1, 0, 0]


def test_nobody_has_a_list(lists_of):
    empty, nobody = lists_of({}), np.empty(0, dtype=np.int64)
    metrics = [
        most_common_listing(empty, nobody, k=10),
        top_listings_share(empty, nobody, k=10),
        top_hosts_share(empty, nobody, queries=0, hosts=0, k=10),
        free_share(empty, np.empty(0, bool), np.empty(0, bool), k=10),
        new_listing_exposure(empty, np.empty(0), queries=0, k=10),
    ]
    assert [len(m.numerator) for m in metrics] == [0] * 5
    assert most_common_listing(empty, ONE_MARKET, k=10).scored.tolist() == [0, 0, 0, 0]


def test_a_list_of_no_query_is_refused(lists_of):
    lists = lists_of({4: [1]})
    with pytest.raises(ValueError, match="query 4 of only 4"):
        most_common_listing(lists, ONE_MARKET, k=10)
    with pytest.raises(ValueError, match="query 4 of only 4"):
        free_share(lists, np.array([True]), ONE_MARKET == 0, k=10)
