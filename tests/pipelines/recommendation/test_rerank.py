"""The order to recommend in: new listings raised, then lists made diverse."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from models.reranking.new_listing_exposure import ExposurePolicy
from pipelines.config.settings import RecommendationSettings
from pipelines.recommendation.rerank import rerank


def _lists() -> tuple[pa.Table, np.ndarray]:
    """Two lists of four; the last of each is new."""
    rows = pa.table(
        {
            "id_search": ["a"] * 4 + ["b"] * 4,
            "id_listing": [f"l{i}" for i in range(8)],
            "listing_is_new": [False, False, False, True] * 2,
            "listing_room_type": ["x", "x", "y", "y"] * 2,
        }
    )
    return rows, np.array([4.0, 3.0, 2.0, 1.0] * 2)


def test_new_listings_rise_under_the_policy_and_only_when_it_is_on() -> None:
    rows, scores = _lists()
    policy = ExposurePolicy(bonus=2.0)

    helped = rerank(rows, scores, policy, RecommendationSettings())
    left = rerank(rows, scores, policy, RecommendationSettings(exposure=False))

    assert np.argsort(-helped[:4]).tolist() == [0, 3, 1, 2]
    np.testing.assert_array_equal(left, scores)


def test_diversity_is_a_step_of_its_own() -> None:
    rows, scores = _lists()
    settings = RecommendationSettings(diversity=2.0)

    assert np.argsort(-rerank(rows, scores, ExposurePolicy(), settings)[:4])[1] == 2
