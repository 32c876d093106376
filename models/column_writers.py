"""Columns that are written value by value, each where it belongs, and exist once."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.arrow_columns import Codes

__all__ = ["ColumnWriter", "column_writer"]


class ColumnWriter(Protocol):
    """Takes the values of a column in parts, and gives the column."""

    def put(self, values: pa.ChunkedArray, place: Codes) -> None: ...

    def finished(self) -> pa.Array: ...


def column_writer(arrow_type: pa.DataType, rows: int, *, narrows: bool) -> ColumnWriter:
    """For a column of so many rows; ``narrows`` as :func:`models.row_source.read_at` has it."""
    is_whole = pa.types.is_signed_integer(arrow_type)
    if is_whole or pa.types.is_unsigned_integer(arrow_type) or pa.types.is_floating(arrow_type):
        return _Scattered(arrow_type, rows, narrows=narrows and is_whole)
    if pa.types.is_boolean(arrow_type):
        return _Scattered(arrow_type, rows)
    return _Gathered(arrow_type, rows)


class _Scattered:
    """Numbers and booleans: an array of the final size, each value written where it belongs."""

    def __init__(self, arrow_type: pa.DataType, rows: int, *, narrows: bool = False) -> None:
        self.narrows = narrows
        # Not `to_pandas_dtype`: a machine that trains the towers alone has no pandas.
        no_values = pa.array([], arrow_type).to_numpy(zero_copy_only=False)
        dtype = np.dtype(np.int8) if narrows else no_values.dtype
        self.values: np.ndarray[Any, Any] = np.zeros(rows, dtype=dtype)
        self.is_null: np.ndarray[Any, np.dtype[np.bool_]] | None = None

    def put(self, values: pa.ChunkedArray, place: Codes) -> None:
        if values.null_count:
            if self.is_null is None:
                self.is_null = np.zeros(len(self.values), dtype=bool)
            self.is_null[place] = values.is_null().to_numpy()
            values = pc.fill_null(values, False if pa.types.is_boolean(values.type) else 0)
        numbers = values.to_numpy()
        if self.narrows and len(numbers):
            needed = _narrowest(int(numbers.min()), int(numbers.max()))
            wider = np.promote_types(self.values.dtype, needed)
            self.values = self.values.astype(wider, copy=False)
        self.values[place] = numbers

    def finished(self) -> pa.Array:
        if self.values.dtype == bool:
            return pa.array(self.values, mask=self.is_null)
        # Arrow takes the array over as it is: with a mask it would make another, and both exist.
        validity = None if self.is_null is None else pa.array(~self.is_null).buffers()[1]
        buffers = [validity, pa.py_buffer(self.values)]
        arrow_type = pa.from_numpy_dtype(self.values.dtype)
        return pa.Array.from_buffers(arrow_type, len(self.values), buffers)


def _narrowest(least: int, most: int) -> np.dtype[Any]:
    """The smallest signed type that holds both."""
    fitting = (t for t in (np.int8, np.int16, np.int32) if _holds(t, least) and _holds(t, most))
    return np.dtype(next(fitting, np.int64))


def _holds(integer: type[np.signedinteger[Any]], value: int) -> bool:
    return bool(np.iinfo(integer).min <= value <= np.iinfo(integer).max)


class _Gathered:
    """All else, such as words: kept as it comes, and put in order at the end."""

    def __init__(self, arrow_type: pa.DataType, rows: int) -> None:
        self.arrow_type, self.rows = arrow_type, rows
        self.parts: list[pa.Array] = []
        self.places: list[Codes] = []

    def put(self, values: pa.ChunkedArray, place: Codes) -> None:
        self.parts += values.chunks
        self.places.append(place)

    def finished(self) -> pa.Array:
        together = pa.chunked_array(self.parts, self.arrow_type).combine_chunks()
        self.parts.clear()
        came = np.concatenate(self.places) if self.places else np.zeros(0, dtype=np.int64)
        order = np.empty(self.rows, dtype=np.int64)
        order[came] = np.arange(self.rows)
        return together.take(pa.array(order))
