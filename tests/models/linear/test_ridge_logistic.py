"""The ridge logistic regression that starts from another model's log-odds."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit

from data.schema.feature_set import Feature, FeatureSet
from models.linear.cross_validation import PenaltyGrid, cross_validated
from models.linear.ridge_logistic import RidgeLogistic, fit_ridge

FEATURES = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="unknown") for n in ("x_a", "x_b"))
)


def _rows(n_rows: int, *, seed: int) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    """Rows, their lead, and outcomes of log-odds -1 + 0.7 · lead + x_a."""
    rng = np.random.default_rng(seed)
    a, b, lead = rng.normal(size=(3, n_rows))
    happened = (rng.random(n_rows) < expit(-1 + 0.7 * lead + a)).astype(np.float64)
    return pa.table({"x_a": a, "x_b": b}), lead, happened


def _fit(
    rows: pa.Table, lead: np.ndarray, happened: np.ndarray, *, penalty: float
) -> RidgeLogistic:
    folds = np.arange(rows.num_rows) % 2
    grid = PenaltyGrid(penalties=(penalty,), most_rows=rows.num_rows)
    return cross_validated(FEATURES, rows, happened, folds, grid, lead=lead).model


def test_recovers_the_weight_of_the_lead_and_of_a_feature() -> None:
    rows, lead, happened = _rows(40_000, seed=1)
    model = _fit(rows, lead, happened, penalty=1.0)
    test, test_lead, _ = _rows(1_000, seed=2)

    a = test["x_a"].to_numpy()
    ordinary = np.abs(a) < 2  # what is rarer is clipped

    assert model.lead_weight == pytest.approx(0.7, abs=0.05)
    np.testing.assert_allclose(
        model.log_odds(test, test_lead)[ordinary], (-1 + 0.7 * test_lead + a)[ordinary], atol=0.15
    )


def test_heavy_penalty_leaves_the_lead_and_the_rate() -> None:
    rows, lead, happened = _rows(5_000, seed=3)
    model = _fit(rows, lead, happened, penalty=1e9)

    assert np.abs(model.coefficients).max() < 1e-4
    assert model.lead_weight > 0.4
    predicted = expit(model.log_odds(rows, lead))
    assert predicted.mean() == pytest.approx(happened.mean(), abs=0.001)


def test_penalty_shrinks_a_coefficient_by_the_number_of_outcomes() -> None:
    rows, lead, happened = _rows(40_000, seed=7)
    # Rare outcomes: of those that happened one in twenty is used, of the others all.
    used = pa.array((happened == 0) | (np.arange(40_000) % 20 == 0))
    rows, lead, happened = rows.filter(used), lead[used], happened[used]
    n = happened.sum()
    free, halved = (_fit(rows, lead, happened, penalty=penalty) for penalty in (1e-9, n))

    assert halved.coefficients[0] / free.coefficients[0] == pytest.approx(0.5, abs=0.05)
    assert halved.lead_weight == pytest.approx(free.lead_weight, abs=0.1)


def test_slope_of_the_penalised_loss_is_zero_where_the_fit_ends() -> None:
    rng = np.random.default_rng(4)
    x_ND = rng.normal(size=(500, 3))
    happened = (rng.random(500) < 0.3).astype(np.float64)
    fitted = fit_ridge(x_ND, happened, np.r_[np.full(x_ND.shape[1] - 1, 5.0), 0.0])

    def objective(b: np.ndarray) -> float:
        z = x_ND @ b[:-1] + b[-1]
        return float(np.logaddexp(0, z).sum() - happened @ z + 2.5 * (b[:2] @ b[:2]))

    for step in np.eye(4) * 1e-2:
        assert objective(fitted) <= min(objective(fitted - step), objective(fitted + step))


def test_loaded_regression_gives_the_same_log_odds(tmp_path) -> None:
    rows, lead, happened = _rows(2_000, seed=5)
    model = _fit(rows, lead, happened, penalty=10.0)
    model.save(tmp_path, "contact")
    loaded = RidgeLogistic.load(FEATURES, tmp_path, "contact")

    np.testing.assert_array_equal(loaded.log_odds(rows, lead), model.log_odds(rows, lead))


def test_absent_feature_is_named() -> None:
    rows, lead, happened = _rows(100, seed=6)

    with pytest.raises(ValueError, match="x_b"):
        _fit(rows.drop(["x_b"]), lead, happened, penalty=1.0)
