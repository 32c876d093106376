"""Open a log of any supported format: its columns first, then its rows chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from data.readers.chunk import Chunk
from data.readers.csv import read_csv, read_header
from data.readers.files import SourceFile
from data.readers.parquet import read_parquet, read_parquet_columns

__all__ = ["Log", "open_log"]


@dataclass(frozen=True, kw_only=True)
class Log:
    """One log file: what it is, its own column names, and how to stream its rows.

    ``nested``: the columns whose cells hold lists, structs or maps, and their types.
    """

    file: SourceFile
    columns: tuple[str, ...]
    chunks: Callable[[], Iterator[Chunk]]
    nested: dict[str, str] = field(default_factory=dict)


def open_log(file: SourceFile, *, encoding: str | None = None) -> Log:
    """Read the header or schema. Raises :class:`data.errors.LogError` when there is none.

    ``encoding`` names the encoding of text that is neither UTF-8 nor carries a BOM.
    """
    if file.kind == "parquet":
        found = read_parquet_columns(file)
        return Log(
            file=file,
            columns=found.names,
            chunks=lambda: read_parquet(file, found.names),
            nested=found.nested,
        )
    header = read_header(file, encoding)
    return Log(
        file=file,
        columns=header.columns,
        chunks=lambda: read_csv(file, header, encoding),
    )
