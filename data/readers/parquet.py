"""Parquet logs, batch by batch, types as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import LogError
from data.readers.arrow_columns import is_nested, to_series
from data.readers.chunk import Chunk
from data.readers.files import SourceFile

__all__ = ["ParquetColumns", "read_parquet", "read_parquet_columns"]

BATCH_ROWS = 1 << 16
# what pyarrow raises on damaged bytes; ValueError covers names that are not UTF-8
_DAMAGED = (pa.ArrowException, OSError, ValueError, pl.exceptions.PolarsError)


@dataclass(frozen=True, kw_only=True)
class ParquetColumns:
    """The columns of a Parquet log: all names, and the types of those with nested cells."""

    names: tuple[str, ...]
    nested: dict[str, str]


def read_parquet_columns(file: SourceFile) -> ParquetColumns:
    """The columns. Raises :class:`LogError` on a damaged file or a name that occurs twice."""
    schema = _open(file).schema_arrow
    names = tuple(name.strip() for name in schema.names)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LogError(file.name, f"two columns have one name: {', '.join(repeated)}; drop one")
    nested = {
        name: str(field.type)
        for name, field in zip(names, schema, strict=True)
        if is_nested(field.type)
    }
    return ParquetColumns(names=names, nested=nested)


def read_parquet(file: SourceFile, columns: tuple[str, ...]) -> Iterator[Chunk]:
    """The rows in chunks; ``lines`` are row numbers from 1.

    All columns are read, also those that no mapping names: a quarantined row is kept whole.
    """
    parquet = _open(file)
    first = 1
    try:
        for batch in parquet.iter_batches(batch_size=BATCH_ROWS):
            rows = pl.DataFrame(
                [to_series(name, cells) for name, cells in zip(columns, batch, strict=True)]
            )
            lines = pl.int_range(first, first + batch.num_rows, eager=True).alias("source_line")
            first += batch.num_rows
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
