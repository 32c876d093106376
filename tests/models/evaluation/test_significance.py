"""Intervals that cover, tests that find what was planted and not what was not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from models.evaluation.significance import (
    bootstrap_sums,
    difference_test,
    draw_weights,
    holm,
    jackknife_interval,
    percentile_interval,
    ratio,
)

GUESTS, PER_GUEST = 400, 2
SPREAD_OF_A_DIFFERENCE = 0.05


def _interval_of_mean(sums, counts, rng, replicates=400):
    top, bottom = bootstrap_sums(sums, counts, replicates=replicates, rng=rng)
    value = float(sums[:, 0].sum() / counts.sum())
    return value, ratio(top, bottom)[:, 0]


def test_weights_draw_every_guest_once_on_average_and_all_in_total(rng):
    weights = np.vstack(list(draw_weights(rng, clusters=50, replicates=300)))
    assert weights.shape == (300, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean() == 1
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.05)


def test_interval_of_clustered_means_covers_the_truth_about_95_times_in_100(rng):
    covered = 0
    for _ in range(200):
        guest_effect = rng.normal(size=(GUESTS, 1))
        values = guest_effect + rng.normal(size=(GUESTS, PER_GUEST))
        sums, counts = values.sum(axis=1)[:, None], np.full((GUESTS, 1), float(PER_GUEST))
        value, drawn = _interval_of_mean(sums, counts, rng)
        interval = percentile_interval(value, drawn, confidence=0.95)
        covered += interval.low <= 0 <= interval.high
    low, high = binom.interval(0.998, 200, 0.95)
    assert low <= covered <= high


def test_bootstrap_error_agrees_with_the_closed_form(rng):
    values = rng.normal(size=(1_000, 1))
    value, drawn = _interval_of_mean(values, np.ones((1_000, 1)), rng, replicates=2_000)
    assert drawn.std() == pytest.approx(values.std() / np.sqrt(1_000), rel=0.06)
    assert drawn.mean() == pytest.approx(value, abs=0.005)


def _planted(rng, difference, *, guests):
    """Paired NDCG of two models, the one better by that share of it."""
    base = rng.beta(2, 3, size=guests)
    other = base + difference * base.mean() + rng.normal(0, SPREAD_OF_A_DIFFERENCE, size=guests)
    sums = np.stack([base, other], axis=1)
    top, bottom = bootstrap_sums(sums, np.ones((guests, 1)), replicates=300, rng=rng)
    drawn = ratio(top, np.repeat(bottom, 2, axis=1))
    observed = float(other.mean() - base.mean())
    return difference_test(observed, drawn[:, 1] - drawn[:, 0], confidence=0.95)


def test_planted_one_percent_of_ndcg_is_detected(rng):
    results = [_planted(rng, 0.01, guests=4_000) for _ in range(20)]
    assert all(p < 0.05 and interval.low > 0 for interval, p in results)


def test_planted_zero_is_significant_in_about_five_of_a_hundred(rng):
    significant = sum(_planted(rng, 0.0, guests=1_000)[1] < 0.05 for _ in range(200))
    low, high = binom.interval(0.998, 200, 0.05)
    assert low <= significant <= high


def test_identical_models_are_not_different(rng):
    interval, p = difference_test(0.0, np.zeros(100), confidence=0.95)
    assert (interval.low, interval.value, interval.high, p) == (0, 0, 0, 1)


def test_replicates_that_differ_by_rounding_alone_give_no_interval():
    # the same booking of the same guest, drawn once to four times
    drawn = np.array([0.0535 * times / times for times in (1, 2, 3, 4)]) + np.arange(4) * 1e-17
    interval, p = difference_test(0.0535, drawn, confidence=0.95)
    assert (interval.value, p) == (0.0535, pytest.approx(np.nan, nan_ok=True))
    assert np.isnan([interval.low, interval.high]).all()
    interval, p = difference_test(1e-17, np.array([1e-17, -1e-17, 0.0]), confidence=0.95)
    assert (interval.low, interval.high, p) == (interval.value, interval.value, 1.0)


def test_groups_that_change_nothing_give_no_jackknife_interval():
    interval = jackknife_interval(1.0, np.ones(20), confidence=0.95, bounds=(0.0, 1.0))
    assert interval.value == 1
    assert np.isnan([interval.low, interval.high]).all()


def test_holm_by_hand_with_an_unknown_one():
    adjusted = holm(np.array([0.2, np.nan, 0.001, 0.02]))
    assert adjusted[[0, 2, 3]] == pytest.approx([0.2, 0.003, 0.04])
    assert np.isnan(adjusted[1])


def test_holm_never_exceeds_one():
    assert holm(np.array([0.6, 0.7])).tolist() == [1.0, 1.0]


def test_jackknife_of_a_share_stays_a_share():
    interval = jackknife_interval(
        0.99, np.array([0.9, 1.0, 0.95]), confidence=0.95, bounds=(0.0, 1.0)
    )
    assert interval.high == 1
    assert interval.low < 0.99


def test_jackknife_of_a_mean_is_its_standard_error(rng):
    groups = rng.normal(size=20)
    left_out = (groups.sum() - groups) / 19
    interval = jackknife_interval(float(groups.mean()), left_out, confidence=0.95)
    error = groups.std(ddof=1) / np.sqrt(20)
    assert interval.high - interval.value == pytest.approx(1.959964 * error)
