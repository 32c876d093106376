"""AUC, log loss and calibration: against scikit-learn, and by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.metrics import roc_auc_score

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.calibration_metrics import (
    auc_metrics,
    calibration_metrics,
    log_loss,
    probability_metrics,
)
from models.evaluation.config import EvaluationConfig

CONFIG = EvaluationConfig()


@pytest.fixture
def two_searches():
    """Four rows of two guests, the first and the third booked; probabilities row by row."""
    rows = pa.table(
        {
            "id_search": ["s", "s", "t", "t"],
            "id_listing": ["a", "b", "c", "d"],
            "id_user": ["anna", "anna", "ben", "ben"],
            "stage": [3, 0, 3, 0],
        }
    )
    arranged = arrange_rows(rows)
    return arranged, {"book": arranged.arrange(np.array([0.5, 0.25, 0.75, 1.0]))}


def test_auc_agrees_with_scikit_learn_with_and_without_ties(ranked):
    arranged, scores, _ = ranked
    for values in (scores, np.round(scores)):
        metrics = auc_metrics(arranged, arranged.arrange(values))
        assert [m.metric for m in metrics] == ["auc_click", "auc_contact", "auc_book"]
        for metric, stage in zip(metrics, (1, 2, 3), strict=True):
            value = metric.numerator.sum() / metric.denominator.sum()
            expected = roc_auc_score(arranged.stage >= stage, arranged.arrange(values))
            assert value == pytest.approx(expected)


def test_log_loss_agrees_with_scikit_learn(rng):
    happened, p = rng.random(200) < 0.3, rng.random(200)
    assert log_loss(p, happened).mean() == pytest.approx(sklearn_log_loss(happened, p))


def test_calibration_error_is_near_zero_for_the_true_chance_and_not_for_twice_it(worlds, rng):
    world = worlds(rng, searches=2_000)
    arranged = arrange_rows(world.rows)
    chance = arranged.arrange(world.chance)
    for factor, low, high in ((1.0, 0.0, 0.01), (2.0, 0.04, 0.08)):
        predicted = {"book": np.minimum(chance * factor, 1.0)}
        bins, (overall,) = calibration_metrics(arranged, predicted, CONFIG)
        assert low <= overall.interval.value <= high
        assert len(bins) == 10
        promised_too_much = [m.numerator.sum() / m.denominator.sum() for m in bins]
        assert promised_too_much[-1] == pytest.approx(
            (factor - 1) * np.sort(chance)[-len(chance) // 10 :].mean(), abs=0.03
        )


def test_influences_of_the_auc_follow_it_when_a_search_weighs_more(worlds, rng):
    world = worlds(rng, searches=2_000, sizes=(10, 10))
    arranged = arrange_rows(world.rows)
    scores = arranged.arrange(world.chance)
    (booking,) = (m for m in auc_metrics(arranged, scores) if m.metric == "auc_book")
    twice = np.where(np.arange(arranged.searches) < 100, 2.0, 1.0)
    by_influence = (booking.numerator * twice).sum() / twice.sum()
    rows = twice[arranged.search]
    expected = roc_auc_score(arranged.stage == 3, scores, sample_weight=rows)
    plain = roc_auc_score(arranged.stage == 3, scores)
    assert by_influence - plain == pytest.approx(expected - plain, rel=0.1)


def test_log_loss_and_calibration_ratio_are_ratios_of_sums(two_searches):
    loss, ratio = probability_metrics(*two_searches)
    assert (loss.metric, ratio.metric) == ("log_loss_book", "calibration_ratio_book")
    # predicted 0.5 + 0.25 + 0.75 + 1.0, booked 2
    assert ratio.numerator.sum() / ratio.denominator.sum() == 1.25
    expected = -np.log([0.5, 0.75, 0.75, 1e-15]).sum() / 4
    assert loss.numerator.sum() / loss.denominator.sum() == pytest.approx(expected, rel=1e-3)


def test_calibration_error_by_hand_over_two_bins(two_searches):
    config = EvaluationConfig(decile_count=2, jackknife_groups=2)
    bins, (overall,) = calibration_metrics(*two_searches, config)
    # bin 1: 0.25 and 0.5, one booked, excess -0.25; bin 2: 0.75 and 1.0, one booked, +0.75
    assert [m.numerator.sum() / m.denominator.sum() for m in bins] == [-0.125, 0.375]
    assert overall.interval.value == (0.25 + 0.75) / 4
    # without anna's search |0.75 − 1| and |1.0 − 0| are both in bin 2: 0.75 / 2; without ben's
    # both are in bin 1: 0.25 / 2. The jackknife error is √(1/2 · 2 · 0.125²) = 0.125
    assert overall.interval.low == pytest.approx(max(0.25 - 1.959964 * 0.125, 0.0), abs=1e-6)
    assert overall.interval.high == pytest.approx(0.25 + 1.959964 * 0.125, abs=1e-6)
