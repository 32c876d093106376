"""The exposure policy: chosen on validation, kept with the run, applied in recommending."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.ranker import Ranker, RankerConfig
from models.reranking.new_listing_exposure import ExposurePolicy
from pipelines.config.settings import RecommendationSettings
from pipelines.recommendation.rerank import reordered
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import choose_exposure, read_exposure
from tests.models.worlds import FEATURES, windows, world

Finished = tuple[RunContext, str]


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


def test_run_keeps_the_policy_and_the_curve_it_was_chosen_from(finished: Finished) -> None:
    context, run = finished
    kept = json.loads((context.home.runs / run / "exposure.json").read_text())
    policy = read_exposure(context.home.runs / run)
    chosen = [c for c in kept["curve"] if (c["bonus"], c["floor"]) == (policy.bonus, policy.floor)]

    assert len(kept["curve"]) == 10
    assert not chosen or chosen[0]["ndcg_change"] >= -context.settings.recommendation.most_loss


def test_choice_never_costs_more_than_is_allowed(tmp_path: Path) -> None:
    train, valid, _ = windows(world())
    ranker = Ranker(FEATURES, RankerConfig(max_rounds=20, min_rows_per_leaf=5)).fit(train, valid)
    exposures = []
    for most_loss in (0.001, 0.5):
        choose_exposure(ranker, valid, tmp_path, most_loss=most_loss)
        kept = json.loads((tmp_path / "exposure.json").read_text())
        allowed = [c for c in kept["curve"] if c["ndcg_change"] >= -most_loss]
        policy = ExposurePolicy(**kept["policy"])
        exposures.append(policy.bonus)
        assert policy.bonus <= max((c["bonus"] for c in allowed), default=0.0)
    assert exposures[1] > exposures[0]


def test_new_listings_rise_under_the_policy_and_only_when_it_is_on() -> None:
    rows, scores = _lists()
    policy = ExposurePolicy(bonus=2.0)

    helped = reordered(rows, scores, policy, RecommendationSettings())
    left = reordered(rows, scores, policy, RecommendationSettings(exposure=False))

    assert np.argsort(-helped[:4]).tolist() == [0, 3, 1, 2]
    np.testing.assert_array_equal(left, scores)


def test_diversity_is_a_step_of_its_own() -> None:
    rows, scores = _lists()
    settings = RecommendationSettings(diversity=2.0)

    assert np.argsort(-reordered(rows, scores, ExposurePolicy(), settings)[:4])[1] == 2


def test_run_without_a_policy_helps_nobody(tmp_path: Path) -> None:
    assert read_exposure(tmp_path) == ExposurePolicy()
