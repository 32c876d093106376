"""How much each place is looked at, and the weights that make up for it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.lightgbm_core.position_bias import (
    estimate_examination,
    examination_of,
    inverse_examination,
)


def _shown(clicks: list[int], shown: int, *, is_random: bool = True) -> pa.Table:
    """``shown`` rows at each place, of which so many were clicked."""
    place = np.repeat(np.arange(1, len(clicks) + 1), shown)
    clicked = np.concatenate([np.arange(shown) < n for n in clicks])
    return pa.table(
        {
            "position": pa.array(place, pa.int32()),
            "is_random_order": pa.array(np.full(len(place), is_random)),
            "stage": pa.array(clicked.astype(np.int8)),
        }
    )


def test_rates_of_the_random_searches_give_the_examination() -> None:
    random = _shown([4_000, 2_000, 1_000], 40_000)
    shown = _shown([100, 0, 0], 1_000, is_random=False)

    np.testing.assert_allclose(
        estimate_examination(pa.concat_tables([random, shown])), [1, 0.5, 0.25], atol=0.01
    )


def test_few_random_searches_leave_the_places_nearly_alike() -> None:
    # One click in six: with 5 more clicks in 30 more rows, 6/32 at place 1 and 5/32 elsewhere.
    examination = estimate_examination(_shown([1, 0, 0], 2))

    np.testing.assert_allclose(examination, [1, 5 / 6, 5 / 6])


def test_log_without_random_searches_is_refused() -> None:
    with pytest.raises(ValueError, match="searches in random order"):
        estimate_examination(_shown([5, 5], 10, is_random=False))


def test_search_weighs_the_inverse_of_how_its_furthest_result_was_looked_at() -> None:
    position = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    stage = np.array([0, 0, 3, 1, 1, 0])

    weights = inverse_examination(
        position, stage, np.array([3, 3]), examination=np.array([1.0, 0.5, 0.25])
    )

    assert weights.tolist() == [4.0, 1.5]


def test_place_beyond_the_last_is_as_the_last_and_an_unknown_one_as_the_first() -> None:
    rows = pa.table({"position": pa.array([9, None, 2], pa.int32())})

    assert examination_of(rows, np.array([1.0, 0.5, 0.25])).tolist() == [0.25, 1.0, 0.5]
