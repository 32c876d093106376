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
    low, high, mean, spread, _ = scaled.scaling[:, 0]

    assert (low, high) == (1.0, 99.0)
    far = pa.table({"x_a": [1e12, -5.0], "x_b": [0.0, 0.0]})
    np.testing.assert_allclose(
        scaled.encode(far)[:, 0], [(99 - mean) / spread, (1 - mean) / spread]
    )


def test_skewed_value_is_read_as_a_logarithm() -> None:
    rng = np.random.default_rng(1)
    skewed, even = np.exp(rng.normal(size=2_000)), rng.normal(size=2_000)
    rows = pa.table({"x_a": skewed, "x_b": even})
    scaled = ScaledInputs(FEATURES).fit(rows, tail_share=0.0)
    matrix = scaled.encode(rows)

    logs = np.log(skewed / np.median(skewed) + 0.1)
    np.testing.assert_allclose(matrix[:, 0], (logs - logs.mean()) / logs.std())
    np.testing.assert_allclose(matrix[:, 1], (even - even.mean()) / even.std())
    assert np.isfinite(scaled.encode(pa.table({"x_a": [-1.0], "x_b": [0.0]}))).all()


def test_product_is_that_of_the_scaled_values_and_missing_counts_as_none() -> None:
    rows = pa.table({"x_a": pa.array([1.0, 3.0, None]), "x_b": pa.array([0.0, 4.0, 4.0])})
    pairs = (("x_a", "x_b"), ("x_a", "not there"))
    scaled = ScaledInputs(FEATURES, products=pairs).fit(rows, tail_share=0.0)
    matrix = scaled.encode(rows)

    assert scaled.columns == ("x_a", "x_b", "x_a", "x_b", "x_a")
    np.testing.assert_allclose(matrix[:, 4], matrix[:, 0] * matrix[:, 1])
    assert matrix[2, 4] == 0
    weights = np.array([0.5, -1.0, 2.0, 0.25, 3.0])
    np.testing.assert_allclose(scaled.weighted(rows, weights), matrix @ weights)


def test_position_and_a_set_without_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="position"):
        ScaledInputs(FeatureSet((Feature(name="position", kind="number", meaning="p", null="n"),)))
    with pytest.raises(ValueError, match="number or boolean"):
        ScaledInputs(FeatureSet((Feature(name="a", kind="category", meaning="a", null="n"),)))
