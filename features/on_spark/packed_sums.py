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

from features.history.packed_keys import Array

__all__ = ["packed", "unpacked"]

_NULL = np.iinfo(np.int64).min  # no sum and no time is as small


def packed(sums: pl.DataFrame) -> pa.Array:
    """The rows of int64 columns as bytes."""
    columns = [sums[name].cast(pl.Int64).fill_null(_NULL).to_numpy() for name in sums.columns]
    matrix = np.ascontiguousarray(np.column_stack(columns).astype(np.int64))
    offsets = np.arange(len(matrix) + 1, dtype=np.int32) * np.int32(matrix.shape[1] * 8)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(matrix)]
    return pa.Array.from_buffers(pa.binary(), len(matrix), buffers)


def unpacked(values: pa.Array, names: Sequence[str], places: Array | None = None) -> pl.DataFrame:
    """The columns of packed rows; of the rows at ``places``, where -1 gives a row of nulls."""
    matrix = np.zeros((0, len(names)), dtype=np.int64)
    if len(values):
        _, offsets, data = values.buffers()
        first = int(np.frombuffer(offsets, dtype=np.int32)[values.offset])
        of_rows = data.slice(first, len(values) * len(names) * 8)
        matrix = np.frombuffer(of_rows, dtype=np.int64).reshape(len(values), len(names))
    if places is not None:
        matrix = np.vstack([matrix, np.full((1, len(names)), _NULL)])[places]
    columns = [pl.Series(name, column) for name, column in zip(names, matrix.T, strict=True)]
    return pl.DataFrame(columns).select(pl.when(pl.all() > _NULL).then(pl.all()))
