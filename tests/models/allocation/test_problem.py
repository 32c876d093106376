"""What a day may look like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.models.allocation.worlds import day

GOOD = day([[0.2, 0.1], [0.3, 0.0]], [[0, 1], [1, -1]], [(2, 4), (5, 5)])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"listing_GK": np.array([[0], [1]])}, "one shape"),
        ({"first_night_G": np.array([2])}, "first_night_G has one whole number"),
        ({"end_night_G": np.array([4.0, 5.0])}, "end_night_G has one whole number"),
        ({"end_night_G": np.array([4, 4])}, "check-out is before check-in: guest 1"),
        ({"value_GK": np.array([[0.2, np.nan], [0.3, 0.0]])}, "not from 0 to 1: guest 0"),
        ({"value_GK": np.array([[0.2, 0.1], [1.3, 0.0]])}, "not from 0 to 1: guest 1"),
        ({"value_GK": np.array([[0.2, 0.1], [0.3, 0.1]])}, "without a listing: guest 1"),
        ({"listing_GK": np.array([[0.0, 1.0], [1.0, -1.0]])}, "listing_GK has whole numbers"),
        ({"listing_GK": np.array([[0, -2], [1, -1]])}, "below -1: guest 0"),
        ({"listing_GK": np.array([[1, 1], [1, -1]])}, "stands twice: guest 0"),
        ({"nights": 0}, "nights is at least 1"),
        ({"examined_R": np.array([0.5, 0.6])}, "never rises"),
        ({"examined_R": np.array([])}, "one place at least"),
        ({"examined_R": np.array([1.2, 0.6])}, "from 1 to 0"),
        ({"examined_R": np.array([0.0, 0.0])}, "not all 0"),
        ({"examined_R": np.array([0.5, -0.1])}, "from 1 to 0"),
    ],
)
def test_bad_day_is_refused_with_the_guest(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **change)


def test_several_candidates_may_be_absent() -> None:
    assert day([[0.2, 0.0, 0.0]], [[4, -1, -1]], [(0, 1)]).value_GK.sum() == 0.2
