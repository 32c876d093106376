"""Keys of several columns in one integer: different values, different keys, in order."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from features.history.packed_keys import Rows, grouped_by_key, is_member, sorted_unique


def test_a_table_and_a_sort_number_the_same_keys_alike() -> None:
    near = Rows(pl.DataFrame({"a": [4, 2, 4, 3], "b": [1, 1, 1, 0]}))
    far = Rows(pl.DataFrame({"a": [400_000, 200_000, 400_000, 300_000], "b": [1, 1, 1, 0]}))
    assert near.keys(["a", "b"]).of_row.tolist() == [2, 0, 2, 1]
    assert far.keys(["a", "b"]).of_row.tolist() == [2, 0, 2, 1]


def test_a_null_in_any_column_makes_the_key_unknown() -> None:
    rows = Rows(pl.DataFrame({"a": [1, None, 1], "b": [1, 1, None]}))
    assert rows.keys(["a", "b"]).is_known.tolist() == [True, False, False]


def test_different_texts_have_different_keys() -> None:
    rows = Rows(pl.DataFrame({"market": ["rio", "sp", "rio"]}))
    first, second, third = rows.packed(["market"]).tolist()
    assert first == third != second


def test_negative_numbers_stay_different() -> None:
    rows = Rows(pl.DataFrame({"day": [-1, 1, -1, -1], "listing": [7, 7, 7, 8]}))
    first, second, third, other_listing = rows.packed(["listing", "day"]).tolist()
    assert first == third
    assert len({first, second, other_listing}) == 3
    assert divmod(second, 1 << 32) == (7, 1)


def test_a_column_of_negative_numbers_alone_fits() -> None:
    rows = Rows(pl.DataFrame({"listing": [7, 7, 8], "day": [-1, -2, -1]}))
    assert len(set(rows.packed(["listing", "day"]).tolist())) == 3


def test_value_that_does_not_fit_is_refused_by_name() -> None:
    rows = Rows(pl.DataFrame({"listing": [1], "room": [1], "cell": [1 << 33]}))
    with pytest.raises(ValueError, match="column cell holds a value of more than 32 bits"):
        rows.packed(["listing", "cell"])
    with pytest.raises(ValueError, match="column cell holds a value of more than 16 bits"):
        rows.keys(["listing", "room", "cell"])


def test_one_column_alone_has_all_64_bits() -> None:
    rows = Rows(pl.DataFrame({"cell": [1 << 33, 5]}))
    assert rows.packed(["cell"]).tolist() == [1 << 33, 5]


def test_groups_members_and_unique_values() -> None:
    keys = np.array([9, 4, 9, 7], dtype=np.uint64)
    unique, order, starts = grouped_by_key(keys)
    assert (unique.tolist(), starts.tolist()) == ([4, 7, 9], [0, 1, 2])
    assert keys[order].tolist() == [4, 7, 9, 9]
    assert sorted_unique(keys).tolist() == [4, 7, 9]
    assert is_member(keys, np.array([4, 9], dtype=np.uint64)).tolist() == [True, True, True, False]
    assert not is_member(keys, np.empty(0, dtype=np.uint64)).any()
