"""Sums before a time, by hand: ties, keys of no row of the query, windows and latest times."""

from __future__ import annotations

import numpy as np

from features.history.keyed_events import NEVER, KeyedEvents, PointInTimeQuery
from features.history.packed_keys import Array, Keys
from features.history.running_totals import (
    RunningTotals,
    totals_before_each_query,
    totals_before_each_row,
    totals_per_key,
)

LISTING_A, LISTING_B, LISTING_C = 3, 5, 9


def keys_of(*values: int | None) -> Keys:
    """Keys of rows; ``None`` is a row without one."""
    known = np.array([value is not None for value in values])
    numbers = np.array([value or 0 for value in values], dtype=np.uint64)
    unique, of_row = np.unique(numbers, return_inverse=True)
    return Keys(unique, of_row, known)


def events(*rows: tuple[int, int, int]) -> KeyedEvents:
    """Events as (key, visible_s, amount), each known one second before it is visible."""
    key, visible, amount = (np.array(column) for column in zip(*rows, strict=True))
    return KeyedEvents(
        keys=key.astype(np.uint64), visible_s=visible, sums=(amount,), latest=(visible - 1,)
    )


def lists(parts: list[Array]) -> list[list[int]]:
    return [part.tolist() for part in parts]


def test_an_event_counts_from_the_second_it_is_visible_and_for_its_own_key_alone() -> None:
    query = PointInTimeQuery(
        keys_of(LISTING_B, LISTING_A, LISTING_A, LISTING_A), np.array([50, 9, 10, 11])
    )
    booked = events((LISTING_A, 10, 1), (LISTING_A, 11, 4), (LISTING_C, 1, 100))
    sums, latest = totals_before_each_query(query, booked)
    assert lists(sums) == [[0, 0, 1, 5]]
    assert lists(latest) == [[NEVER, NEVER, 9, 10]]


def test_rows_without_a_key_are_not_in_the_query() -> None:
    query = PointInTimeQuery(keys_of(None, LISTING_A, None), np.array([1, 2, 3]))
    assert query.rows.tolist() == [1]
    assert query.unique.tolist() == [LISTING_A]
    assert query.numbers.tolist() == [-1, 0, -1]


def test_rows_of_one_second_do_not_know_each_other() -> None:
    query = PointInTimeQuery(
        keys_of(LISTING_A, LISTING_B, LISTING_A, LISTING_A), np.array([7, 7, 7, 8])
    )
    own = KeyedEvents(
        keys=query.unique[query.of_row],
        visible_s=query.search_s + 1,
        sums=(np.array([1, 1, 1, 0]),),
        latest=(np.array([7, 7, 7, NEVER]),),
    )
    sums, latest, block = totals_before_each_row(query, own)
    assert lists(sums) == [[0, 0, 0, 2]]
    assert lists(latest) == [[NEVER, NEVER, NEVER, 7]]
    assert (block.keys.tolist(), block.sums[0].tolist()) == ([LISTING_A, LISTING_B], [2, 1])


def test_totals_grow_by_keys_that_were_not_there_before() -> None:
    totals = RunningTotals(sums=1, latest=1)
    totals.add(events((LISTING_B, 5, 2), (LISTING_B, 9, 3)))
    totals.add(events((LISTING_A, 4, 7)))
    totals.add(events((LISTING_B, 3, 10)))
    sums, latest = totals.lookup(np.array([LISTING_A, LISTING_B, LISTING_C], dtype=np.uint64))
    assert lists(sums) == [[7, 15, 0]]
    assert lists(latest) == [[3, 8, NEVER]]


def test_an_event_leaves_its_window_again() -> None:
    clicked = events((LISTING_A, 10, 1))
    left = clicked.reversed_after(60)
    both = KeyedEvents.concatenated([clicked, left])
    query = PointInTimeQuery(keys_of(*[LISTING_A] * 4), np.array([9, 10, 69, 70]))
    assert lists(totals_before_each_query(query, both)[0]) == [[0, 1, 1, 0]]


def test_totals_per_key_add_up_the_given_rows_alone() -> None:
    keys = keys_of(LISTING_B, LISTING_A, LISTING_B, LISTING_A)
    summed = totals_per_key(
        keys, np.array([0, 2, 3]), [np.array([4, 6, 1])], [np.array([11, 8, 2])]
    )
    assert summed.keys.tolist() == [LISTING_A, LISTING_B]
    assert (lists(list(summed.sums)), lists(list(summed.latest))) == ([[1, 10]], [[2, 11]])
