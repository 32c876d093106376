"""Whole evaluations of models whose true difference is known, because it was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate

QUICK = EvaluationConfig(replicates=200, ks=(10,), threads=1)


def _card(rows, base, other, config=QUICK):
    columns = ["id_search", "id_listing", "id_user", "stage"]
    return evaluate(
        rows.select(columns),
        {"base": base, "other": other},
        split="test",
        reference="base",
        config=config,
    )


def test_planted_one_percent_of_ndcg_is_detected_end_to_end(worlds, rng):
    world = worlds(rng, searches=4_000, sizes=(20, 20))
    base = rng.normal(size=world.rows.num_rows)
    # the order changes everywhere, and a whisper of the outcome makes it better
    noise = 0.05 * rng.normal(size=len(base))
    other = base + noise + 0.012 * (np.asarray(world.rows["stage"]) == 3)
    score = _card(world.rows, base, other).find("other", "ndcg_at_10")
    assert 0.005 < score.difference / (score.value - score.difference) < 0.02
    assert score.difference_low > 0
    assert score.p_holm < 0.05


@pytest.mark.slow
def test_models_of_equal_quality_differ_in_about_five_worlds_of_a_hundred(worlds, rng):
    significant = 0
    for seed in range(200):
        world = worlds(rng, searches=300, sizes=(5, 15))
        noise = rng.normal(size=(2, world.rows.num_rows))
        card = _card(world.rows, *(world.chance + 0.1 * noise), replace(QUICK, seed=seed))
        significant += card.find("other", "ndcg_at_10").p < 0.05
    low, high = binom.interval(0.998, 200, 0.05)
    assert low <= significant <= high
