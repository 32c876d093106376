"""Sorting by digits is sorting: whatever the keys, and equal ones stay in their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.history import sorting
from features.history.sorting import sorted_order

LARGEST = 2**64 - 1


@given(
    keys=st.lists(st.integers(0, LARGEST) | st.integers(0, 3), max_size=60),
    shift=st.integers(0, 63),
    is_by_digits=st.booleans(),
)
def test_the_order_is_that_of_a_stable_sort(
    keys: list[int], shift: int, is_by_digits: bool
) -> None:
    """``shift`` leaves digits unused, below or above; both ways are held to NumPy's own."""
    values = np.array([key << shift & LARGEST for key in keys], dtype=np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_FEW_KEYS", 1 if is_by_digits else 1_000)
        order = sorted_order(values)
    assert order.tolist() == np.argsort(values, kind="stable").tolist()


def test_a_block_of_keys_and_seconds() -> None:
    chance = np.random.default_rng(0)
    numbers = chance.integers(0, 70_000, 20_000).astype(np.uint64)
    keys = numbers << np.uint64(32) | chance.integers(0, 40_000, 20_000).astype(np.uint64)
    np.testing.assert_array_equal(sorted_order(keys), np.argsort(keys, kind="stable"))
