"""Ids as integers while a block is built: joins and windows on text cost three times as much.

Polars only. A code belongs to this process and never leaves it: what is written out, and
whatever depends on the order of ids, uses the text.
"""

from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl

__all__ = ["ID_COLUMNS", "decode_ids", "encode_ids", "encode_ids_like"]

ID_COLUMNS = ("id_search", "id_listing", "id_user")

_CODE = pl.UInt32
_CATEGORIES = pl.Categorical(pl.Categories("stayrank_ids", physical=_CODE))
# Polars forgets the codes when no column of theirs is left.
_KEEP_ALIVE = pl.Series([""], dtype=_CATEGORIES)


def encode_ids(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame with codes (uint32) in place of its ids; null stays null."""
    present = [n for n in frame.collect_schema().names() if n in ID_COLUMNS]
    return frame.with_columns(pl.col(present).cast(_CATEGORIES).to_physical())


def decode_ids(frame: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The frame with text in place of its id codes; ids that are text already stay."""
    names = [n for n in _ids_of(frame) if _is_code(frame, n)]
    if not names:
        return frame
    text = pl.col(names).cat.to(_CATEGORIES).cast(pl.String)
    decoded: nw.LazyFrame[Any] = nw.from_native(frame.to_native().with_columns(text))
    return decoded


def encode_ids_like(frame: nw.LazyFrame[Any], other: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The frame with codes in place of its ids, where ``other`` has codes; else as it is."""
    if not any(_is_code(other, name) for name in _ids_of(frame)):
        return frame
    coded: nw.LazyFrame[Any] = nw.from_native(encode_ids(frame.to_native()))
    return coded


def _ids_of(frame: nw.LazyFrame[Any]) -> list[str]:
    return [name for name in frame.collect_schema().names() if name in ID_COLUMNS]


def _is_code(frame: nw.LazyFrame[Any], name: str) -> bool:
    schema = frame.collect_schema()
    return name in schema and schema[name] == nw.UInt32
