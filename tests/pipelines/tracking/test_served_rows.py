"""What a served model is given: cast where nothing is lost, else refused in one short sentence."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from data.errors import DataError
from pipelines.tracking.served_rows import (
    ServedColumn,
    as_config,
    columns_of_config,
    served_rows,
)

COLUMNS = (
    ServedColumn(name="id_search", kind="category", if_absent="refused"),
    ServedColumn(name="id_listing", kind="category", if_absent="refused"),
    ServedColumn(name="price", kind="number", if_absent="refused"),
    ServedColumn(name="is_new", kind="boolean", if_absent="unknown"),
    ServedColumn(name="room", kind="category", if_absent="unknown"),
    ServedColumn(name="search_day", kind="number", if_absent="unknown"),
    ServedColumn(name="search_s", kind="number", if_absent="unknown"),
    ServedColumn(name="in_search_rank", kind="number", if_absent="left_out"),
)


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"id_search": ["s", "s"], "id_listing": ["a", "b"], "price": 1.0} | columns)


def served(given: Any) -> pa.Table:
    return served_rows(given, COLUMNS, model="the ranker")


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("price", [1, 2], [1.0, 2.0]),
        ("price", np.array([1, 2], np.int8), [1.0, 2.0]),
        ("price", pd.array([1, None], "Int64"), [1.0, None]),
        ("price", [Decimal("1.5"), True], [1.5, 1.0]),
        ("price", ["1.5", None], [1.5, None]),
        ("price", [pd.NA, np.nan], [None, None]),
        ("is_new", [1.0, np.nan], [True, None]),
        ("is_new", ["True", "false"], [True, False]),
        ("is_new", pd.array([True, None], "boolean"), [True, None]),
        ("room", pd.Categorical(["flat", None]), ["flat", None]),
        ("room", [7, 8], ["7", "8"]),
        ("room", [7.0, np.nan], ["7", None]),
        ("search_day", [date(1970, 1, 3), None], [2.0, None]),
        ("search_day", pd.to_datetime(["1970-01-03", None]), [2.0, None]),
        ("search_s", [datetime(1970, 1, 1, 0, 1, tzinfo=UTC), None], [60.0, None]),
    ],
)
def test_what_loses_nothing_is_cast(column: str, given: Any, expected: list[Any]) -> None:
    assert served(frame(**{column: given}))[column].to_pylist() == expected


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"price": [1, "cheap"]}, "column price, row 1: 'cheap' is not a number"),
        ({"price": [date(2026, 1, 1)] * 2}, "column price, row 0: '2026-01-01' is not a number"),
        ({"is_new": [1, 2]}, "column is_new, row 1: '2' is not true or false"),
        ({"is_new": ["true", "yes"]}, "column is_new, row 1: 'yes' is not true or false"),
        ({"room": ["flat", 1.5]}, "column room, row 1: '1.5' is not text"),
        (
            {"id_listing": ["a", None]},
            "column id_listing, row 1: is empty, and every row needs one",
        ),
    ],
)
def test_what_cannot_be_cast_is_refused_in_one_sentence(
    columns: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(DataError) as refused:
        served(frame(**columns))
    assert str(refused.value) == sentence


def test_needed_columns_that_are_absent_are_counted_and_the_first_named() -> None:
    with pytest.raises(DataError) as refused:
        served(pd.DataFrame({"x": [1]}))
    assert str(refused.value) == (
        "the rows lack 3 columns that the ranker needs (id_search, id_listing, price): "
        "give it rows of the features table"
    )


def test_optional_columns_are_null_or_left_out_and_others_ignored() -> None:
    rows = served(frame(extra=[object(), 3], search_day=[1, 2]))
    assert rows.column_names == [c.name for c in COLUMNS if c.if_absent != "left_out"]
    assert rows["room"].to_pylist() == [None, None]
    assert rows.schema.field("room").type == pa.string()
    assert "in_search_rank" in served(frame(in_search_rank=[1, 2])).column_names


def test_a_column_that_stands_twice_is_refused() -> None:
    twice = pd.concat([frame(), frame()[["price"]]], axis=1)
    with pytest.raises(DataError, match="column price stands twice"):
        served(twice)


def test_every_kind_of_table_gives_the_same_rows() -> None:
    given = frame(room=["flat", None], is_new=[True, None])
    polars = pl.from_pandas(given)
    kinds: list[Any] = [polars, polars.to_arrow(), given.to_dict("records"), given.to_dict("list")]
    assert all(served(kind) == served(given) for kind in kinds)
    assert served(given.iloc[0]).num_rows == 1
    assert served(given.head(0)).num_rows == 0
    with pytest.raises(DataError, match="rows are a table, such as a pandas DataFrame, not int"):
        served(5)


def test_columns_come_back_from_what_a_version_keeps() -> None:
    assert columns_of_config(as_config(COLUMNS)) == COLUMNS
    assert columns_of_config(None) == ()
