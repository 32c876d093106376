"""The exposure policy: chosen on validation, and kept with the run."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from models.lambdarank import LambdaRank, LambdaRankConfig
from models.reranking.new_listing_exposure import ExposurePolicy, chosen_policy
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import POLICIES, choose_exposure, read_exposure
from tests.models.worlds import FEATURES, windows, world

Finished = tuple[RunContext, str]


def test_run_keeps_the_policy_and_the_curve_it_was_chosen_from(finished: Finished) -> None:
    context, run = finished
    content = json.loads((context.home.runs / run / "exposure.json").read_text())
    curve, most_loss = content["curve"], context.settings.recommendation.most_loss

    assert [(p["bonus"], p["floor"]) for p in curve] == [(p.bonus, p.floor) for p in POLICIES]
    chosen = chosen_policy(pa.Table.from_pylist(curve), most_loss=most_loss)
    assert read_exposure(context.home.runs / run) == chosen


def test_choice_never_costs_more_than_is_allowed(tmp_path: Path) -> None:
    train, valid, _ = windows(world())
    ranker = LambdaRank(FEATURES, LambdaRankConfig(max_rounds=20, min_rows_per_leaf=5)).fit(
        train, valid
    )
    scores, bonuses = ranker.score(valid), []
    for most_loss in (0.001, 0.5):
        choose_exposure(scores, valid, tmp_path, most_loss=most_loss)
        content = json.loads((tmp_path / "exposure.json").read_text())
        allowed = [p for p in content["curve"] if p["value_change"] >= -most_loss]
        policy = ExposurePolicy(**content["policy"])
        bonuses.append(policy.bonus)
        assert policy.bonus <= max((p["bonus"] for p in allowed), default=0.0)
    assert bonuses[1] > bonuses[0]


def test_run_without_a_policy_helps_nobody(tmp_path: Path) -> None:
    assert read_exposure(tmp_path) == ExposurePolicy()
