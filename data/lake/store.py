"""The lake: the only reader and writer of the tables.

Each table is a Delta table in ``home/lake/<table>/``: a folder of Parquet files that never
change, and a log of commits that say which files belong to which version. A write adds files
and then one commit; a reader sees the table before it or after it, never between, and a
writer that is killed leaves files that no version names. Each version stays readable, so that
a training run can name what it read.

Replacing partitions is one commit too. A table of features with two market-days of Rio and
one of São Paulo, and ``replace_partitions(features, frame, [("rio", Feb 5), ("rio", Feb 6)])``
with a frame that holds rows of Feb 5 only:

================  =========  ===============================================  =========
partition         version 3  the commit                                       version 4
================  =========  ===============================================  =========
rio, Feb 5        a, b       removes a and b, adds c: the frame's rows        c
rio, Feb 6        d          removes d; named, and without rows in the frame  (none)
sao_paulo, Feb 5  e          does not name it                                 e
================  =========  ===============================================  =========
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake
from deltalake.exceptions import DeltaError

from data.errors import HomeError
from data.lake.known_tables import check_not_lost, remember_table
from data.lake.local_table import LocalTable, scan_table
from data.paths import refuse_unusable_home
from data.prefetch import prefetched_batches
from data.schema.tables import TABLES, Table

__all__ = ["DataFile", "Frame", "Lake", "Partition", "streamed"]

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatchReader
# The values of a table's partition columns, in the contract's order.
Partition = tuple[str | date, ...]

_TABLES: dict[str, Table] = {table.name: table for table in TABLES}
_PLAIN = re.compile(r"[\w.\-]{1,128}")
_BATCH_ROWS = 1 << 14
_FILE_BYTES = 32 << 20
# every open partition holds one row group in memory
_ROW_GROUP_ROWS = 1 << 16
# Delta keeps one number per application in a table's log, written with the commit itself:
# under this name it is the number of the last job that wrote to the table.
_APPLICATION = "stayrank"


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One Parquet file of a table.

    Attributes:
        address: its absolute path.
        rows: how many it holds.
        partition: values of the columns that the table is partitioned by: not in the file.
    """

    address: str
    rows: int
    partition: dict[str, str | date]


class Lake:
    """The tables under one home. Cheap to make; holds no file open.

    A table that was never written does not exist: reading it raises
    :class:`data.errors.HomeError`, :meth:`version` gives ``None``, :meth:`rows` zero. Raises
    ``HomeError`` for a path under which no table can lie.
    """

    def __init__(self, home: Path | str) -> None:
        self.home = Path(home)
        refuse_unusable_home(self.home)

    def path(self, table: str) -> Path:
        """Where the table lies. Raises ``ValueError`` for a table that the contract lacks."""
        if table not in _TABLES:
            raise ValueError(f"the contract has no table {table!r}; it has {', '.join(_TABLES)}")
        return self.home / "lake" / table

    def exists(self, table: str) -> bool:
        """Whether the table was ever written; raises ``HomeError`` where it was and is lost."""
        is_there = DeltaTable.is_deltatable(str(self.path(table)))
        if not is_there:
            check_not_lost(self.home, table)
        return is_there

    def version(self, table: str) -> int | None:
        """The number of the table's last commit, from 0; ``None`` when there is no table."""
        return self._open(table).version() if self.exists(table) else None

    def scan(self, table: str, *, version: int | None = None) -> pl.LazyFrame:
        """The table's rows, lazily, as of ``version`` (the last when ``None``).

        Columns that no log ever had are not in the frame.
        """
        return scan_table(self._open(table, version))

    def columns(self, table: str, *, version: int | None = None) -> tuple[str, ...]:
        """The columns the table has."""
        return tuple(field.name for field in self._open(table, version).schema().fields)

    def rows(self, table: str, *, version: int | None = None) -> int:
        """How many rows the table has; 0 when there is no table."""
        return self._open(table, version).count() if self.exists(table) else 0

    def partitions(self, table: str) -> list[Partition]:
        """The partitions that hold rows, sorted; empty when there is no table."""
        if not self.exists(table):
            return []
        names = _TABLES[table].partition_by
        partitions = {
            tuple(_typed(table, name, values[name]) for name in names)
            for values in self._open(table).partitions()
        }
        return sorted(partitions, key=str)

    def market_days(self, table: str = "impressions") -> list[tuple[str, date]]:
        """The partitions of a table by market and day, sorted."""
        days = [(p[0], p[1]) for p in self.partitions(table)]
        return [(m, d) for m, d in days if isinstance(m, str) and isinstance(d, date)]

    def written_at(self, table: str, day: date) -> int:
        """When the newest file of a day was written, in milliseconds since 1970; 0 without one."""
        place = f"partition.{_TABLES[table].partition_by[-1]}"
        actions = pa.table(self._open(table).get_add_actions(flatten=True)).to_pylist()
        times = [a["modification_time"] for a in actions if str(a[place]) == day.isoformat()]
        newest = max(times, default=None)
        # an integer or a time, as the version of Delta has it
        return int(newest.timestamp() * 1_000) if isinstance(newest, datetime) else int(newest or 0)

    def last_job(self, table: str) -> int:
        """The number of the last job that wrote to the table (see ``job`` of the writers)."""
        if not self.exists(table):
            return 0
        return self._open(table).transaction_version(_APPLICATION) or 0

    def append(self, table: str, frame: Frame, *, job: int | None = None) -> None:
        """Add rows in one commit; makes the table, even an empty one, when there is none.

        New columns widen the table. ``job`` is recorded in the same commit: a job that is
        repeated after a kill sees by :meth:`last_job` that this write was done.
        """
        self._write(table, frame, predicate=None, job=job)

    def replace_partitions(
        self,
        table: str,
        frame: Frame,
        partitions: Sequence[Partition] | None = None,
        *,
        job: int | None = None,
    ) -> None:
        """Make these partitions hold exactly ``frame``, in one commit; others stay.

        ``partitions`` are the values of the partition columns (``("sao_paulo",
        date(2018, 2, 5))``); ``None`` means those that occur in ``frame``, which then must
        not be a stream. A named partition without rows in ``frame`` becomes empty. Raises
        ``HomeError`` when ``frame`` has a row outside them. Makes the table when there is
        none.
        """
        if partitions is None:
            partitions = self._partitions_of(table, frame)
        if not partitions and self.exists(table):
            return
        # Delta replaces what the predicate matches, and refuses rows of the frame outside it
        predicate = _predicate(table, partitions) if self.exists(table) else None
        self._write(table, frame, predicate=predicate, job=job)

    def replace_all(self, table: str, frame: Frame, *, job: int | None = None) -> None:
        """Make the table hold exactly ``frame``, columns included, in one commit."""
        self._write(table, frame, predicate=None, job=job, replaces_all=True)

    def fingerprints(self, table: str) -> dict[Partition, str]:
        """A short hash per partition, which changes when the rows of the partition change.

        It is made from the names of the files: a file never changes, so no row is read.
        Empty when there is no table.
        """
        if not self.exists(table):
            return {}
        opened, names = self._open(table), _TABLES[table].partition_by
        actions = pa.table(opened.get_add_actions(flatten=True)).to_pylist()
        files: dict[Partition, list[str]] = {}
        for action in actions:
            values = tuple(_typed(table, name, action[f"partition.{name}"]) for name in names)
            files.setdefault(values, []).append(str(action["path"]))
        return {
            partition: hashlib.sha256("\n".join(sorted(paths)).encode()).hexdigest()[:16]
            for partition, paths in files.items()
        }

    def bounds(self, table: str, column: str) -> list[tuple[Partition, tuple[int, int]]]:
        """Per file its partition, and the least and greatest value of an integer column.

        From what was noted when the file was written: no row is read. Raises ``HomeError``
        where nothing was noted.
        """
        opened, names = self._open(table), _TABLES[table].partition_by
        actions = pa.table(opened.get_add_actions(flatten=True)).to_pylist()
        found = []
        for action in actions:
            least, greatest = action.get(f"min.{column}"), action.get(f"max.{column}")
            if least is None or greatest is None:
                raise HomeError(f"{self.path(table)}: nothing is noted of column {column}")
            values = tuple(_typed(table, name, action[f"partition.{name}"]) for name in names)
            found.append((values, (int(least), int(greatest))))
        return found

    def files(self, table: str) -> list[DataFile]:
        """The table's data files, for readers that do not know Delta."""
        opened, names = self._open(table), _TABLES[table].partition_by
        actions = pa.table(opened.get_add_actions(flatten=True)).to_pylist()
        return [
            DataFile(
                address=path,
                rows=int(action["num_records"]),
                partition={n: _typed(table, n, action[f"partition.{n}"]) for n in names},
            )
            for path, action in zip(opened.file_uris(), actions, strict=True)
        ]

    def _partitions_of(self, table: str, frame: Frame) -> list[Partition]:
        names = _TABLES[table].partition_by
        if isinstance(frame, pa.RecordBatchReader):
            raise ValueError("a stream cannot be searched for its partitions; name them")
        if isinstance(frame, pa.Table):
            frame = pl.DataFrame(pl.from_arrow(frame.select(list(names))))
        partitions: list[Partition] = frame.lazy().select(names).unique().collect().rows()
        return partitions

    def _write(
        self,
        table: str,
        frame: Frame,
        *,
        predicate: str | None,
        job: int | None,
        replaces_all: bool = False,
    ) -> None:
        path = self.path(table)
        self.exists(table)  # a table that was lost is not begun anew
        transactions = [Transaction(_APPLICATION, job)] if job is not None else None
        mode: dict[str, Any] = {"mode": "append", "schema_mode": "merge"}
        if replaces_all:
            mode = {"mode": "overwrite", "schema_mode": "overwrite"}
        elif predicate is not None:
            mode = {"mode": "overwrite", "schema_mode": "merge", "predicate": predicate}
        try:
            path.mkdir(parents=True, exist_ok=True)
            # the batches may come from a scan of a Delta table, which must not run in the
            # writer's own thread: see data.prefetch
            with prefetched_batches(_stream(frame)) as stream:
                write_deltalake(
                    path,
                    stream,
                    partition_by=list(_TABLES[table].partition_by) or None,
                    target_file_size=_FILE_BYTES,
                    writer_properties=WriterProperties(max_row_group_size=_ROW_GROUP_ROWS),
                    commit_properties=CommitProperties(app_transactions=transactions),
                    **mode,
                )
            remember_table(self.home, table)
        except DeltaError as error:
            raise HomeError(f"{path}: the table could not be written: {error}") from error
        except OSError as error:
            raise HomeError(f"{path}: cannot be written to: {error.strerror or error}") from error

    def _open(self, table: str, version: int | None = None) -> LocalTable:
        path = self.path(table)
        if not self.exists(table):
            raise HomeError(
                f"{self.home}: there is no table {table} yet; run the step that makes it"
            )
        try:
            return LocalTable(path, version=version)
        except DeltaError as error:
            raise HomeError(f"{path}: the table cannot be read: {error}") from error


def streamed(frames: Iterable[pl.DataFrame]) -> pa.RecordBatchReader:
    """Frames of the same columns as one stream, to be written without holding them together.

    Raises ``ValueError`` when there is no frame.
    """
    remaining = iter(frames)
    first = next(remaining, None)
    if first is None:
        raise ValueError("there is no frame to stream")
    schema = _storable(first.lazy()).collect_schema().to_frame().to_arrow().schema

    def batches() -> Iterator[pa.RecordBatch]:
        for frame in chain([first], remaining):
            table = _storable(frame.lazy()).collect().to_arrow().cast(schema)
            yield from table.to_batches(max_chunksize=_BATCH_ROWS)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _typed(table: str, name: str, value: object) -> str | date:
    is_date = pa.types.is_date(_TABLES[table].column(name).arrow_type)
    return date.fromisoformat(str(value)) if is_date else str(value)


def _predicate(table: str, partitions: Iterable[Partition]) -> str:
    """SQL that matches these partitions, grouped to stay short.

    >>> days = [date(2018, 2, 5), date(2018, 2, 6)]
    >>> _predicate("features", [("rio", day) for day in days])
    "(market = 'rio' AND ds_search IN ('2018-02-05', '2018-02-06'))"
    """
    *heads, last = _TABLES[table].partition_by
    groups: dict[Partition, list[str]] = {}
    for partition in partitions:
        groups.setdefault(partition[:-1], []).append(_quoted(partition[-1]))
    terms = []
    for values, days in sorted(groups.items(), key=str):
        equal = [f"{h} = {_quoted(v)}" for h, v in zip(heads, values, strict=True)]
        terms.append("(" + " AND ".join([*equal, f"{last} IN ({', '.join(sorted(days))})"]) + ")")
    return " OR ".join(terms)


def _quoted(value: str | date) -> str:
    text = value.isoformat() if isinstance(value, date) else value
    if not _PLAIN.fullmatch(text):
        raise ValueError(f"{text!r} is no plain partition value (letters, digits, _ . -)")
    return f"'{text}'"


def _stream(frame: Frame) -> pa.RecordBatchReader:
    """The frame as Arrow batches of types that Delta supports."""
    if isinstance(frame, pa.RecordBatchReader):
        return frame
    if isinstance(frame, pa.Table):
        return frame.to_reader(max_chunksize=_BATCH_ROWS)
    if isinstance(frame, pl.DataFrame):
        return _storable(frame.lazy()).collect().to_arrow().to_reader(max_chunksize=_BATCH_ROWS)
    lazy = _storable(frame)
    schema = lazy.collect_schema().to_frame().to_arrow().schema

    def batches() -> Iterator[pa.RecordBatch]:
        for part in lazy.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=False):
            yield from part.to_arrow().cast(schema).to_batches()

    return pa.RecordBatchReader.from_batches(schema, batches())


def _storable(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame without types that Delta lacks: unsigned integers, dictionaries, all-null."""
    return frame.with_columns(
        pl.col(pl.UInt8).cast(pl.Int16),
        pl.col(pl.UInt16).cast(pl.Int32),
        pl.col(pl.UInt32, pl.UInt64).cast(pl.Int64),
        pl.col(pl.Categorical, pl.Enum, pl.Null).cast(pl.String),
    )
