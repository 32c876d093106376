"""Arrow columns of any type as text, numbers or lists; nothing is lost on the way."""

from __future__ import annotations

import json
import uuid
from datetime import time, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from data.readers.arrow_columns import is_nested, text_of_bytes, to_series
from data.readers.values import read_text
from data.validation.validate_chunk import rows_as_json

UUID = uuid.UUID("6f1c2a3b-0000-4000-8000-0123456789ab")
WKB = b"\x01\x01\x00\x00\x00" + b"\xff" * 16
FIXED = pa.binary(16)
LONG = pa.decimal256(60, 2)


def _uuids() -> pa.Array:
    return pa.ExtensionArray.from_storage(pa.uuid(), pa.array([UUID.bytes, None], FIXED))


# name → column of two cells, the second null, and the text of the first
AS_TEXT: dict[str, tuple[pa.Array, str]] = {
    "text in bytes": (pa.array(["Σ1".encode(), None]), "Σ1"),
    "bytes": (pa.array([WKB, None]), WKB.hex()),
    "large bytes": (pa.array([WKB, None], pa.large_binary()), WKB.hex()),
    "uuid": (_uuids(), str(UUID)),
    "uuid as fixed bytes": (pa.array([UUID.bytes, None], FIXED), str(UUID)),
    "text in fixed bytes": (pa.array([b"S" * 16, None], FIXED), "S" * 16),
    "bytes with a control character": (pa.array([b"a\x00b", None]), "610062"),
    "dictionary": (pa.array(["x", None]).dictionary_encode(), "x"),
    "dictionary of bytes": (pa.array([b"\xff", None]).dictionary_encode(), "ff"),
    "dictionary of numbers": (pa.array([7, None]).dictionary_encode(), "7"),
    "decimal": (pa.array([Decimal("20.00"), None], pa.decimal128(20, 2)), "20"),
    "long decimal": (pa.array([Decimal("20.50"), None], LONG), "20.50"),
    "time": (pa.array([time(1, 2, 3), None]), "01:02:03"),
    "duration": (pa.array([timedelta(seconds=5), None]), "PT5S"),
    "half float": (pa.array([2.0, None], pa.float32()).cast(pa.float16()), "2"),
    "json": (pa.ExtensionArray.from_storage(pa.json_(), pa.array(["{}", None])), "{}"),
    "nothing": (pa.nulls(2), ""),
}
# name → column of two cells, the second null, and the JSON of the first
NESTED: dict[str, tuple[pa.Array, object]] = {
    "list": (pa.array([[1, 2], None]), [1, 2]),
    "list of fixed length": (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), [1, 2]),
    "list of words": (pa.array([["a", "b"], None]), ["a", "b"]),
    "list of dictionary": (
        pa.array([["a"], None], pa.list_(pa.dictionary(pa.int32(), pa.string()))),
        ["a"],
    ),
    "list of bytes": (pa.array([[b"a", b"\xff"], None]), ["a", "ff"]),
    "list of long decimals": (pa.array([[Decimal("1.00")], None], pa.list_(LONG)), ["1.00"]),
    "struct": (pa.array([{"a": 1, "b": "x"}, None]), {"a": 1, "b": "x"}),
    "map": (pa.array([[("a", 1)], None], pa.map_(pa.string(), pa.int64())), {"a": 1}),
}


@pytest.mark.parametrize("name", AS_TEXT)
def test_cell_is_read_as_text_and_can_be_written_down(name: str) -> None:
    column, text = AS_TEXT[name]
    series = to_series("cell", column)
    assert not is_nested(column.type)
    assert read_text(series).to_list() == [text or None, None]
    first, second = rows_as_json(series.to_frame()).to_list()
    assert (json.loads(first)["cell"] is None) is (text == "")
    assert json.loads(second) == {"cell": None}


def test_bytes_are_text_cell_by_cell_by_one_rule() -> None:
    rng = np.random.default_rng(5)
    words = "a~é߿ࠀ퟿\ue000\uffff\U00010000\U0010ffff \x7f\x1f"
    cells = ["".join(rng.choice(list(words), 4)).encode() for _ in range(200)]
    cells += [rng.bytes(int(size)) for size in rng.integers(0, 4, 300)]
    cells += [b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xe0\x80\x80", bytes(16)]
    assert to_series("cell", pa.array(cells)).to_list() == [text_of_bytes(cell) for cell in cells]


@pytest.mark.parametrize("name", NESTED)
def test_nested_cell_can_be_written_down(name: str) -> None:
    column, value = NESTED[name]
    series = to_series("cell", column)
    assert is_nested(column.type)
    first, second = rows_as_json(series.to_frame()).to_list()
    assert json.loads(first) == {"cell": value}
    assert json.loads(second)["cell"] is None


@pytest.mark.parametrize("name", [name for name in NESTED if name.startswith("list of ")])
def test_list_is_a_list_of_cells_still(name: str) -> None:
    assert isinstance(to_series("cell", NESTED[name][0]).dtype, pl.List | pl.Array)


def test_struct_that_polars_does_not_take_is_json_text() -> None:
    column = pa.array([{"a": WKB, "b": [{"c": Decimal("1.5")}]}, None])
    first, second = to_series("cell", column).to_list()
    assert (json.loads(first), second) == ({"a": WKB.hex(), "b": [{"c": "1.5"}]}, None)


def test_numbers_that_json_cannot_hold_are_written_as_text() -> None:
    rows = pl.DataFrame({"price": [float("inf"), float("nan"), 1.5]})
    cells = [json.loads(row)["price"] for row in rows_as_json(rows)]
    assert cells == ["inf", "NaN", "1.5"]
