"""Bookings of guests who act alone, held against all outcomes of a list."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from models.evaluation.recommended_lists import booked_apart, bookings_per_1000

EXAMINED = np.array([1.0, 0.8, 0.5, 0.25])


def test_a_guest_books_unless_it_wants_nothing(lists_of):
    value = np.array([0.1, 0.5, 0.2, 0.4])
    wanted = value * EXAMINED
    books = sum(
        np.prod(np.where(outcome, wanted, 1 - wanted))
        for outcome in product([True, False], repeat=4)
        if any(outcome)
    )
    booked = booked_apart(lists_of({0: [5, 6, 7, 8]}), value, EXAMINED, queries=1)
    assert booked == pytest.approx([books])


def test_one_listing_is_examined_by_its_place(lists_of):
    lists = lists_of({0: [5], 1: [6, 5], 2: [6, 7, 5]})
    value = np.where(lists.listing_R == 5, 0.4, 0.0)
    assert booked_apart(lists, value, EXAMINED, queries=3) == pytest.approx([0.4, 0.32, 0.2])


def test_certain_taken_and_missing_lists(lists_of, ratio_of):
    lists = lists_of({0: [5, 6], 1: [5, 6]})
    value = np.array([1.0, 1.0, 0.0, 0.0])
    assert booked_apart(lists, value, EXAMINED, queries=3).tolist() == [1, 0, 0]
    metric = bookings_per_1000(lists, value, EXAMINED, queries=3)
    assert metric.metric == "catalogue_bookings_per_1000"
    assert ratio_of(metric) == pytest.approx(1000 / 3)


def test_the_order_of_the_rows_does_not_show(crowd, in_other_order):
    lists, chance = crowd
    other, chances = in_other_order(lists, chance)
    examined = np.linspace(1, 0.1, 12)
    booked = booked_apart(lists, chance, examined, queries=200)
    assert booked.tolist() == booked_apart(other, chances, examined, queries=200).tolist()


def test_no_guests(lists_of):
    assert booked_apart(lists_of({}), np.empty(0), EXAMINED, queries=0).tolist() == []


def test_a_place_without_examination_is_refused(lists_of):
    with pytest.raises(ValueError, match=r"place 5, but P\(examined\) of only 4"):
        booked_apart(lists_of({0: [1, 2, 3, 4, 5]}), np.zeros(5), EXAMINED, queries=1)


def test_examination_is_a_chance(lists_of):
    with pytest.raises(ValueError, match=r"P\(examined\) must lie"):
        booked_apart(lists_of({0: [1]}), np.zeros(1), np.array([1.2]), queries=1)


def test_a_list_of_no_query_is_refused(lists_of):
    with pytest.raises(ValueError, match="query 3 of only 3"):
        booked_apart(lists_of({3: [1]}), np.zeros(1), EXAMINED, queries=3)
