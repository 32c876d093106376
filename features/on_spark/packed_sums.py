"""Sums of the past on their way through a shuffle: a row's integers in one value of bytes.

Spark handles a row column by column, and every column costs as much as its bytes. So the
answers of one family of sources travel as one column, and arrive as a matrix.

>>> sums = pl.DataFrame({"clicks": [1, None], "last_s": [None, 7]})
>>> unpacked(packed(sums), sums.columns).to_dict(as_series=False)
{'clicks': [1, None], 'last_s': [None, 7]}
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
import pyarrow as pa

__all__ = ["packed", "unpacked"]

_NULL = np.iinfo(np.int64).min  # no sum and no time is as small


def packed(sums: pl.DataFrame) -> pa.Array:
    """The rows of int64 columns as bytes."""
    columns = [sums[name].cast(pl.Int64).fill_null(_NULL).to_numpy() for name in sums.columns]
    matrix = np.ascontiguousarray(np.column_stack(columns).astype(np.int64))
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1] * 8)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(matrix)]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def unpacked(
    values: pa.Array, names: Sequence[str], places: np.ndarray | None = None
) -> pl.DataFrame:  # type: ignore[type-arg]
    """The columns of packed rows; of the rows at ``places``, where -1 gives a row of nulls."""
    values = values.cast(pa.large_binary()) if pa.types.is_large_binary(values.type) else values
    _, offsets, data = values.buffers()
    width = len(names) * 8
    at = np.frombuffer(offsets, dtype=np.int32)[values.offset] if len(values) else 0
    bytes_ = b"" if data is None or not len(values) else data.slice(int(at), len(values) * width)
    matrix = np.frombuffer(bytes_, dtype=np.int64).reshape(len(values), len(names))
    if places is not None:
        filled = np.vstack([matrix, np.full((1, len(names)), _NULL)])
        matrix = filled[places]
    columns = [pl.Series(name, column) for name, column in zip(names, matrix.T, strict=True)]
    return pl.DataFrame(columns).select(pl.when(pl.all() > _NULL).then(pl.all()))
