"""Ids and categories as integers: sorted, with index 0 for everything unseen and null."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.two_tower.inputs.arrays import IntArray

__all__ = ["Vocabulary", "as_text"]


def as_text(values: pa.ChunkedArray | pa.Array) -> pa.Array:
    """One Arrow string array, whatever the type was (dictionary, integer, chunks)."""
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    return values if values.type == pa.string() else pc.cast(values, pa.string())


@dataclass(frozen=True)
class Vocabulary:
    """Known values in sorted order; value ``i`` has index ``i + 1``."""

    values: pa.Array

    @classmethod
    def of(cls, columns: Iterable[pa.ChunkedArray | pa.Array]) -> Self:
        """The distinct values of these columns, nulls left out."""
        texts = [as_text(column) for column in columns]
        distinct = pc.unique(pa.chunked_array(texts, type=pa.string()))
        distinct = pc.drop_null(distinct)
        return cls(distinct.take(pc.sort_indices(distinct)))

    @property
    def size(self) -> int:
        """Number of indices, the unseen one included."""
        return len(self.values) + 1

    def index(self, values: pa.ChunkedArray | pa.Array) -> IntArray:
        """Index per value, 0 where unseen or null; shape ``(rows,)``.

        >>> Vocabulary.of([pa.array(["b", "a"])]).index(pa.array(["a", "z", None, "b"]))
        array([1, 0, 0, 2])
        """
        place = pc.index_in(as_text(values), value_set=self.values, skip_nulls=True)
        return np.asarray(pc.fill_null(place, -1), dtype=np.int64) + 1

    def ids(self, index: IntArray) -> pa.Array:
        """The values of these indices; null where the index is 0."""
        places = pa.array(index - 1, mask=np.asarray(index) == 0)
        return self.values.take(places)

    def to_list(self) -> list[Any]:
        """As plain strings, for JSON."""
        return list(self.values.to_pylist())

    @classmethod
    def from_list(cls, values: list[str]) -> Self:
        """What :meth:`to_list` gave."""
        return cls(pa.array(values, type=pa.string()))
