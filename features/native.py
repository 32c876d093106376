"""Small tables of ours, brought to the engine that a frame runs on."""

from __future__ import annotations

from typing import Any

import narwhals as nw
import pyarrow as pa

__all__ = ["brought_to"]


def brought_to(frame: nw.LazyFrame[Any], table: pa.Table) -> nw.LazyFrame[Any]:
    """``table`` as a lazy frame of the engine of ``frame``, so that the two can be joined."""
    eager: nw.DataFrame[Any] = nw.from_native(table, eager_only=True)
    if frame.implementation.is_polars():
        return eager.lazy(backend="polars")
    return eager.lazy(backend="pyspark", session=frame.to_native().sparkSession)
