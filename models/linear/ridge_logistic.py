"""A ridge logistic regression that starts from another model's log-odds: for few outcomes.

    log-odds = intercept + lead_weight · lead + x·b

``lead`` are the log-odds of a model that had many outcomes to learn from (clicks): what makes
a listing clicked says most of what makes it booked. x are the scaled features, whose
coefficients b say what is different, and are drawn to 0 by the penalty; the intercept and the
weight of the lead are not. Fitted by least

    Σ log(1 + exp(z)) - y·z  +  penalty/2 · |b|²        z the log-odds, y 0 or 1

(ridge logistic regression: le Cessie & van Houwelingen, Applied Statistics 1992). With n rare
outcomes a coefficient is about n / (n + penalty) of what it would be without the penalty: with
a penalty of 1000, a tenth from 110 contacts and half from 1000. Trees cut a few thousand
outcomes into leaves of their own; this has one number per feature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import expit

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, require_columns
from models.linear.scaled_inputs import ScaledInputs
from models.serialization import read_json, read_table, write_json, write_table

__all__ = ["RidgeLogistic", "fit_ridge"]

_TAIL_SHARE = 0.01
_ITERATIONS = 300
_TOLERANCE = 1e-10
_LEAST_CURVATURE = 1e-6


@dataclass
class RidgeLogistic:
    """The regression, fitted or loaded; see the formula above.

    Attributes:
        scaled: which features are read, and how they are scaled.
        coefficients: b: one per feature, then one per feature that says it is missing.
        lead_weight, intercept: not penalised.
    """

    scaled: ScaledInputs
    coefficients: Numbers
    lead_weight: float
    intercept: float

    @classmethod
    def fit(
        cls,
        features: FeatureSet,
        rows: pa.Table,
        lead: Numbers,
        happened: Numbers,
        penalties: Callable[[str], float],
    ) -> Self:
        """Fit on ``rows``: their ``lead`` (log-odds) and whether the outcome ``happened`` (0 or 1).

        ``penalties`` of each feature, by its name. Raises ``ValueError`` when an input is absent.
        """
        scaled = ScaledInputs(features)
        require_columns(rows, scaled.inputs, model="the logistic regression")
        x_ND = scaled.fit(rows, tail_share=_TAIL_SHARE).encode(rows)
        # The lead is the last column, so that it can be left out of the penalty.
        of_inputs = [penalties(name) for name in scaled.inputs]
        penalty_D = np.array([*of_inputs, *of_inputs, 0.0])  # values, missingness, the lead
        fitted = fit_ridge(np.column_stack([x_ND, lead]), happened, penalty_D)
        return cls(scaled, fitted[:-2], float(fitted[-2]), float(fitted[-1]))

    def log_odds(self, rows: pa.Table, lead: Numbers) -> Numbers:
        """The log-odds of each row, shape (rows,)."""
        require_columns(rows, self.scaled.inputs, model="the logistic regression")
        base = self.intercept + self.lead_weight * lead
        return np.asarray(base + self.scaled.weighted(rows, self.coefficients))

    def contributions(self, rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What each input adds to the log-odds, its missingness included; (rows, inputs)."""
        half = len(self.scaled.inputs)
        added_ND = self.scaled.encode(rows) * self.coefficients
        return np.asarray(added_ND[:, :half] + added_ND[:, half:])

    def save(self, folder: Path, name: str) -> None:
        """Write ``name``.json and ``name``.parquet."""
        saved = {"lead_weight": self.lead_weight, "intercept": self.intercept}
        write_json(folder / f"{name}.json", {"model": name} | saved)
        write_table(folder / f"{name}.parquet", self.scaled.table(self.coefficients))

    @classmethod
    def load(cls, features: FeatureSet, folder: Path, name: str) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / f"{name}.json", model=name)
        table = read_table(folder / f"{name}.parquet")
        scaled, coefficients = ScaledInputs.of_table(features, table)
        return cls(scaled, coefficients, saved["lead_weight"], saved["intercept"])


def fit_ridge(x_ND: np.ndarray[Any, Any], happened: Numbers, penalty_D: Numbers) -> Numbers:
    """Coefficients and, last, the intercept that minimise log-loss plus Σ penalty/2 · b².

    One penalty per column; the intercept has none. Shape (D + 1,).

    L-BFGS in coordinates in which the curvature at the mean rate is a sphere: columns that say
    nearly the same would cost it hundreds of steps otherwise.
    """
    design = np.hstack([x_ND, np.ones((len(x_ND), 1))])
    penalties = np.r_[penalty_D, 0.0]
    rate = float(happened.mean()) if len(happened) else 0.0
    curvature = rate * (1 - rate) * (design.T @ design)
    # Also what nothing holds in place: a column without a penalty that never varies.
    curvature[np.diag_indices_from(curvature)] += penalties + _LEAST_CURVATURE
    lower = cholesky(curvature, lower=True)

    def coefficients_at(u: Numbers) -> Numbers:
        return np.asarray(solve_triangular(lower, u, lower=True, trans="T"))

    def loss_and_slope(u: Numbers) -> tuple[float, Numbers]:
        b = coefficients_at(u)
        z = design @ b
        loss = np.logaddexp(0, z).sum() - happened @ z + (penalties * b) @ b / 2
        slope = design.T @ (expit(z) - happened) + penalties * b
        return float(loss), np.asarray(solve_triangular(lower, slope, lower=True))

    start = np.zeros(design.shape[1])
    options = {"maxiter": _ITERATIONS, "ftol": _TOLERANCE, "gtol": _TOLERANCE}
    result = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return coefficients_at(result.x)
