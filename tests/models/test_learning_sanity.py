"""Models learn what is there, nothing where nothing is, and never from the forbidden."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.baselines.heuristics import Random
from models.baselines.implicit_als import ImplicitALS, ImplicitALSConfig
from models.lambdarank import LambdaRank, LambdaRankConfig
from tests.models.worlds import FEATURES, mean_ndcg, windows, world

CONFIG = LambdaRankConfig(max_rounds=60, patience=15, min_rows_per_leaf=10, num_leaves=7)


def _feature(name: str) -> Feature:
    return Feature(name=name, kind="number", meaning=name, null="never null")


def _chance(rows: pa.Table) -> tuple[float, float]:
    """Mean and standard deviation of random orders' NDCG@10."""
    each = [mean_ndcg(rows, Random(seed=seed).score(rows)) for seed in range(1, 41)]
    return float(np.mean(each)), float(np.std(each))


def test_ranker_learns_the_planted_signal() -> None:
    train, valid, test = windows(world())
    ranker = LambdaRank(FEATURES, CONFIG).fit(train, valid)
    mean, spread = _chance(test)

    assert mean_ndcg(test, ranker.score(test)) > mean + 10 * spread
    assert ranker.importance()["feature"][0].as_py() == "x_signal"


def test_ranker_falls_to_chance_on_shuffled_labels() -> None:
    train, valid, test = windows(world(shuffled=True, searches=2000))
    ranker = LambdaRank(FEATURES, CONFIG).fit(train, valid)
    mean, spread = _chance(test)

    assert abs(mean_ndcg(test, ranker.score(test)) - mean) < 3 * spread


def test_als_learns_a_guests_taste() -> None:
    train, valid, test = windows(world(searches=1500))
    known = test.filter(pc.is_valid(test["id_user"]))
    als = ImplicitALS([ImplicitALSConfig(factors=8)]).fit(train, valid)
    mean, spread = _chance(known)

    assert mean_ndcg(known, als.score(known)) > mean + 3 * spread


def test_als_falls_to_chance_on_shuffled_labels() -> None:
    train, valid, test = windows(world(shuffled=True, searches=2000))
    als = ImplicitALS([ImplicitALSConfig(factors=8)]).fit(train, valid)
    mean, spread = _chance(test)

    assert abs(mean_ndcg(test, als.score(test)) - mean) < 3 * spread


@pytest.mark.parametrize("name", ["position", "propensity", "is_random_order", "stage", "book_day"])
def test_outcome_or_position_is_refused_as_an_input(name: str) -> None:
    with pytest.raises(ValueError, match=f"never an input of a model: {name}"):
        LambdaRank(FeatureSet((*FEATURES.features, _feature(name))))
