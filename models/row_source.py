"""Rows that are read batch by batch, so that a window may be larger than memory.

A model that learns from a part of the rows reads the narrow columns that say which, and then
those rows alone with all their columns, each at the place where it is wanted:

    keys = read(rows, ("id_search", "stage"))                all rows, narrow
    place = [-1, 1, -1, 0]                                   of four rows two, the last one first
    wide = read_at(rows, rows.schema.names, [place])[0]      two rows, wide

The wide rows that are not needed are never held, and those that are exist once: no table is
filtered, sorted or put together afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes
from models.column_writers import ColumnWriter, column_writer

__all__ = [
    "NOWHERE",
    "RowSource",
    "Rows",
    "TableRows",
    "by_batches",
    "narrowed",
    "one_after_the_other",
    "places_of",
    "put_at",
    "read",
    "read_all",
    "read_at",
    "source_of",
    "with_columns",
]

NOWHERE = -1
"""The place of a row that is not needed."""

_BATCH_ROWS = 1 << 16


@runtime_checkable
class RowSource(Protocol):
    """Rows that can be read again and again, in the same order each time."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of all columns."""
        ...

    @property
    def num_rows(self) -> int: ...

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """The rows with these columns, some thousand at a time."""
        ...


Rows: TypeAlias = pa.Table | RowSource


@dataclass(frozen=True)
class TableRows:
    """A table in memory as a source."""

    table: pa.Table

    @property
    def schema(self) -> pa.Schema:
        return self.table.schema

    @property
    def num_rows(self) -> int:
        return int(self.table.num_rows)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Slices of the table; nothing is copied."""
        rows = self.table.select(list(columns))
        for start in range(0, max(self.num_rows, 1), _BATCH_ROWS):
            yield rows.slice(start, _BATCH_ROWS)


@dataclass(frozen=True)
class _Narrowed:
    rows: RowSource
    names: tuple[str, ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([self.rows.schema.field(name) for name in self.names])

    @property
    def num_rows(self) -> int:
        return self.rows.num_rows

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        return self.rows.batches(columns)


@dataclass(frozen=True)
class _Together:
    parts: tuple[RowSource, ...]
    schema: pa.Schema

    @property
    def num_rows(self) -> int:
        return sum(part.num_rows for part in self.parts)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        wanted = pa.schema([self.schema.field(name) for name in columns])
        for part in self.parts:
            for rows in part.batches(columns):
                yield rows if rows.schema.equals(wanted) else rows.cast(wanted)


@dataclass(frozen=True)
class _Beside:
    rows: RowSource
    columns: pa.Table

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([*self.rows.schema, *self.columns.schema])

    @property
    def num_rows(self) -> int:
        return self.rows.num_rows

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        ours = [name for name in columns if name in self.columns.column_names]
        if len(ours) == len(columns):
            yield from TableRows(self.columns).batches(columns)
            return
        start = 0
        for rows in self.rows.batches([name for name in columns if name not in ours]):
            part = self.columns.slice(start, rows.num_rows)
            start += rows.num_rows
            both = [*zip(rows.schema, rows.columns, strict=True)]
            both += zip(part.schema, part.columns, strict=True)
            schema = pa.schema([field for field, _ in both])
            together = pa.Table.from_arrays([values for _, values in both], schema=schema)
            yield together.select(columns)


def source_of(rows: Rows) -> RowSource:
    """``rows`` as a source, whichever they are."""
    return TableRows(rows) if isinstance(rows, pa.Table) else rows


def narrowed(rows: Rows, columns: Sequence[str]) -> RowSource:
    """The rows as if they had these columns alone, those of them that they have."""
    names = tuple(name for name in columns if name in rows.schema.names)
    return _Narrowed(source_of(rows), names)


def one_after_the_other(*parts: Rows) -> RowSource:
    """The rows of all parts, with the columns that all of them have."""
    sources = tuple(source_of(part) for part in parts)
    schemas = [source.schema for source in sources]
    shared = [name for name in schemas[0].names if all(name in s.names for s in schemas)]
    narrow = [pa.schema([s.field(name).with_metadata(None) for name in shared]) for s in schemas]
    return _Together(sources, pa.unify_schemas(narrow, promote_options="permissive"))


def with_columns(rows: Rows, columns: pa.Table) -> Rows:
    """The rows with more columns, which have a row for each of them, in their order."""
    if columns.num_rows != rows.num_rows:
        raise ValueError(f"{columns.num_rows} rows of columns for {rows.num_rows} rows")
    if not isinstance(rows, pa.Table):
        return _Beside(rows, columns)
    for field, values in zip(columns.schema, columns.columns, strict=True):
        rows = rows.append_column(field, values)
    return rows


def read(rows: Rows, columns: Sequence[str]) -> pa.Table:
    """All rows with these columns; of a table in memory nothing is copied."""
    if isinstance(rows, pa.Table):
        return rows.select(list(columns))
    fields = [rows.schema.field(name) for name in columns]
    return pa.concat_tables([pa.schema(fields).empty_table(), *rows.batches(columns)])


def read_all(rows: Rows) -> pa.Table:
    """All rows with all columns."""
    return read(rows, rows.schema.names)


def by_batches(
    rows: Rows, columns: Sequence[str], of_rows: Callable[[pa.Table], np.ndarray[Any, Any]]
) -> np.ndarray[Any, Any]:
    """What ``of_rows`` gives for each row, put together; it must not depend on the other rows."""
    parts = [of_rows(part) for part in source_of(rows).batches(columns)]
    return np.concatenate(parts)


def places_of(order: Codes, rows: int) -> Codes:
    """For each of ``rows`` rows its place in ``order``, :data:`NOWHERE` for those not in it.

    >>> places_of(np.array([3, 1]), 4).tolist()
    [-1, 1, -1, 0]
    """
    place = np.full(rows, NOWHERE, dtype=np.int64)
    place[order] = np.arange(len(order))
    return place


def read_at(
    rows: Rows, columns: Sequence[str], places: Sequence[Codes], *, narrows: bool = False
) -> list[pa.Table]:
    """A table for each of ``places``, which say where in it each row stands, if anywhere.

    Each of ``places`` has one number per row: those at or above 0 are 0, 1, … in any order. The
    rows are read once. With ``narrows`` whole numbers take as few bytes as hold them, for readers
    that make doubles of them.

    >>> rows = pa.table({"n": [10, 11, 12, 13]})
    >>> [table] = read_at(rows, ["n"], [np.array([-1, 1, -1, 0])])
    >>> table["n"].to_pylist()
    [13, 11]
    """
    source = source_of(rows)
    schema = pa.schema([source.schema.field(name).with_metadata(None) for name in columns])
    return put_at(source.batches(list(columns)), schema, places, narrows=narrows)


def put_at(
    batches: Iterable[pa.Table],
    schema: pa.Schema,
    places: Sequence[Codes],
    *,
    narrows: bool = False,
) -> list[pa.Table]:
    """As :func:`read_at`, of batches that may be gone afterwards, in the columns of ``schema``."""
    sizes = [int((place >= 0).sum()) for place in places]
    tables = [[column_writer(f.type, size, narrows=narrows) for f in schema] for size in sizes]
    start = 0
    for batch in batches:
        end = start + batch.num_rows
        for place, table in zip(places, tables, strict=True):
            at = np.flatnonzero(place[start:end] >= 0)
            if len(at):
                _fill(table, batch, at, place[start:end][at])
        start = end
    return [_finished(table, schema.names) for table in tables]


def _fill(table: Sequence[ColumnWriter], batch: pa.Table, at: Codes, place: Codes) -> None:
    # Slices of the batch are enough where all of it is wanted.
    taken = batch if len(at) == batch.num_rows else batch.take(pa.array(at))
    for column, values in zip(table, taken.columns, strict=True):
        column.put(values, place)


def _finished(table: list[ColumnWriter], names: Sequence[str]) -> pa.Table:
    """The columns as a table; each is let go of as soon as it is made."""
    table.reverse()
    return pa.Table.from_arrays([table.pop().finished() for _ in range(len(table))], names=names)
