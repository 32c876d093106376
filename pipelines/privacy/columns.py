"""Take a guest's rows out of a Parquet or Arrow file that is part of no model.

By the columns ``id_user`` and ``id_search`` alone; an equal number in another column is a
price or a listing. Everything else of the file stays: columns, types, metadata, order.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from data.erasure.find_guest import rows_of_guest
from data.erasure.guest import CONTRACT_COLUMN, Guest

__all__ = ["count_rows", "is_columnar", "write_without_rows"]

_MAGIC = (b"PAR1", b"ARROW1")
_NAMING = (CONTRACT_COLUMN, "id_search", "row", "reasons")


def is_columnar(path: Path) -> bool:
    """Whether the file is Parquet or Arrow, by its first bytes."""
    with path.open("rb") as file:
        return file.read(6).startswith(_MAGIC)


def count_rows(path: Path, guest: Guest) -> int:
    """How many rows of the file are the guest's.

    Raises ``OSError`` or ``pyarrow.ArrowException`` for a file that is damaged.
    """
    return int(_own_rows(_read(path, _NAMING), guest).sum())


def write_without_rows(path: Path, draft: Path, guest: Guest) -> None:
    """Write the file without the guest's rows to ``draft``."""
    table = _read(path)
    stays = pa.array((~_own_rows(table, guest)).to_numpy())
    if _is_parquet(path):
        parquet = pq.ParquetFile(path)
        groups = parquet.metadata.num_row_groups and parquet.metadata.num_columns
        codec = parquet.metadata.row_group(0).column(0).compression if groups else "ZSTD"
        codec = {"UNCOMPRESSED": "NONE"}.get(codec, codec)
        pq.write_table(table.filter(stays), draft, compression=codec)
    else:
        feather.write_feather(table.filter(stays), draft)


def _own_rows(table: pa.Table, guest: Guest) -> pl.Series:
    present = [name for name in _NAMING if name in table.column_names]
    frame = pl.from_arrow(table.select(present))
    if not isinstance(frame, pl.DataFrame):
        raise TypeError("an Arrow table reads as a frame")
    if not present:
        return pl.repeat(value=False, n=table.num_rows, dtype=pl.Boolean, eager=True)
    return rows_of_guest(frame, guest)


def _read(path: Path, names: tuple[str, ...] | None = None) -> pa.Table:
    if not _is_parquet(path):
        return feather.read_table(path)
    parquet = pq.ParquetFile(path)
    present = None if names is None else [n for n in names if n in parquet.schema_arrow.names]
    return parquet.read(columns=present)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == _MAGIC[0]
