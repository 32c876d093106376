"""Numeric columns: what is derived where a column is absent, and what null becomes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.inputs.numeric_inputs import NumberScaler, column_values


def test_null_becomes_the_mean_and_an_indicator() -> None:
    table = pa.table({"listing_review_rating": [3.0, 5.0, None]})
    scaler = NumberScaler.fit(table, ["listing_review_rating"])
    np.testing.assert_allclose(scaler.transform(table), [[-1, 0], [1, 0], [0, 1]], atol=1e-6)


def test_nan_and_infinity_count_as_missing() -> None:
    table = pa.table({"listing_review_rating": [3.0, 5.0, float("nan"), float("inf")]})
    scaler = NumberScaler.fit(table, ["listing_review_rating"])
    assert scaler.transform(table)[:, 1].tolist() == [0, 0, 1, 1]


def test_a_constant_column_becomes_zeros_and_a_wholly_missing_one_its_indicator() -> None:
    table = pa.table({"a": [2.0, 2.0], "b": pa.array([None, None], pa.float64())})
    inputs = NumberScaler.fit(table, ["a", "b"]).transform(table)
    assert inputs.tolist() == [[0, 0, 0, 1], [0, 0, 0, 1]]


def test_nights_and_lead_time_are_derived_from_the_days() -> None:
    table = pa.table(
        {
            "search_day": pa.array([10, 10], pa.int32()),
            "checkin_day": pa.array([14, None], pa.int32()),
            "checkout_day": pa.array([16, None], pa.int32()),
        }
    )
    np.testing.assert_array_equal(column_values(table, "query_nights"), [2, np.nan])
    np.testing.assert_array_equal(column_values(table, "query_lead_time_days"), [4, np.nan])


def test_nightly_price_leaves_out_fee_and_long_stay_factor() -> None:
    table = pa.table(
        {
            "query_nights": [2, 7, 28, None],
            "listing_total_price": [220.0, 650.0, 1420.0, 120.0],
            "listing_cleaning_fee": [20.0, 20.0, 20.0, None],
            "listing_weekly_price_factor": [0.9, 0.9, 0.9, 0.9],
            "listing_monthly_price_factor": [0.5, 0.5, 0.5, 0.5],
        }
    )
    np.testing.assert_allclose(column_values(table, "listing_nightly_price"), [100, 100, 100, 120])


def test_the_weekday_of_the_first_of_january_1970_is_a_thursday() -> None:
    table = pa.table({"checkin_day": pa.array([0], pa.int32())})
    angle = 2 * np.pi * 3 / 7
    np.testing.assert_allclose(column_values(table, "checkin_weekday_sine"), [np.sin(angle)])


def days(*dates: dt.date | None) -> pa.Array:
    return pa.array([None if d is None else (d - dt.date(1970, 1, 1)).days for d in dates])


def test_a_long_tail_is_read_on_a_log_scale_and_a_rating_is_not() -> None:
    """Prices e - 1 and e^3 - 1 have logs 1 and 3: mean 2, deviation 1."""
    table = pa.table({"listing_nightly_price": np.expm1([1.0, 3.0]), "rating": [1.0, 3.0]})
    scaler = NumberScaler.fit(table, ["listing_nightly_price", "rating"])
    np.testing.assert_allclose(scaler.means, [2, 2])
    np.testing.assert_allclose(scaler.deviations, [1, 1])
    np.testing.assert_allclose(scaler.transform(table)[:, :2], [[-1, -1], [1, 1]], rtol=1e-6)


def test_an_absurd_value_is_held_at_five_deviations() -> None:
    scaler = NumberScaler(names=("rating",), means=(0.0,), deviations=(2.0,))
    inputs = scaler.transform(pa.table({"rating": [1e9, -1e9, 3.0]}))
    assert inputs[:, 0].tolist() == [5.0, -5.0, 1.5]


def test_a_column_that_the_rows_of_the_fit_lacked_takes_no_part() -> None:
    table = pa.table({"a": [1.0, 3.0]})
    scaler = NumberScaler.fit(table, ["a", "listing_nightly_price"])
    assert scaler.input_names == ("a", "a is missing")
    with pytest.raises(ValueError, match="fitted with column a,"):
        scaler.transform(pa.table({"b": [1.0]}))


def test_a_scaler_is_whole_after_json() -> None:
    scaler = NumberScaler(names=("a",), means=(1.0,), deviations=(2.0,))
    values = {key: list(entry) for key, entry in scaler.to_mapping().items()}
    assert NumberScaler.from_mapping(values) == scaler


def test_a_stated_column_comes_before_a_derived_one() -> None:
    table = pa.table(
        {
            "query_nights": [3, None],
            "checkin_day": [10, 10],
            "checkout_day": [12, 12],
            "nights": 2 * [9],
        }
    )
    np.testing.assert_array_equal(column_values(table, "query_nights"), [3, np.nan])
    without_query = table.drop_columns(["query_nights"])
    np.testing.assert_array_equal(column_values(without_query, "query_nights"), [2, 2])
    nights_alone = without_query.drop_columns(["checkin_day"])
    np.testing.assert_array_equal(column_values(nights_alone, "query_nights"), [9, 9])


def test_the_season_is_the_month_of_the_check_in_on_a_circle() -> None:
    """March is a quarter of the way round, December all of it."""
    table = pa.table({"checkin_day": days(dt.date(2026, 3, 31), dt.date(2026, 12, 1), None)})
    sine, cosine = (column_values(table, f"season_{wave}") for wave in ("sine", "cosine"))
    np.testing.assert_allclose(sine, [1, 0, np.nan], atol=1e-12)
    np.testing.assert_allclose(cosine, [0, 1, np.nan], atol=1e-12)


def test_without_their_parts_there_are_no_derived_columns() -> None:
    table = pa.table({"listing_total_price": [100.0], "checkin_day": [3]})
    for name in ("query_nights", "query_lead_time_days", "listing_nightly_price", "unheard_of"):
        assert column_values(table, name) is None, name
