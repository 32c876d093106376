"""The funnel: probabilities that are ordered, multiply up, and come true."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.feature_set import Feature, FeatureSet
from models.funnel_model import FunnelConfig, FunnelModel
from models.trees.calibration import ALL_MARKETS, CalibrationConfig, calibrate

FEATURES = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="never") for n in ("x_a", "x_b"))
)
CONFIG = FunnelConfig(max_rounds=60, patience=10, num_leaves=7)
MARKETS = ("rio_de_janeiro", "sao_paulo")


def _log(n_rows: int, *, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Rows whose true P(click), P(contact | click), P(book | contact) are known; and P(book)."""
    rng = np.random.default_rng(seed)
    a, b, market = rng.normal(size=n_rows), rng.normal(size=n_rows), rng.integers(2, size=n_rows)
    given = np.stack([expit(-1.5 + a + 0.5 * market), expit(-1 + b), expit(0.3 * a)])
    stage = np.cumprod(rng.random((3, n_rows)) < given, axis=0).sum(axis=0)
    columns = {
        "id_search": pa.array([f"s{i // 10}" for i in range(n_rows)]),
        "id_listing": pa.array([f"l{i}" for i in range(n_rows)]),
        "market": pa.array([MARKETS[m] for m in market]),
        "stage": pa.array(stage.astype(np.int8)),
        "x_a": pa.array(a),
        "x_b": pa.array(b),
    }
    return pa.table(columns), given.prod(axis=0)


@pytest.fixture(scope="module")
def model() -> FunnelModel:
    return FunnelModel(FEATURES, CONFIG).fit(_log(20_000, seed=1)[0], _log(20_000, seed=2)[0])


def test_predicted_over_actual_is_near_one_per_stage_and_market(model) -> None:
    rows, _ = _log(40_000, seed=3)
    stage, market = rows["stage"].to_numpy(), np.asarray(rows["market"].to_pylist())
    predicted = model.probabilities(rows)

    for reached, name in enumerate(("click", "contact", "book"), start=1):
        for one in MARKETS:
            at = market == one
            ratio = predicted[name][at].sum() / (stage[at] >= reached).sum()
            assert 0.9 < ratio < 1.1, (name, one)


def test_probability_of_booking_is_near_the_truth(model) -> None:
    rows, truth = _log(10_000, seed=4)
    booked = model.score(rows)

    assert np.corrcoef(booked, truth)[0, 1] > 0.9
    assert np.abs(booked - truth).mean() < 0.02


def test_a_later_stage_is_never_likelier(model) -> None:
    predicted = model.probabilities(_log(2_000, seed=5)[0])

    assert (predicted["click"] >= predicted["contact"]).all()
    assert (predicted["contact"] >= predicted["book"]).all()
    assert predicted["book"].min() > 0
    assert predicted["click"].max() < 1


def test_product_of_the_conditionals_is_the_probability_of_booking(model) -> None:
    rows = _log(500, seed=6)[0]
    given = model.conditional(rows)

    np.testing.assert_allclose(
        given["click"] * given["contact"] * given["book"], model.score(rows), rtol=1e-12
    )


def test_stage_that_nobody_reached_is_rare_and_finite() -> None:
    rows, _ = _log(2_000, seed=7)
    clicks = pa.array(np.minimum(rows["stage"].to_numpy(), 1))
    rows = rows.set_column(rows.column_names.index("stage"), "stage", clicks)
    booked = FunnelModel(FEATURES, CONFIG).fit(rows, rows).score(rows)

    assert np.isfinite(booked).all()
    assert booked.max() < 0.01


def test_curve_maps_to_the_observed_rates() -> None:
    log_odds = np.repeat([-2.0, 0.0, 2.0], 1000)
    happened = np.concatenate([np.arange(1000) < n for n in (100, 400, 900)]).astype(float)
    markets = np.full(3000, "rio_de_janeiro")
    calibrator = calibrate(log_odds, happened, markets, CalibrationConfig())

    np.testing.assert_allclose(
        calibrator.of(np.array([-2.0, 0.0, 2.0]), markets[:3]), [0.1, 0.4, 0.9]
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
    np.testing.assert_array_equal(
        calibrator.of(log_odds, np.full(2000, "tiny")),
        calibrator.of(log_odds, np.full(2000, "never seen")),
    )


def test_no_calibration_rows_leave_the_model_as_it_is() -> None:
    none = np.zeros(0)
    calibrator = calibrate(none, none, none.astype(str), CalibrationConfig())
    log_odds = np.array([-1.0, 2.0])

    np.testing.assert_allclose(calibrator.of(log_odds, np.array(["a", "b"])), expit(log_odds))


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="num_leaves"):
        FunnelConfig(num_leaves=1)
    with pytest.raises(ValueError, match="CalibrationConfig"):
        CalibrationConfig(platt_outcomes=0)
