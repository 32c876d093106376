"""The nightly price is stated twice: for Polars and Spark, and for the two-tower's own inputs."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa

from features.formulas.nightly_price import nightly_price
from models.two_tower.inputs.numeric_inputs import column_values


def test_the_two_tower_derives_the_price_of_the_features_table() -> None:
    """It derives the price where a machine has no Polars, or a query no feature yet."""
    chance = np.random.default_rng(0)
    count = 400
    nights = chance.choice([1, 2, 6, 7, 8, 27, 28, 29, 40], count)

    def with_nulls(values: np.ndarray) -> pa.Array:
        return pa.array(values, mask=chance.random(count) < 0.2)

    table = pa.table(
        {
            "checkin_day": pa.array(np.full(count, 100), mask=nights == 2),
            "checkout_day": pa.array(100 + nights, mask=nights == 2),
            "listing_total_price": with_nulls(chance.uniform(20, 900, count)),
            "listing_cleaning_fee": with_nulls(chance.uniform(0, 60, count)),
            "listing_weekly_price_factor": with_nulls(chance.uniform(0.7, 1, count)),
            "listing_monthly_price_factor": with_nulls(chance.uniform(0.5, 1, count)),
        }
    )
    for absent in ([], ["listing_monthly_price_factor"], ["listing_cleaning_fee"]):
        rows = table.drop_columns(absent)
        expected = pl.DataFrame(rows).select(price=nightly_price(rows.column_names))
        np.testing.assert_array_equal(
            column_values(rows, "listing_nightly_price"),
            expected["price"].to_numpy(),
        )
