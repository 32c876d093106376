"""What differs between Polars and Spark: computing a frame once, and joining in row order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa

__all__ = [
    "collected_in_order",
    "hstack",
    "joined_in_order",
    "materialized",
    "materialized_on_spark",
    "pad_single_row",
    "to_engine_of",
]

Frame = nw.LazyFrame[Any]


def to_engine_of(frame: Frame, table: pa.Table) -> Frame:
    """``table`` as a lazy frame of the engine of ``frame``, so that the two can be joined."""
    eager: nw.DataFrame[Any] = nw.from_native(table, eager_only=True)
    if frame.implementation.is_polars():
        return eager.lazy(backend="polars")
    return eager.lazy(backend="pyspark", session=frame.to_native().sparkSession)


def materialized(frame: Frame) -> Frame:
    """The frame computed once, for frames that several plans read.

    Polars computes it in streams, so that its inputs are not in memory at once. On Spark the
    executors hold it (a local checkpoint). That cuts the plan as well: planning takes longer
    than computing where one plan holds every aggregation.
    """
    if not frame.implementation.is_polars():
        checkpoint: Frame = nw.from_native(frame.to_native().localCheckpoint(eager=True))
        return checkpoint
    native: pl.LazyFrame = frame.to_native()
    return nw.from_native(native.collect(engine="streaming").lazy())


def collected_in_order(frame: Frame) -> Frame:
    """The frame computed once, in memory: the order of its rows is then fixed. Polars only."""
    native: pl.LazyFrame = frame.to_native()
    return nw.from_native(native.collect(engine="in-memory").lazy())


def pad_single_row(frame: Frame) -> Frame:
    """The frame, with a row of nulls added if it has a single row. Polars only.

    A column with a single row is a constant to Polars, which multiplies by the reciprocal of a
    constant instead of dividing by it: the last bit would differ from that of a larger block.
    """
    rows: pl.DataFrame = frame.to_native().collect()
    return frame if rows.height != 1 else nw.from_native(pl.concat([rows, rows.clear(1)]).lazy())


def materialized_on_spark(frame: Frame) -> Frame:
    """:func:`materialized` on Spark; elsewhere the frame as it is, since one plan is best there."""
    return frame if frame.implementation.is_polars() else materialized(frame)


def joined_in_order(queries: Frame, known: Frame, on: Sequence[str]) -> Frame:
    """``queries`` left-joined to ``known``, its rows in their order. Polars only."""
    left, right = queries.to_native(), known.to_native()
    joined: Frame = nw.from_native(left.join(right, on=list(on), how="left", maintain_order="left"))
    return joined


def hstack(left: Frame, right: Frame) -> Frame:
    """Two frames of the same rows in the same order, side by side. Polars only.

    Where a join would copy every column of its left side, this copies nothing.
    """
    frames = [left.to_native(), right.to_native()]
    together: Frame = nw.from_native(pl.concat(frames, how="horizontal"))
    return together
