"""Columns of Arrow rows as NumPy arrays, with an error that names what is absent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = [
    "Codes",
    "Numbers",
    "codes_in",
    "guest_keys",
    "missing_last",
    "numbers",
    "require_columns",
    "sorted_ids",
    "stages",
]

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.int64]]


# Below the negative of any price and any rate or rating that the contract allows.
_BELOW_EVERY_SCORE = -1e12


def missing_last(values: Numbers) -> Numbers:
    """Scores in which a missing or infinite value ranks below every possible one.

    >>> missing_last(np.array([4.5, np.nan])).tolist()
    [4.5, -1000000000000.0]
    """
    return np.where(np.isfinite(values), values, _BELOW_EVERY_SCORE)


class _WithSchema(Protocol):
    @property
    def schema(self) -> pa.Schema: ...


def require_columns(rows: _WithSchema, names: Iterable[str], *, model: str) -> None:
    """Raise ``ValueError`` naming the model and every column of ``names`` that is absent."""
    present = set(rows.schema.names)
    absent = [name for name in names if name not in present]
    if absent:
        raise ValueError(f"{model} needs column(s) that the rows do not have: {', '.join(absent)}")


def numbers(rows: pa.Table, name: str) -> Numbers:
    """A numeric or boolean column as float64, null as NaN; shape ``(rows,)``."""
    column = rows[name].combine_chunks().cast(pa.float64())
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float64)


def stages(rows: pa.Table, *, label: str = "stage") -> Codes:
    """The stage of each row, 0 impressed to 3 booked. Raises ``ValueError`` on a null."""
    if rows[label].null_count:
        raise ValueError(f"column {label}: {rows[label].null_count} rows have no outcome")
    return np.asarray(rows[label].to_numpy(), dtype=np.int64)


def sorted_ids(ids: pa.ChunkedArray) -> pa.Array:
    """The distinct ids without null, sorted, so that codes do not depend on the row order."""
    unique = pc.drop_null(pc.unique(ids))
    return unique.take(pc.sort_indices(unique))


def codes_in(ids: pa.ChunkedArray, vocabulary: pa.Array) -> Codes:
    """Place of each id in ``vocabulary``, from 0; -1 for an unseen or null id; shape ``(rows,)``.

    >>> codes_in(pa.chunked_array([["b", None, "z"]]), pa.array(["a", "b"])).tolist()
    [1, -1, -1]
    """
    places = pc.index_in(ids.cast(vocabulary.type), value_set=vocabulary, skip_nulls=True)
    return np.asarray(pc.fill_null(places, -1).to_numpy(), dtype=np.int64)


def guest_keys(rows: pa.Table) -> pa.ChunkedArray:
    """The guest of each row, or its search where the log names none: what is drawn together.

    A search is marked, so that it never meets a guest of the same id.

    >>> rows = pa.table({"id_user": ["anna", None, None], "id_search": ["s", "t", "t"]})
    >>> len(guest_keys(rows).unique())
    2
    """
    anonymous = pc.binary_join_element_wise("search", rows["id_search"].cast(pa.string()), "\x1f")
    return pc.coalesce(rows["id_user"].cast(pa.string()), anonymous)
