"""Features as a linear model reads them: clipped, centred, scaled, with a flag for missing.

price            100    140    null    9,000        high, mean, spread: 500, 200, 100
scaled          -1.0   -0.6     0.0      3.0        9,000 is clipped to 500
is missing         0      0       1        0
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, numbers
from models.lightgbm_core.feature_matrix import FORBIDDEN

__all__ = ["ScaledInputs"]

_SCALING = ("low", "high", "mean", "spread")


class ScaledInputs:
    """The numbers and booleans of a feature set, scaled by what the training rows look like.

    A missing value counts as the mean of the training rows, and has a column of its own that
    says so. Categories are not read. After ``fit`` (or with ``scaling``: a row each of low,
    high, mean and spread, a column per input) :meth:`encode` gives the matrix.

    Legend: N rows, D inputs.
    """

    def __init__(
        self, features: FeatureSet, scaling: np.ndarray[Any, np.dtype[np.float64]] | None = None
    ) -> None:
        """Raises ``ValueError`` when the set has no number, or a column never to be an input."""
        forbidden = sorted(FORBIDDEN.intersection(features.names))
        if forbidden:
            raise ValueError(f"never an input of a model: {', '.join(forbidden)}")
        self.inputs = tuple(f.name for f in features if f.kind != "category")
        if not self.inputs:
            raise ValueError("a linear model needs at least one number or boolean")
        self.scaling = np.zeros((4, 0)) if scaling is None else scaling

    def fit(self, rows: pa.Table, *, tail_share: float) -> Self:
        """Learn the scaling; ``tail_share`` of the values is clipped at each end."""
        self.scaling = np.stack([_scale(numbers(rows, n), tail_share) for n in self.inputs], 1)
        return self

    def encode(self, rows: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Scaled values, then missingness, of each input; shape (rows, 2 · inputs)."""
        values_ND = np.stack([numbers(rows, name) for name in self.inputs], axis=1)
        low, high, mean, spread = self.scaling
        missing_ND = ~np.isfinite(values_ND)
        filled_ND = np.where(missing_ND, mean, np.clip(values_ND, low, high))
        return np.hstack([(filled_ND - mean) / spread, missing_ND.astype(np.float64)])

    def weighted(self, rows: pa.Table, coefficients: Numbers) -> Numbers:
        """The matrix of ``rows`` times the coefficients; shape (rows,)."""
        # Column by column: a matrix product may add in another order for other row counts, and
        # a row's score would depend on the others. Nor is there a matrix of all columns.
        low, high, mean, spread = self.scaling
        of_value, of_missing = np.split(coefficients, 2)
        sums, absent = np.zeros(rows.num_rows), []
        for d, name in enumerate(self.inputs):
            values = numbers(rows, name)
            missing = ~np.isfinite(values)
            if missing.any():
                absent.append((d, missing))
                values = np.where(missing, mean[d], values)
            sums += (np.clip(values, low[d], high[d]) - mean[d]) / spread[d] * of_value[d]
        for d, missing in absent:
            sums += missing * of_missing[d]
        return sums

    def table(self, coefficients: Numbers) -> pa.Table:
        """One row per input with its scaling and both coefficients, to be saved."""
        half = len(self.inputs)
        halves = {"value": coefficients[:half], "missing": coefficients[half:]}
        scaling = dict(zip(_SCALING, self.scaling, strict=True))
        return pa.table({"input": list(self.inputs)} | scaling | halves)

    @classmethod
    def of_table(cls, features: FeatureSet, table: pa.Table) -> tuple[Self, Numbers]:
        """The scaling and the coefficients that :meth:`table` gave."""
        scaled = cls(features, np.stack([table[name].to_numpy() for name in _SCALING]))
        return scaled, np.r_[table["value"].to_numpy(), table["missing"].to_numpy()]


def _scale(values: Numbers, tail_share: float) -> Numbers:
    """Low and high quantile, mean and spread of the clipped known values.

    The spread is 1 where all are alike, so that they can be divided by it.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return np.array([0.0, 0.0, 0.0, 1.0])
    low, high = np.quantile(known, [tail_share, 1 - tail_share])
    clipped = np.clip(known, low, high)
    return np.array([low, high, clipped.mean(), clipped.std() or 1.0])
