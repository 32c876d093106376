"""Several seeds make one figure, wider than a single one's."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.seeds import over_seeds

QUICK = EvaluationConfig(replicates=100, ks=(10,))


@pytest.fixture(scope="module")
def cards(world):
    found = []
    for seed in range(5):
        noise = np.random.default_rng(seed).normal(size=(2, world.rows.num_rows))
        scores = {"random": noise[0], "ranker": world.chance + 0.05 * noise[1]}
        found.append(evaluate(world.rows, scores, split="test", reference="random", config=QUICK))
    return found


def test_mean_over_seeds_has_a_wider_interval_than_guests_alone_give(cards):
    means = {(m.model, m.segment, m.metric): m for m in over_seeds(cards)}
    found = means["ranker", "all", "ndcg_at_10"]
    singles = [card.find("ranker", "ndcg_at_10") for card in cards]
    assert found.seeds == 5
    assert found.value == pytest.approx(np.mean([s.value for s in singles]))
    assert found.between == pytest.approx(np.std([s.value for s in singles], ddof=1))
    assert found.high - found.low > np.mean([s.high - s.low for s in singles]) * 0.99
    assert found.difference_low > 0
    assert means["random", "all", "ndcg_at_10"].difference is None


def test_one_seed_is_not_enough(cards):
    with pytest.raises(ValueError, match="at least two seeds"):
        over_seeds(cards[:1])
