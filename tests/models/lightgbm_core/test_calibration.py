"""Calibration: the observed rates, per market where it has enough outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from models.lightgbm_core.calibration import (
    ALL_MARKETS,
    CalibrationConfig,
    Calibrator,
    calibrate,
    calibrate_levels,
    trend_of_levels,
)


def test_curve_maps_to_the_observed_rates() -> None:
    log_odds = np.repeat([-2.0, 0.0, 2.0], 1000)
    happened = np.concatenate([np.arange(1000) < n for n in (100, 400, 900)]).astype(float)
    markets = np.full(3000, "rio_de_janeiro")
    calibrator = calibrate(log_odds, happened, markets, CalibrationConfig())

    np.testing.assert_allclose(
        calibrator.probabilities(np.array([-2.0, 0.0, 2.0]), markets[:3]), [0.1, 0.4, 0.9]
    )


def test_market_with_few_outcomes_takes_the_line_of_all() -> None:
    rng = np.random.default_rng(1)
    log_odds = rng.normal(size=2000)
    happened = (rng.random(2000) < expit(log_odds - 1)).astype(float)
    markets = np.where(np.arange(2000) < 5, "tiny", "large")
    calibrator = calibrate(log_odds, happened, markets, CalibrationConfig())
    line = calibrator.maps[ALL_MARKETS]

    assert "tiny" not in calibrator.maps
    assert line["intercept"] == pytest.approx(-1, abs=0.2)
    assert line["slope"] == pytest.approx(1, abs=0.2)
    of_all = expit(line["intercept"] + line["slope"] * log_odds)
    for market in ("tiny", "never seen"):
        probabilities = calibrator.probabilities(log_odds, np.full(2000, market))
        np.testing.assert_allclose(probabilities, of_all)


def test_no_calibration_rows_leave_the_model_as_it_is() -> None:
    none = np.zeros(0)
    calibrator = calibrate(none, none, none.astype(str), CalibrationConfig())
    log_odds = np.array([-1.0, 2.0])

    np.testing.assert_allclose(
        calibrator.probabilities(log_odds, np.array(["a", "b"])), expit(log_odds)
    )


def test_curve_ties_no_rows_between_its_levels() -> None:
    rng = np.random.default_rng(3)
    log_odds = rng.normal(size=20_000)
    happened = (rng.random(20_000) < expit(log_odds)).astype(float)
    markets = np.full(20_000, "rio_de_janeiro")
    curve = calibrate(log_odds, happened, markets, CalibrationConfig())
    middle = np.linspace(-1, 1, 50)

    assert (np.diff(curve.probabilities(middle, markets[:50])) > 0).all()


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="CalibrationConfig"):
        CalibrationConfig(platt_outcomes=0)


def test_levels_predict_as_much_as_came_in_each_market_and_keep_the_shape() -> None:
    rng = np.random.default_rng(8)
    log_odds = rng.normal(-2, 1, size=20_000)
    markets = np.where(rng.random(20_000) < 0.7, "a", "b")
    happened = (rng.random(20_000) < expit(log_odds + np.where(markets == "a", 0.5, -0.5))) * 1.0
    shape = Calibrator({ALL_MARKETS: {"intercept": 0.0, "slope": 1.0}})
    levelled = calibrate_levels(log_odds, happened, markets, shape)
    predicted = levelled.probabilities(log_odds, markets)

    for market in ("a", "b"):
        at = markets == market
        assert predicted[at].sum() == pytest.approx(happened[at].sum(), rel=0.005)
        assert (np.diff(predicted[at][np.argsort(log_odds[at])]) >= 0).all()
    elsewhere = levelled.probabilities(log_odds[:5], np.full(5, "never seen"))
    assert ((elsewhere > predicted[:5]) == (markets[:5] == "b")).all()


def test_level_of_a_market_of_few_outcomes_is_near_that_of_all() -> None:
    log_odds = np.full(1_003, -1.0)
    markets = np.array(["many"] * 1_000 + ["few"] * 3)
    happened = np.r_[np.ones(500), np.zeros(500), np.zeros(3)]
    levelled = calibrate_levels(log_odds, happened, markets, Calibrator({}), shrinkage=10.0)

    few, many = (levelled.probabilities(log_odds[:1], np.array([m]))[0] for m in ("few", "many"))
    assert many == pytest.approx(0.5, abs=0.01)
    assert 0.4 < few < many


def test_trend_is_followed_where_it_is_one_and_noise_is_not() -> None:
    days = np.arange(20_470, 20_476)
    drifting = trend_of_levels(days, 0.05 * np.exp(0.015 * (days - days[0])), np.full(6, 0.05))
    assert -0.0525 < drifting < -0.03

    rng = np.random.default_rng(9)
    moved = [
        trend_of_levels(days, np.full(6, 0.05), 0.05 * np.exp(rng.normal(0, 0.04, 6)))
        for _ in range(400)
    ]
    assert np.std(moved) < 0.04
    assert np.mean(moved) == pytest.approx(0.0, abs=0.006)


def test_two_days_and_days_without_a_click_give_no_trend() -> None:
    days = np.arange(2)
    assert trend_of_levels(days, np.array([0.05, 0.1]), np.array([0.05, 0.05])) == 0.0
    assert trend_of_levels(np.arange(4), np.full(4, 0.05), np.array([0.05, 0.0, 0.0, 0.04])) == 0.0
