"""Features as a linear model reads them: clipped, centred, scaled, with a flag for missing.

price            100    140    null    9,000        high, mean, spread: 500, 200, 100
scaled          -1.0   -0.6     0.0      3.0        9,000 is clipped to 500
is missing         0      0       1        0

What is skewed and never below 0, such as prices and counts, is read as log(value / median + 0.1)
before: a line takes the step from 1 to 2 reviews for that from 101 to 102 otherwise.

Two features may also come as the product of their scaled values, where one says nothing
without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, numbers
from models.lightgbm_core.feature_matrix import FORBIDDEN

__all__ = ["ScaledInputs"]

_SCALING = ("low", "high", "mean", "spread", "median")
# Of the clipped values, above which they are read as logarithms; and of how many different ones.
_SKEWNESS = 1.0
_DIFFERENT = 10
_BESIDE_THE_MEDIAN = 0.1


class ScaledInputs:
    """The numbers and booleans of a feature set, scaled by what the training rows look like.

    A missing value counts as the mean of the training rows, and has a column of its own that
    says so. Categories are not read. ``products`` are pairs of features; a pair of which one is
    not read is left out. After ``fit`` (or with ``scaling``: a row each of low, high, mean,
    spread and median, the last 0 where no logarithm is taken; a column per input)
    :meth:`encode` gives the matrix.

    Legend: N rows, D inputs, P products.
    """

    def __init__(
        self,
        features: FeatureSet,
        scaling: np.ndarray[Any, np.dtype[np.float64]] | None = None,
        *,
        products: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Raises ``ValueError`` when the set has no number, or a column never to be an input."""
        forbidden = sorted(FORBIDDEN.intersection(features.names))
        if forbidden:
            raise ValueError(f"never an input of a model: {', '.join(forbidden)}")
        self.inputs = tuple(f.name for f in features if f.kind != "category")
        if not self.inputs:
            raise ValueError("a linear model needs at least one number or boolean")
        self.scaling = np.zeros((len(_SCALING), 0)) if scaling is None else scaling
        self.products = tuple(pair for pair in products if set(pair) <= set(self.inputs))

    @property
    def columns(self) -> tuple[str, ...]:
        """The feature that each column of the matrix is of; a product counts as its first."""
        return (*self.inputs, *self.inputs, *(first for first, _ in self.products))

    def fit(self, rows: pa.Table, *, tail_share: float) -> Self:
        """Learn the scaling; ``tail_share`` of the values is clipped at each end."""
        self.scaling = np.stack([_scale(numbers(rows, n), tail_share) for n in self.inputs], 1)
        return self

    def encode(
        self, rows: pa.Table, *, beside: Sequence[Numbers] = ()
    ) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Scaled values, missingness, products, and the columns ``beside`` them.

        Shape (rows, 2 · inputs + products + columns beside).
        """
        width = len(self.inputs)
        # Written where it stays: parts that are put together afterwards exist twice.
        matrix_NC = np.zeros((rows.num_rows, len(self.columns) + len(beside)))
        for d, name in enumerate(self.inputs):
            matrix_NC[:, d], missing = self._scaled(rows, d, name)
            if missing is not None:
                matrix_NC[:, width + d] = missing
        places = [[self.inputs.index(name) for name in pair] for pair in self.products]
        more = [*(matrix_NC[:, first] * matrix_NC[:, second] for first, second in places), *beside]
        for c, column in enumerate(more, start=2 * width):
            matrix_NC[:, c] = column
        return matrix_NC

    def weighted(self, rows: pa.Table, coefficients: Numbers) -> Numbers:
        """The matrix of ``rows`` times the coefficients; shape (rows,)."""
        # Column by column: a matrix product may add in another order for other row counts, and
        # a row's score would depend on the others. Nor is there a matrix of all columns.
        width = len(self.inputs)
        of_value, of_missing = coefficients[:width], coefficients[width : 2 * width]
        sums, absent = np.zeros(rows.num_rows), []
        for d, name in enumerate(self.inputs):
            if not (of_value[d] or of_missing[d]):
                continue
            scaled, missing = self._scaled(rows, d, name)
            if missing is not None:
                absent.append((d, missing))
            sums += scaled * of_value[d]
        for d, missing in absent:
            sums += missing * of_missing[d]
        for (first, second), weight in zip(self.products, coefficients[2 * width :], strict=True):
            one, other = (
                self._scaled(rows, self.inputs.index(name), name)[0] for name in (first, second)
            )
            sums += one * other * weight
        return sums

    def _scaled(
        self, rows: pa.Table, d: int, name: str
    ) -> tuple[Numbers, np.ndarray[Any, np.dtype[np.bool_]] | None]:
        """One input's scaled values, and which are missing; ``None`` where none is."""
        low, high, mean, spread, median = self.scaling[:, d]
        values = _unskewed(numbers(rows, name), median)
        missing = ~np.isfinite(values)
        if not missing.any():
            return (np.clip(values, low, high) - mean) / spread, None
        filled = np.where(missing, mean, np.clip(values, low, high))
        return (filled - mean) / spread, missing

    def table(self, coefficients: Numbers) -> pa.Table:
        """One row per input with its scaling and both coefficients, to be saved.

        Products are not in it.
        """
        width = len(self.inputs)
        halves = {"value": coefficients[:width], "missing": coefficients[width : 2 * width]}
        scaling = dict(zip(_SCALING, self.scaling, strict=True))
        return pa.table({"input": list(self.inputs)} | scaling | halves)

    @classmethod
    def of_table(cls, features: FeatureSet, table: pa.Table) -> tuple[Self, Numbers]:
        """The scaling and the coefficients that :meth:`table` gave."""
        # An earlier version took no logarithms.
        none = pa.chunked_array([np.zeros(table.num_rows)])
        columns = [table[n] if n in table.column_names else none for n in _SCALING]
        scaled = cls(features, np.stack([column.to_numpy() for column in columns]))
        return scaled, np.r_[table["value"].to_numpy(), table["missing"].to_numpy()]


def _scale(values: Numbers, tail_share: float) -> Numbers:
    """Low and high quantile, mean and spread of the clipped known values, and their median.

    The spread is 1 where all are alike, so that they can be divided by it. The median is 0
    where no logarithm is taken; the other four are of the logarithms where one is.
    """
    known = np.sort(values[np.isfinite(values)])
    if not len(known):
        return np.array([0.0, 0.0, 0.0, 1.0, 0.0])
    median = 0.0
    if (
        known[0] >= 0
        and len(np.unique(known)) > _DIFFERENT
        and _skewness(known, tail_share) > (_SKEWNESS)
    ):
        median = float(np.median(known) or known.mean())
    known = _unskewed(known, median)
    low, high = np.quantile(known, [tail_share, 1 - tail_share])
    clipped = np.clip(known, low, high)
    return np.array([low, high, clipped.mean(), clipped.std() or 1.0, median])


def _unskewed(values: Numbers, median: float) -> Numbers:
    """The values, or their logarithms; below 0, where none was when fitting, counts as 0."""
    if not median:
        return values
    return np.asarray(np.log(np.maximum(values, 0.0) / median + _BESIDE_THE_MEDIAN))


def _skewness(known: Numbers, tail_share: float) -> float:
    """Third standardised moment of the clipped values; 0 where all are alike."""
    clipped = np.clip(known, *np.quantile(known, [tail_share, 1 - tail_share]))
    spread = clipped.std()
    return float((((clipped - clipped.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0
