"""A table that can only be read in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

__all__ = ["InBatches"]


@dataclass(frozen=True)
class InBatches:
    """The rows of ``table``, ``size`` at a time."""

    table: pa.Table
    size: int

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    @property
    def num_rows(self) -> int:
        return int(self.table.num_rows)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        for start in range(0, max(self.num_rows, 1), self.size):
            yield self.table.select(list(columns)).slice(start, self.size)
