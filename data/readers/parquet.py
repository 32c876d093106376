"""Parquet logs, batch by batch, types as they are."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import LogError
from data.readers.chunk import Chunk
from data.readers.files import SourceFile

__all__ = ["read_parquet", "read_parquet_columns"]

BATCH_ROWS = 1 << 16
# what pyarrow raises on damaged bytes; ValueError covers names that are not UTF-8
_DAMAGED = (pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError)


def read_parquet_columns(file: SourceFile) -> tuple[str, ...]:
    """The column names. Raises :class:`LogError` on a damaged file."""
    names = [name.strip() for name in _open(file).schema_arrow.names]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LogError(file.name, f"two columns have one name: {', '.join(repeated)}; drop one")
    return tuple(names)


def read_parquet(file: SourceFile, columns: tuple[str, ...]) -> Iterator[Chunk]:
    """The rows in chunks; ``lines`` are row numbers from 1. Dictionaries become text."""
    parquet = _open(file)
    first = 1
    try:
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            table = pa.Table.from_batches([batch]).rename_columns(list(columns))
            frame = pl.from_arrow(table)
            if not isinstance(frame, pl.DataFrame):
                raise TypeError("an Arrow table reads as a frame")
            rows = frame.with_columns(
                pl.col(pl.Categorical, pl.Enum).cast(pl.String),
                pl.col(pl.Binary).cast(pl.String, strict=False),
            )
            lines = pl.int_range(first, first + rows.height, eager=True).alias("source_line")
            first += rows.height
            share = (first - 1) / max(parquet.metadata.num_rows, 1)
            yield Chunk(rows=rows, lines=lines, bytes_read=int(share * file.stamp[0]))
    except _DAMAGED as error:
        raise LogError(
            file.name, f"the Parquet file is corrupt after row {first - 1} ({_short(error)})"
        ) from error


def _open(file: SourceFile) -> pq.ParquetFile:
    try:
        parquet = pq.ParquetFile(file.path, page_checksum_verification=True)
        _ = parquet.schema_arrow  # decoded here, so that a damaged schema is reported as damage
    except _DAMAGED as error:
        raise LogError(
            file.name,
            f"the Parquet file is truncated or corrupt ({_short(error)}); copy it again",
        ) from error
    return parquet


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
