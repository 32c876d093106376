"""Convert between Polars frames and Arrow tables, without a copy, to types every model reads."""

from __future__ import annotations

import polars as pl
import pyarrow as pa

__all__ = ["arrow", "frame_of"]


def arrow(frame: pl.DataFrame) -> pa.Table:
    """The frame as Arrow, strings as ``large_string``: few libraries know ``string_view``."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The table as a frame."""
    return pl.DataFrame(pl.from_arrow(table))
