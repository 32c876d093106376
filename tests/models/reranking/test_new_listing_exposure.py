"""Exposure of new listings, on orders that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.recommender import top_k
from models.reranking.new_listing_exposure import (
    ExposurePolicy,
    chosen_policy,
    exposure_curve,
    with_exposure,
)
from tests.models.worlds import reordered, windows, world


def _search(scores: list[float], is_new: list[bool | None], stage: list[int] | None = None):
    n = len(scores)
    rows = pa.table(
        {
            "id_search": ["s"] * n,
            "id_listing": [f"l{i}" for i in range(n)],
            "listing_is_new": pa.array(is_new, pa.bool_()),
            "stage": pa.array(stage or [0] * n, pa.int8()),
        }
    )
    return rows, np.array(scores)


def _order(rows: pa.Table, scores: np.ndarray) -> list[str]:
    return top_k(rows, scores, 99)["id_listing"].to_pylist()


def test_no_bonus_and_no_floor_change_nothing() -> None:
    rows, scores = _search([3.0, 2.0, 1.0], [False, None, True])

    np.testing.assert_array_equal(with_exposure(rows, scores, ExposurePolicy()), scores)


def test_bonus_is_in_standard_deviations_of_the_search() -> None:
    rows, scores = _search([4.0, 2.0], [False, True])
    helped = with_exposure(rows, scores, ExposurePolicy(bonus=1.5))

    assert helped.tolist() == [4.0, 2.0 + 1.5 * 1.0]


def test_bonus_shrinks_with_what_is_known() -> None:
    rows, scores = _search([4.0, 2.0], [False, True])
    helped = with_exposure(
        rows, scores, ExposurePolicy(bonus=1.0), uncertainty=np.array([1.0, 0.25])
    )

    assert helped.tolist() == [4.0, 2.25]


def test_floor_lifts_the_best_new_listing_to_the_last_of_the_first_places() -> None:
    rows, scores = _search([6.0, 5.0, 4.0, 3.0, 2.0], [False, False, False, True, True])
    lifted = with_exposure(rows, scores, ExposurePolicy(floor=0.34, k=3))

    assert _order(rows, lifted) == ["l0", "l1", "l3", "l2", "l4"]


def test_floor_that_is_already_met_changes_no_place() -> None:
    rows, scores = _search([6.0, 5.0, 4.0, 3.0], [True, False, False, True])
    lifted = with_exposure(rows, scores, ExposurePolicy(floor=0.34, k=3))

    assert _order(rows, lifted) == ["l0", "l1", "l2", "l3"]


def test_floor_above_what_the_search_has_takes_all_of_them() -> None:
    rows, scores = _search([6.0, 5.0, 4.0, 3.0], [False, False, False, True])
    lifted = with_exposure(rows, scores, ExposurePolicy(floor=1.0, k=3))

    assert _order(rows, lifted) == ["l0", "l1", "l3", "l2"]


def test_order_of_the_rows_does_not_matter() -> None:
    rows = windows(world())[2]
    scores = rows["x_signal"].to_numpy()
    policy = ExposurePolicy(bonus=0.5, floor=0.3, k=5)
    moved, order = reordered(rows)

    np.testing.assert_array_equal(
        with_exposure(moved, scores[order], policy), with_exposure(rows, scores, policy)[order]
    )


def test_curve_says_what_a_policy_costs_and_brings() -> None:
    rows, scores = _search([3.0, 2.0, 1.0], [False, False, True], stage=[3, 0, 0])
    curve = exposure_curve(
        rows, scores, [ExposurePolicy(k=2), ExposurePolicy(bonus=9.0, k=2)]
    ).to_pylist()

    assert curve[0]["value"] == 1.0
    assert curve[0]["exposure"] == 0.0
    assert curve[1]["value"] == pytest.approx(1 / np.log2(3))
    assert curve[1]["exposure"] == pytest.approx(1 / (1 + 1 / np.log2(3)))
    assert curve[1]["value_change"] == pytest.approx(1 / np.log2(3) - 1)


def test_chosen_policy_has_the_most_exposure_for_the_allowed_loss() -> None:
    rows = windows(world())[2]
    scores = rows["x_signal"].to_numpy()
    curve = exposure_curve(
        rows, scores, [ExposurePolicy(bonus=b, k=5) for b in (0.0, 0.05, 0.2, 1.0, 5.0)]
    )
    best = chosen_policy(curve, most_loss=0.05)
    losses = {p["bonus"]: p["value_change"] for p in curve.to_pylist()}

    assert losses[best.bonus] >= -0.05
    assert all(loss < -0.05 for bonus, loss in losses.items() if bonus > best.bonus)


def test_no_policy_is_chosen_where_each_loses_too_much() -> None:
    rows, scores = _search([3.0, 2.0, 1.0], [False, False, True], stage=[3, 0, 0])
    curve = exposure_curve(rows, scores, [ExposurePolicy(bonus=9.0, k=2)])

    assert chosen_policy(curve) == ExposurePolicy()


def test_absent_new_flag_is_named() -> None:
    rows, scores = _search([2.0, 1.0], [False, True])

    with pytest.raises(ValueError, match="listing_is_new"):
        with_exposure(rows.drop_columns(["listing_is_new"]), scores, ExposurePolicy(bonus=1.0))


@pytest.mark.parametrize("wrong", [{"bonus": -1.0}, {"floor": 1.5}, {"k": 0}])
def test_policy_out_of_range_is_refused(wrong) -> None:
    with pytest.raises(ValueError, match="ExposurePolicy"):
        ExposurePolicy(**wrong)
