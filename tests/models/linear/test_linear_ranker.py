"""The linear ranker: the conditional logit of which result is taken."""

from __future__ import annotations

import numpy as np
import pytest

from models.linear.linear_ranker import LinearRanker, LinearRankerConfig, fit_logit, listwise_loss
from tests.models.worlds import FEATURES, mean_ndcg, windows, world


def test_loss_of_two_equal_results_is_log_two() -> None:
    loss = listwise_loss(np.zeros(2), np.array([1.0, 0.0]), np.array([2]))

    assert loss == pytest.approx(np.log(2))


def test_slope_of_the_loss_is_zero_where_the_fit_ends() -> None:
    rng = np.random.default_rng(1)
    x_ND, groups = rng.normal(size=(300, 3)), np.full(30, 10)
    weights = (rng.random(300) < 0.2).astype(np.float64)
    fitted = fit_logit(x_ND, weights, groups, penalty=1.0, iterations=500)

    def objective(b: np.ndarray) -> float:
        return listwise_loss(x_ND @ b, weights, groups) + b @ b / 2

    for step in np.eye(3) * 1e-3:
        assert objective(fitted) <= min(objective(fitted + step), objective(fitted - step))


def test_fit_recovers_the_coefficients_behind_the_choices() -> None:
    rng = np.random.default_rng(2)
    x_ND, truth = rng.normal(size=(40_000, 2)), np.array([1.0, -0.5])
    utility = (x_ND @ truth + rng.gumbel(size=40_000)).reshape(-1, 10)
    taken = (utility == utility.max(axis=1, keepdims=True)).ravel().astype(np.float64)
    fitted = fit_logit(x_ND, taken, np.full(4_000, 10), penalty=1e-6, iterations=500)

    np.testing.assert_allclose(fitted, truth, atol=0.06)


def test_heavier_penalty_gives_smaller_coefficients() -> None:
    train, valid, _ = windows(world())
    light, heavy = (
        LinearRanker(FEATURES, LinearRankerConfig(penalties=(p,))).fit(train, valid)
        for p in (1.0, 1000.0)
    )

    assert np.abs(heavy.coefficients).sum() < np.abs(light.coefficients).sum()


def test_linear_ranker_learns_and_shuffled_labels_teach_little() -> None:
    train, valid, test = windows(world())
    learnt = LinearRanker(FEATURES).fit(train, valid)
    train, valid, _ = windows(world(shuffled=True))
    fooled = LinearRanker(FEATURES).fit(train, valid)

    assert mean_ndcg(test, learnt.score(test)) > 0.6
    assert np.abs(fooled.coefficients).max() < np.abs(learnt.coefficients).max() / 2


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="penalties"):
        LinearRankerConfig(penalties=(0.0,))
