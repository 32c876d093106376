"""Estimates from a randomised log, against the value that the truth gives."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.off_policy.counterfactual import (
    CounterfactualConfig,
    policy_values,
    random_slice,
)

SIZE, K = 6, 3
EXAMINED = np.arange(1, SIZE + 1) ** -0.7
QUICK = CounterfactualConfig(stage=1, k=K, replicates=200)


def _randomised(rng, *, searches=1_500):
    """Searches in random order; clicks fall with the place and rise with the appeal."""
    appeal = rng.beta(1, 4, (searches, SIZE))
    position = np.argsort(rng.random((searches, SIZE)), axis=1) + 1
    clicked = rng.random((searches, SIZE)) < appeal * EXAMINED[position - 1]
    search = np.repeat(np.arange(searches), SIZE)
    rows = pa.table(
        {
            "id_search": [f"s{i}" for i in search],
            "id_listing": [f"l{i}" for i in range(len(search))],
            "id_user": [f"u{i // 2}" for i in search],
            "stage": clicked.ravel().astype(np.int8),
            "position": position.ravel().astype(np.int32),
            "is_random_order": np.ones(len(search), dtype=bool),
            "propensity": np.full(len(search), 1 / SIZE),
        }
    )
    return rows, appeal


def _true_value(appeal, scores):
    """Expected clicks of the first k places of that order."""
    ranks = np.argsort(np.argsort(-scores.reshape(appeal.shape), axis=1), axis=1)
    return (np.where(ranks < K, EXAMINED[ranks], 0.0) * appeal).sum(axis=1).mean()


@pytest.fixture(scope="module")
def repeated():
    """Estimates and truths of a good order, over many logs."""
    rng = np.random.default_rng(8)
    estimates, truths, covered = [], [], []
    for _ in range(60):
        rows, appeal = _randomised(rng, searches=800)
        scores = {"random": rng.random(rows.num_rows), "good": appeal.ravel()}
        values = policy_values(random_slice(rows), scores, reference="random", config=QUICK)
        good = {value.method: value for value in values if value.model == "good"}
        truth = _true_value(appeal, scores["good"])
        truths.append(truth)
        estimates.append([good[m].value.value for m in ("ips", "snips", "dr", "pbm")])
        covered.append([good[m].value.low <= truth <= good[m].value.high for m in ("ips", "dr")])
    return np.array(estimates), np.array(truths), np.array(covered)


def test_estimates_of_two_searches_by_hand():
    """Of four rows two stand where the model puts them; only one of these was clicked."""
    rows = pa.table(
        {
            "id_search": ["s", "s", "t", "t"],
            "id_listing": ["a", "b", "c", "d"],
            "stage": [1, 0, 0, 1],
            "position": [1, 2, 1, 2],
            "is_random_order": [True] * 4,
            "propensity": [0.5] * 4,
        }
    )
    scores = {"model": np.array([0.9, 0.1, 0.9, 0.1])}
    config = CounterfactualConfig(stage=1, k=1, replicates=10)
    ips, snips, _, pbm = policy_values(random_slice(rows), scores, reference="model", config=config)
    # a and c are on top and weigh 1 / 0.5 each; a was clicked
    assert (ips.value.value, snips.value.value) == (2 / 2, 2 / 4)
    assert (ips.matched, ips.searches) == (2, 2)
    # both places were clicked once: examined alike, so the click on a counts once
    assert pbm.value.value == pytest.approx(1 / 2)


@pytest.mark.parametrize("method", [0, 1, 2, 3], ids=["ips", "snips", "dr", "pbm"])
def test_estimate_is_unbiased(repeated, method):
    estimates, truths, _ = repeated
    errors = estimates[:, method] - truths
    standard_error = errors.std(ddof=1) / np.sqrt(len(errors))
    # the position model is fitted, and shrinks a little: 2% of the value is tolerated
    assert abs(errors.mean()) < 3.5 * standard_error + 0.02 * truths.mean()


def test_intervals_cover_the_truth(repeated):
    _, _, covered = repeated
    assert (covered.mean(axis=0) > 0.85).all()


def test_doubly_robust_and_position_model_vary_less_than_ips(repeated):
    estimates, truths, _ = repeated
    spread = (estimates - truths[:, None]).std(axis=0)
    ips, _, dr, pbm = spread
    assert dr < ips
    assert pbm < ips


def test_better_order_differs_from_a_random_one(rng):
    rows, appeal = _randomised(rng, searches=4_000)
    scores = {"random": rng.random(rows.num_rows), "good": appeal.ravel()}
    values = policy_values(random_slice(rows), scores, reference="random", config=QUICK)
    good = [value for value in values if value.model == "good"]
    assert [value.method for value in good] == ["ips", "snips", "dr", "pbm"]
    for value in good:
        assert value.difference.low > 0, value.method
        assert value.p < 0.05


def test_clipped_weights_scale_the_value_down(rng):
    rows, appeal = _randomised(rng)
    scores = {"good": appeal.ravel()}
    clipped = CounterfactualConfig(stage=1, k=K, clip=2.0, replicates=10)
    values = [
        policy_values(random_slice(rows), scores, reference="good", config=config)[0].value.value
        for config in (QUICK, clipped)
    ]
    # propensities of 1/6: weights of 2 instead of 6
    assert values[1] == pytest.approx(values[0] / 3)


def test_only_searches_in_random_order_are_used(rng):
    rows, _ = _randomised(rng, searches=20)
    random = np.repeat(np.arange(20) < 5, SIZE)
    index = rows.column_names.index("is_random_order")
    mixed = rows.set_column(index, "is_random_order", pa.array(random))
    assert random_slice(mixed).arranged.searches == 5


def test_log_without_positions_is_refused_by_name(rng):
    rows, _ = _randomised(rng, searches=3)
    with pytest.raises(ValueError, match="propensity"):
        random_slice(rows.drop_columns(["propensity"]))
    index = rows.column_names.index("is_random_order")
    none = rows.set_column(index, "is_random_order", pa.array(np.zeros(3 * SIZE, dtype=bool)))
    with pytest.raises(ValueError, match="no search"):
        random_slice(none)
