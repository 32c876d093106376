"""The ridge logistic regression that a lead goes before."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.schema.feature_set import Feature, FeatureSet
from models.funnel.led_logistic import LedLogistic, fit_ridge
from models.linear.scaled_inputs import ScaledInputs

FEATURES = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="unknown") for n in ("x_a", "x_b"))
)


def _rows(n_rows: int, *, seed: int) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Rows, their lead, and outcomes of log-odds -1 + 0.7 · lead + x_a."""
    rng = np.random.default_rng(seed)
    a, b, lead = rng.normal(size=(3, n_rows))
    happened = (rng.random(n_rows) < expit(-1 + 0.7 * lead + a)).astype(np.float64)
    return pa.table({"x_a": a, "x_b": b}), lead, happened


def test_recovers_the_weight_of_the_lead_and_of_a_feature() -> None:
    rows, lead, happened = _rows(40_000, seed=1)
    found = LedLogistic.fitted(FEATURES, rows, lead, happened, 1.0)
    test, test_lead, _ = _rows(1_000, seed=2)

    a = test["x_a"].to_numpy()
    ordinary = np.abs(a) < 2  # what is rarer is clipped

    assert found.lead_weight == pytest.approx(0.7, abs=0.05)
    np.testing.assert_allclose(
        found.log_odds(test, test_lead)[ordinary], (-1 + 0.7 * test_lead + a)[ordinary], atol=0.15
    )


def test_a_heavy_penalty_leaves_the_lead_and_the_rate() -> None:
    rows, lead, happened = _rows(5_000, seed=3)
    found = LedLogistic.fitted(FEATURES, rows, lead, happened, 1e9)

    assert np.abs(found.coefficients).max() < 1e-4
    assert found.lead_weight > 0.4
    predicted = expit(found.log_odds(rows, lead))
    assert predicted.mean() == pytest.approx(happened.mean(), abs=0.001)


def test_slope_of_the_penalised_loss_is_zero_where_the_fit_ends() -> None:
    rng = np.random.default_rng(4)
    x_ND = rng.normal(size=(500, 3))
    happened = (rng.random(500) < 0.3).astype(np.float64)
    found = fit_ridge(x_ND, happened, penalty=5.0, free=1)

    def objective(b: np.ndarray) -> float:
        z = x_ND @ b[:-1] + b[-1]
        return float(np.logaddexp(0, z).sum() - happened @ z + 2.5 * (b[:2] @ b[:2]))

    for step in np.eye(4) * 1e-2:
        assert objective(found) <= min(objective(found - step), objective(found + step))


def test_a_missing_value_counts_as_the_mean_and_has_a_say_of_its_own() -> None:
    rows = pa.table({"x_a": pa.array([1.0, 3.0, None]), "x_b": pa.array([0.0, 0.0, 0.0])})
    matrix = ScaledInputs(FEATURES).fit(rows, tail_share=0.0).of(rows)

    np.testing.assert_allclose(matrix[:, 0], [-1, 1, 0])
    np.testing.assert_allclose(matrix[:, 1], 0)
    np.testing.assert_allclose(matrix[:, 2:], [[0, 0], [0, 0], [1, 0]])


def test_what_was_saved_says_the_same(tmp_path) -> None:
    rows, lead, happened = _rows(2_000, seed=5)
    found = LedLogistic.fitted(FEATURES, rows, lead, happened, 10.0)
    found.save(tmp_path, "contact")
    again = LedLogistic.load(FEATURES, tmp_path, "contact")

    np.testing.assert_array_equal(again.log_odds(rows, lead), found.log_odds(rows, lead))


def test_a_feature_that_rows_lack_is_named() -> None:
    rows, lead, happened = _rows(100, seed=6)

    with pytest.raises(ValueError, match="x_b"):
        LedLogistic.fitted(FEATURES, rows.drop(["x_b"]), lead, happened, 1.0)
    with pytest.raises(ValueError, match="position"):
        ScaledInputs(FeatureSet((Feature(name="position", kind="number", meaning="p", null="n"),)))
    with pytest.raises(ValueError, match="number or boolean"):
        ScaledInputs(FeatureSet((Feature(name="a", kind="category", meaning="a", null="n"),)))
