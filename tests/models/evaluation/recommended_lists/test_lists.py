"""Lists are checked when they are made, whatever the order of their rows."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.recommended_lists import Lists


def _lists(query, place, listing, dtype=np.int64):
    columns = [np.array(column, dtype=dtype) for column in (query, place, listing)]
    return Lists(model="ranker", query_R=columns[0], place_R=columns[1], listing_R=columns[2])


@pytest.mark.parametrize(
    ("query", "place", "listing", "message"),
    [
        ([0, 0], [1, 3], [5, 6], "query 0 has place 3 where 2 is next"),
        ([0, 0], [1, 1], [5, 6], "query 0 has place 1 where 2 is next"),
        ([0], [0], [5], "query 0 has place 0 where 1 is next"),
        ([0, 4], [1, 2], [5, 6], "query 4 has place 2 where 1 is next"),
        ([0, 0, 0], [3, 1, 2], [5, 6, 5], "query 0 has listing 5 twice"),
        ([-1], [1], [5], "query -1 is below 0"),
        ([0], [1], [-5], "listing -5 is below 0"),
        ([0, 0], [1, 2], [5], "listing must be one signed integer per row"),
    ],
)
def test_unsound_lists_are_refused_and_named(query, place, listing, message):
    with pytest.raises(ValueError, match=f"lists of ranker: {message}"):
        _lists(query, place, listing)


def test_places_that_are_no_integers_are_refused():
    with pytest.raises(ValueError, match="signed integer"):
        _lists([0], [1], [5], dtype=np.float64)


def test_one_listing_may_stand_in_many_lists():
    assert _lists([0, 1], [1, 1], [5, 5]).order.tolist() == [0, 1]


def test_nobody_has_a_list():
    empty = _lists([], [], [])
    assert empty.per_query(np.empty(0), queries=2).tolist() == [0, 0]
    assert empty.per_query(np.empty(0), queries=0).tolist() == []


def test_the_order_of_the_rows_does_not_show_in_the_last_digit(crowd, in_other_order):
    lists, chance = crowd
    other, chances = in_other_order(lists, chance)
    sums = lists.per_query(chance, queries=200)
    assert sums.tolist() == other.per_query(chances, queries=200).tolist()
    assert sums[7] == pytest.approx(chance[lists.query_R == 7].sum())


def test_a_list_of_no_query_is_refused():
    with pytest.raises(ValueError, match="query 2 of only 2"):
        _lists([2], [1], [5]).per_query(np.ones(1), queries=2)


@pytest.mark.parametrize("value", [-0.1, 1.1, np.nan])
def test_shares_lie_between_0_and_1(value):
    with pytest.raises(ValueError, match=r"P\(book\) must lie between 0 and 1"):
        _lists([0], [1], [5]).check_shares("P(book)", np.array([value]))


def test_shares_of_another_number_of_rows_are_refused():
    with pytest.raises(ValueError, match="is_free has shape"):
        _lists([0], [1], [5]).check_shares("is_free", np.ones(2))
