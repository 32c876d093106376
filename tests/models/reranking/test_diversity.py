"""Diversity, on orders that can be checked by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.recommender import top_k
from models.reranking.diversity import DiversityConfig, diversified
from tests.models.worlds import reordered, windows, world


def _places(**columns: list) -> tuple[pa.Table, np.ndarray]:
    n = len(next(iter(columns.values())))
    ids = {"id_search": ["s"] * n, "id_listing": [f"l{i}" for i in range(n)]}
    return pa.table(ids | columns), np.arange(n, 0, -1).astype(np.float64)


def _order(rows: pa.Table, scores: np.ndarray) -> list[str]:
    return top_k(rows, scores, 99)["id_listing"].to_pylist()


def test_second_place_goes_to_another_part_of_town() -> None:
    rows, scores = _places(
        listing_lat=[-22.97, -22.97, -22.90], listing_lng=[-43.18, -43.18, -43.30]
    )
    after = diversified(rows, scores, DiversityConfig(weight=2.0))

    assert _order(rows, after) == ["l0", "l2", "l1"]


def test_without_weight_the_order_stays() -> None:
    rows, scores = _places(listing_room_type=["a", "a", "b"])

    assert _order(rows, diversified(rows, scores, DiversityConfig(weight=0.0))) == [
        "l0",
        "l1",
        "l2",
    ]


def test_missing_values_are_unlike_everything() -> None:
    rows, scores = _places(
        listing_room_type=["a", None, None], listing_total_price=[100.0, None, 0.0]
    )

    assert _order(rows, diversified(rows, scores, DiversityConfig())) == ["l0", "l1", "l2"]


def test_rows_without_any_likeness_are_refused() -> None:
    rows, scores = _places(unrelated=[1, 2])

    with pytest.raises(ValueError, match="nothing by which listings are alike"):
        diversified(rows, scores, DiversityConfig())


def test_likeness_is_weighed_against_the_scores() -> None:
    rows, _ = _places(listing_room_type=["home", "home", "private"])
    scores = np.array([3.0, 2.4, 1.6])
    in_spreads = 1 / scores.std()
    # The likeness of l1 to l0 is 1: it falls below l2 where the weight is above the gap.
    below, above = (0.8 * in_spreads - 0.01, 0.8 * in_spreads + 0.01)

    assert _order(rows, diversified(rows, scores, DiversityConfig(weight=below)))[1] == "l1"
    assert _order(rows, diversified(rows, scores, DiversityConfig(weight=above)))[1] == "l2"


def test_likeness_to_the_places_above_is_their_mean() -> None:
    # l2 is like one of the two above: half of the weight, 0.6, is less than the 0.89 to l3.
    rows, scores = _places(listing_room_type=["home", "private", "home", "shared"])
    after = diversified(rows, scores, DiversityConfig(weight=1.2, k=4))

    assert _order(rows, after) == ["l0", "l1", "l2", "l3"]


def test_places_beyond_k_keep_their_order() -> None:
    rows, scores = _places(listing_room_type=["a", "a", "b", "a", "b"])
    after = diversified(rows, scores, DiversityConfig(weight=9.0, k=2, depth=4))

    assert _order(rows, after) == ["l0", "l2", "l1", "l3", "l4"]


def test_order_of_the_rows_does_not_matter() -> None:
    rows = windows(world())[2]
    scores = rows["x_signal"].to_numpy()
    moved, order = reordered(rows)

    np.testing.assert_array_equal(
        diversified(moved, scores[order], DiversityConfig()),
        diversified(rows, scores, DiversityConfig())[order],
    )
