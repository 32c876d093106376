"""Columns that stand in the names of folders, as Hive and Spark write them.

::

    logs/query_market=Rio de Janeiro/ds_search=2018-02-05/part-0.parquet
    logs/query_market=S%C3%A3o Paulo/ds_search=__HIVE_DEFAULT_PARTITION__/part-0.parquet

Each row of the second file gets ``query_market`` ``São Paulo`` and an empty ``ds_search``. A
column that the file has itself stays the file's; where the folder says otherwise the report
says so.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from urllib.parse import unquote

import polars as pl

from data.errors import LogError
from data.readers.chunk import Chunk

__all__ = ["Partition", "PartitionCheck", "partition_of", "with_partition"]

Partition = tuple[tuple[str, str | None], ...]
NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"


def partition_of(path: Path, wanted: Collection[str]) -> Partition:
    """The columns in the names of the folders right above the file, outermost first.

    Only those in ``wanted``, whatever their case (Hive writes lower case), and as spelled there:
    ``run=7`` above a log says nothing of its rows, and the same file in ``run=8`` is the same
    file. Raises
    :class:`LogError` for a name whose ``%`` escapes are no UTF-8.

    >>> partition_of(Path("logs/run=7/market=S%C3%A3o%20Paulo/ds=2018-02-05/a.csv"), ["market"])
    (('market', 'São Paulo'),)
    """
    known = {name.casefold(): name for name in wanted}
    found: list[tuple[str, str | None]] = []
    for folder in path.absolute().parents:
        name, is_partition, value = folder.name.partition("=")
        if not is_partition:
            break
        try:
            name, value = unquote(name, errors="strict"), unquote(value, errors="strict")
        except UnicodeDecodeError as error:
            raise LogError(
                path, f"the folder name {folder.name!r} is not UTF-8 behind its % signs; rename it"
            ) from error
        if name.casefold() in known:
            found.append((known[name.casefold()], None if value == NULL_PARTITION else value))
    return tuple(reversed(found))


def with_partition(chunk: Chunk, partition: Partition) -> pl.DataFrame:
    """The chunk's rows with the partition's columns, the same in every row."""
    return chunk.rows.with_columns(
        pl.lit(value, dtype=pl.String).alias(name) for name, value in partition
    )


class PartitionCheck:
    """Rows whose own column says something else than the folder, counted chunk by chunk."""

    def __init__(self, partition: Partition, columns: Collection[str]) -> None:
        self._partition = [(name, value) for name, value in partition if name in columns]
        self._found: dict[str, tuple[int, int, str]] = {}

    def add(self, rows: pl.DataFrame, lines: pl.Series) -> None:
        """Compare the rows of a chunk: the text of each cell with the folder's value."""
        for name, value in self._partition:
            text = rows[name].cast(pl.String, strict=False).str.strip_chars().fill_null("")
            wanted = value or ""
            # a time of the folder's day agrees with it
            agrees = (text == wanted) | (
                text.str.starts_with(f"{wanted} ") | text.str.starts_with(f"{wanted}T")
            )
            differs = (~agrees).arg_true()
            if len(differs):
                first = int(differs[0])
                count, line, found = self._found.get(name, (0, int(lines[first]), text[first]))
                self._found[name] = (count + len(differs), line, found)

    def sentences(self) -> tuple[str, ...]:
        """One sentence per column that disagrees, for the report."""
        values = dict(self._partition)
        return tuple(
            f"column {name} is not what the folder says in {count:,} row(s), first in line {line}: "
            f"{found!r} in the file, {values[name] or 'null'!r} in the folder's name. The file's "
            "is kept"
            for name, (count, line, found) in self._found.items()
        )
