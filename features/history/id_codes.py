"""Ids as integers while a block is built: joins and sorts on text cost three times as much.

A code belongs to this process and never leaves it: what is written out, and whatever depends on
the order of ids, uses the text.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from features.history.packed_keys import Array

__all__ = ["ID_COLUMNS", "codes_of", "encode_ids", "text_of"]

ID_COLUMNS = ("id_search", "id_listing", "id_user")

_CODE = pl.UInt32
_CATEGORIES = pl.Categorical(pl.Categories("stayrank_ids", physical=_CODE))
# Polars forgets the codes when no column of theirs is left.
_KEEP_ALIVE = pl.Series([""], dtype=_CATEGORIES)


def encode_ids(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with codes (uint32) in place of its ids; null stays null."""
    present = [name for name in frame.columns if name in ID_COLUMNS]
    return frame.with_columns(pl.col(present).cast(_CATEGORIES).to_physical())


def codes_of(ids: pl.Series) -> Array:
    """The codes of ids without a null, as int64."""
    return ids.cast(_CATEGORIES).to_physical().cast(pl.Int64).to_numpy()


def text_of(codes: Array) -> pl.Series:
    """The ids of these codes."""
    coded = pl.Series("id", np.asarray(codes, dtype=np.uint32), dtype=_CODE)
    return coded.to_frame().select(pl.col("id").cat.to(_CATEGORIES).cast(pl.String)).to_series()
