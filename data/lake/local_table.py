"""A Delta table on this machine, its files named by their paths.

delta-rs names a file by the URI of the table's folder, percent-encoded, and the file's own path
in that folder, which is not::

    folder on the disk   /data/My Projects/lake/features
    as delta-rs says     /data/My%20Projects/lake/features/market=s%C3%A3o/part-0.parquet
    file on the disk     /data/My Projects/lake/features/market=s%C3%A3o/part-0.parquet

So the first part alone is decoded. Decoding the whole would miss the file of the example.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Any
from urllib.parse import unquote

import polars as pl
import pyarrow as pa
from deltalake import DeltaTable

__all__ = ["LocalTable", "scan_table"]

# In a path that is not the table's own: Polars would take the first three for a pattern, and a
# folder ``name=value`` for a partition column.
_MISREAD = re.compile(r"[*?\[=]")
_WIDENED = pl.ScanCastOptions(
    integer_cast="upcast", float_cast="upcast", datetime_cast="nanosecond-downcast"
)


class LocalTable(DeltaTable):
    """A Delta table whose :meth:`file_uris` are paths that can be opened."""

    @property
    def folder(self) -> str:
        """The table's folder, decoded, with a slash at its end."""
        return unquote(self._folder_uri)

    @property
    def _folder_uri(self) -> str:
        return self.table_uri.removeprefix("file://").rstrip("/") + "/"

    def file_uris(self, *args: Any, **kwargs: Any) -> list[str]:
        """The absolute paths of the data files of this version."""
        uri = self._folder_uri
        uris = super().file_uris(*args, **kwargs)
        elsewhere = [address for address in uris if not address.startswith(uri)]
        if elsewhere:
            raise AssertionError(f"{self.folder}: {elsewhere[0]} does not lie in the table")
        return [self.folder + address.removeprefix(uri) for address in uris]


def scan_table(table: LocalTable) -> pl.LazyFrame:
    """The table's rows, lazily, in the order of its files."""
    if not _MISREAD.search(table.folder):
        return pl.scan_delta(table)
    return _scan_file_by_file(table)


def _scan_file_by_file(table: LocalTable) -> pl.LazyFrame:
    """The same without patterns and without partition columns read from paths.

    Filters on partition columns then read those columns of every file that they need: correct,
    and slower in a large home.
    """
    schema = pl.Schema(table.schema())
    partitioned_by = table.metadata().partition_columns
    in_files = {name: kind for name, kind in schema.items() if name not in partitioned_by}
    values = pa.table(table.get_add_actions(flatten=True)).to_pylist()
    files = [
        ([value[f"partition.{name}"] for name in partitioned_by], path)
        for path, value in zip(table.file_uris(), values, strict=True)
    ]
    scans = [
        pl.scan_parquet(
            [path for _, path in group],
            glob=False,
            hive_partitioning=False,
            schema=in_files,
            missing_columns="insert",
            extra_columns="ignore",
            cast_options=_WIDENED,
        ).with_columns(
            pl.lit(value).cast(schema[name]).alias(name)
            for name, value in zip(partitioned_by, partition, strict=True)
        )
        for partition, group in groupby(files, key=lambda file: file[0])
    ]
    if not scans:
        return pl.LazyFrame(schema=schema)
    return pl.concat(scans).select(schema.names())
