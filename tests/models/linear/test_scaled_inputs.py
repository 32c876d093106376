"""What a linear model reads: clipped, centred and scaled, with a flag for missing."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.linear.scaled_inputs import ScaledInputs

FEATURES = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="unknown") for n in ("x_a", "x_b"))
)


def test_missing_value_counts_as_the_mean_and_is_flagged() -> None:
    rows = pa.table({"x_a": pa.array([1.0, 3.0, None]), "x_b": pa.array([0.0, 0.0, 0.0])})
    matrix = ScaledInputs(FEATURES).fit(rows, tail_share=0.0).encode(rows)

    np.testing.assert_allclose(matrix[:, 0], [-1, 1, 0])
    np.testing.assert_allclose(matrix[:, 1], 0)
    np.testing.assert_allclose(matrix[:, 2:], [[0, 0], [0, 0], [1, 0]])


def test_values_beyond_the_training_quantiles_are_clipped() -> None:
    train = pa.table({"x_a": [0.0, *range(1, 100), 1e9], "x_b": [0.0] * 101})
    scaled = ScaledInputs(FEATURES).fit(train, tail_share=0.01)
    low, high, mean, spread = scaled.scaling[:, 0]

    assert (low, high) == (1.0, 99.0)
    far = pa.table({"x_a": [1e12, -5.0], "x_b": [0.0, 0.0]})
    np.testing.assert_allclose(
        scaled.encode(far)[:, 0], [(99 - mean) / spread, (1 - mean) / spread]
    )


def test_position_and_a_set_without_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="position"):
        ScaledInputs(FeatureSet((Feature(name="position", kind="number", meaning="p", null="n"),)))
    with pytest.raises(ValueError, match="number or boolean"):
        ScaledInputs(FeatureSet((Feature(name="a", kind="category", meaning="a", null="n"),)))
