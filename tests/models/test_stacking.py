"""Stacked scores come from an earlier window; scores from the same rows would leak."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.implicit_als import ImplicitALS, ImplicitALSConfig
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.stacking import Stacked
from tests.models.worlds import FEATURES, FIRST_DAY, mean_ndcg, windows, world

CONFIG = LambdaRankConfig(max_rounds=60, patience=60, min_rows_per_leaf=20, num_leaves=7)


def _als() -> ImplicitALS:
    # Far more factors than areas: it remembers who took what, which is what leaks.
    return ImplicitALS([ImplicitALSConfig(factors=48, iterations=15, threads=1)], k=5)


@pytest.fixture(scope="module")
def rows() -> tuple[pa.Table, pa.Table, pa.Table]:
    return windows(world(searches=900))


@pytest.fixture(scope="module")
def stacked(rows) -> Stacked:
    return Stacked(FEATURES, {"als": _als()}, CONFIG).fit(rows[0], rows[1])


def _ndcg(rows: pa.Table, scores: np.ndarray) -> float:
    return mean_ndcg(rows, scores)


def test_in_fold_scores_would_have_leaked(rows, stacked) -> None:
    train, valid, test = rows
    in_fold = Stacked(FEATURES, {"als": _als().fit(train, valid)}, CONFIG)
    in_fold.ranker.fit(in_fold.with_scores(train), in_fold.with_scores(valid))
    later = train.filter(pa.array(train["search_day"].to_numpy() >= FIRST_DAY + 3))
    honest, leaking = stacked.components["als"], in_fold.components["als"]

    # On rows whose labels it saw, the score is far better than it will ever be again.
    assert _ndcg(train, leaking.score(train)) > _ndcg(test, leaking.score(test)) + 0.1
    assert abs(_ndcg(later, honest.score(later)) - _ndcg(test, honest.score(test))) < 0.08
    # The ranker falls for it: more trust in the score, a worse order of new searches.
    assert _share(in_fold) > 1.5 * _share(stacked)
    assert _ndcg(test, in_fold.score(test)) < _ndcg(test, stacked.score(test))


def test_stacked_score_of_an_earlier_window_helps_where_taste_decides(rows, stacked) -> None:
    train, valid, test = rows
    plain = LambdaRank(FEATURES, CONFIG).fit(train, valid)

    assert _ndcg(test, stacked.score(test)) > _ndcg(test, plain.score(test))


def test_components_never_see_the_rows_that_the_ranker_learns_from(rows) -> None:
    seen: list[int] = []

    class Spy(ImplicitALS):
        def fit(self, train: pa.Table, valid: pa.Table) -> Spy:
            seen.extend([*train["search_day"].to_pylist(), *valid["search_day"].to_pylist()])
            return super().fit(train, valid)

    model = Stacked(FEATURES, {"als": Spy([ImplicitALSConfig(factors=4)], k=5)}, CONFIG)
    model.fit(rows[0], rows[1])

    assert max(seen) == FIRST_DAY + 2


def test_two_training_days_are_too_few(rows) -> None:
    two = rows[0].filter(pa.array(rows[0]["search_day"].to_numpy() < FIRST_DAY + 2))

    with pytest.raises(ValueError, match="three days"):
        Stacked(FEATURES, {"als": _als()}, replace(CONFIG)).fit(two, rows[1])


def test_saved_stack_scores_the_same(rows, stacked, tmp_path) -> None:
    stacked.save(tmp_path)
    loaded = Stacked.load(tmp_path, {"als": ImplicitALS.load})

    np.testing.assert_allclose(loaded.score(rows[2]), stacked.score(rows[2]))


def _share(model: Stacked) -> float:
    importance = model.ranker.importance().to_pydict()
    return dict(zip(importance["feature"], importance["share"], strict=True))["stacked_als"]
