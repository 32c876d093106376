"""Calibration: the observed rates, per market where it has enough outcomes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from models.lightgbm_core.calibration import ALL_MARKETS, CalibrationConfig, calibrate


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
