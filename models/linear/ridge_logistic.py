"""A ridge logistic regression that may start from another model's log-odds: for few outcomes.

    log-odds = intercept + lead_weight · lead + x·b

``lead`` are the log-odds of a model that had many outcomes to learn from (clicks): what makes
a listing clicked says much of what makes it booked. x are the scaled features, whose
coefficients b say what is different, and are drawn to 0 by the penalty; the intercept and the
weight of the lead are not. Fitted by least

    Σ log(1 + exp(z)) - y·z  +  Σ penalty/2 · b²        z the log-odds, y 0 or 1

(ridge logistic regression: le Cessie & van Houwelingen, Applied Statistics 1992). With n rare
outcomes a coefficient is about n / (n + penalty) of what it would be without the penalty: with
a penalty of 1000, a tenth from 110 contacts and half from 1000. Trees cut a few thousand
outcomes into leaves of their own; this has one number per feature. How the penalties are
chosen is in :mod:`models.linear.cross_validation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit
from threadpoolctl import threadpool_limits

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, require_columns
from models.linear.scaled_inputs import ScaledInputs
from models.serialization import read_json, read_table, write_json, write_table

__all__ = ["RidgeLogistic", "fit_ridge"]

_STEPS = 50
_HALVINGS = 30
_TOLERANCE = 1e-9
# Also what nothing holds in place: a column without a penalty that never varies.
_LEAST_PENALTY = 1e-6


@dataclass
class RidgeLogistic:
    """The regression, fitted or loaded; see the formula above.

    Attributes:
        scaled: which features are read, and how they are scaled.
        coefficients: b: one per column of :class:`models.linear.scaled_inputs.ScaledInputs`.
        lead_weight, intercept: not penalised; the weight is 0 without a lead.
    """

    scaled: ScaledInputs
    coefficients: Numbers
    lead_weight: float
    intercept: float

    def log_odds(self, rows: pa.Table, lead: Numbers | None = None) -> Numbers:
        """The log-odds of each row, shape (rows,); ``lead`` as it was given when fitting."""
        require_columns(rows, self.scaled.inputs, model="the logistic regression")
        own = self.intercept + self.scaled.weighted(rows, self.coefficients)
        return np.asarray(own if lead is None else own + self.lead_weight * lead)

    def contributions(self, rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
        """What each input adds to the log-odds; (rows, inputs).

        With its missingness, and its products with another.
        """
        added_NC = self.scaled.encode(rows) * self.coefficients
        added_ND = np.zeros((rows.num_rows, len(self.scaled.inputs)))
        for column, name in enumerate(self.scaled.columns):
            added_ND[:, self.scaled.inputs.index(name)] += added_NC[:, column]
        return added_ND

    def save(self, folder: Path, name: str) -> None:
        """Write ``name``.json and ``name``.parquet."""
        saved = {
            "lead_weight": self.lead_weight,
            "intercept": self.intercept,
            "products": self.scaled.products,
            "product_coefficients": self.coefficients[2 * len(self.scaled.inputs) :].tolist(),
        }
        write_json(folder / f"{name}.json", {"model": name} | saved)
        write_table(folder / f"{name}.parquet", self.scaled.table(self.coefficients))

    @classmethod
    def load(cls, features: FeatureSet, folder: Path, name: str) -> Self:
        """Read what :meth:`save` wrote, or an earlier version of it without products."""
        saved = read_json(folder / f"{name}.json", model=name)
        scaled, coefficients = ScaledInputs.of_table(
            features, read_table(folder / f"{name}.parquet")
        )
        products = [(first, second) for first, second in saved.get("products", ())]
        return cls(
            ScaledInputs(features, scaled.scaling, products=products),
            np.r_[coefficients, saved.get("product_coefficients", [])],
            saved["lead_weight"],
            saved["intercept"],
        )


def fit_ridge(
    x_ND: np.ndarray[Any, Any],
    happened: Numbers,
    penalty_D: Numbers,
    *,
    offset_N: Numbers | None = None,
    start: Numbers | None = None,
) -> Numbers:
    """Coefficients and, last, the intercept that minimise log-loss plus Σ penalty/2 · b².

    One penalty per column; the intercept has none. Shape (D + 1,). ``offset_N`` are log-odds
    that each row starts from; ``start`` is where to begin, such as the coefficients under
    another penalty.

    Newton's method, a step being halved until it gains. On one thread of BLAS: how it adds up
    depends on their number, and the same rows must give the same bits.
    """
    # A column without a value but 0 has the coefficient 0, and costs as much as any other.
    used = np.flatnonzero(x_ND.any(axis=0)) if len(x_ND) else np.zeros(0, dtype=np.int64)
    fitted = np.zeros(x_ND.shape[1] + 1)
    kept = np.r_[used, x_ND.shape[1]]
    # Columns one after the other in memory; it is the largest array of a fit, and made once.
    design = np.ones((len(x_ND), len(kept)), order="F")
    for place, d in enumerate(used):
        design[:, place] = x_ND[:, d]
    penalties = np.r_[penalty_D[used], 0.0] + _LEAST_PENALTY
    offset = np.zeros(len(x_ND)) if offset_N is None else offset_N
    begin = np.zeros(len(kept)) if start is None else np.asarray(start)[kept]
    if start is None and len(happened):
        begin[-1] = _log_odds_of(float(happened.mean())) - float(offset.mean())
    with threadpool_limits(limits=1, user_api="blas"):
        fitted[kept] = _newton(design, happened, penalties, offset, begin)
    return fitted


def _newton(
    design: np.ndarray[Any, Any],
    happened: Numbers,
    penalties: Numbers,
    offset: Numbers,
    coefficients: Numbers,
) -> Numbers:
    def loss_at(b: Numbers) -> tuple[float, Numbers]:
        z = design @ b + offset
        return float(np.logaddexp(0, z).sum() - happened @ z + (penalties * b) @ b / 2), z

    loss, z = loss_at(coefficients)
    for _ in range(_STEPS):
        chance = expit(z)
        slope = design.T @ (chance - happened) + penalties * coefficients
        # The product of a matrix with itself costs half of that of two.
        weighted = design * np.sqrt(chance * (1 - chance))[:, None]
        curvature = weighted.T @ weighted
        curvature[np.diag_indices_from(curvature)] += penalties
        step = cho_solve(cho_factor(curvature), slope)
        # Half of this is about what the step will gain.
        if float(slope @ step) < _TOLERANCE * (1 + abs(loss)):
            return np.asarray(coefficients - step)
        for halved in 0.5 ** np.arange(_HALVINGS):
            tried = coefficients - halved * step
            new_loss, new_z = loss_at(tried)
            if new_loss < loss:
                break
        else:
            return coefficients
        coefficients, loss, z = tried, new_loss, new_z
    return coefficients


def _log_odds_of(rate: float) -> float:
    bounded = min(max(rate, 1e-6), 1 - 1e-6)
    return float(np.log(bounded / (1 - bounded)))
