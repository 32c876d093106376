"""Rows as the numbers that trees read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from models.lightgbm_core.feature_matrix import FeatureMatrix
from tests.models.worlds import FEATURES

ROOM = FEATURES.only(["listing_room_type"])


def test_category_becomes_its_place_and_an_unseen_one_null() -> None:
    train = pa.table({"listing_room_type": ["private_room", "entire_home", None]})
    rows = pa.table({"listing_room_type": ["entire_home", "private_room", None, "igloo"]})
    matrix = FeatureMatrix(ROOM).fit(train).encode(rows, model="test")

    assert matrix["listing_room_type"].to_pylist() == [0, 1, None, None]


def test_boolean_and_a_column_without_a_value_become_numbers() -> None:
    both = FEATURES.only(["listing_is_new", "x_signal"])
    rows = pa.table({"listing_is_new": [True, False, None], "x_signal": pa.nulls(3)})
    matrix = FeatureMatrix(both).encode(rows, model="test")

    assert matrix["listing_is_new"].to_pylist() == [1, 0, None]
    assert matrix["x_signal"].type == pa.float64()
    assert matrix["x_signal"].null_count == 3


def test_text_in_a_numeric_feature_is_named() -> None:
    text = pa.table({"x_signal": ["l0001"]})

    with pytest.raises(ValueError, match="feature x_signal is of type string"):
        FeatureMatrix(FEATURES.only(["x_signal"])).encode(text, model="ranker")
