"""Open a log of any supported format: its columns first, then its rows chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

from data.readers.chunk import Chunk
from data.readers.csv import read_csv
from data.readers.csv_header import read_header
from data.readers.files import SourceFile
from data.readers.json_lines import read_json_lines, read_json_lines_columns
from data.readers.parquet import read_parquet, read_parquet_columns
from data.readers.partitions import with_partition

__all__ = ["Log", "open_log", "respelled"]


@dataclass(frozen=True, kw_only=True)
class Log:
    """One log file.

    Attributes:
        file: which.
        columns: its own column names, then those that the names of its folders give.
        chunks: streams its rows.
        own_columns: without those of the folders.
        spelled: columns under another name than the file's: name → as the file spells it.
        nested: the columns whose cells hold lists, structs or maps, and their types.
    """

    file: SourceFile
    columns: tuple[str, ...]
    chunks: Callable[[], Iterator[Chunk]]
    own_columns: tuple[str, ...]
    spelled: dict[str, str] = field(default_factory=dict)
    nested: dict[str, str] = field(default_factory=dict)


def open_log(
    file: SourceFile,
    *,
    encoding: str | None = None,
    wanted: Collection[str] = (),
    list_columns: Collection[str] = (),
) -> Log:
    """Read the header or schema. Raises :class:`data.errors.LogError` when there is none.

    Args:
        file: which.
        encoding: of text that is neither UTF-8 nor carries a BOM.
        wanted: the columns that will be asked for. A column of the log that differs from one of
            them only in its case (``ID_SEARCH``, as databases export it) is read under that
            name, where no other does.
        list_columns: columns whose lists in lines of JSON are kept as lists of text.
    """
    log = _opened(file, encoding, list_columns)
    own = {name.casefold() for name in log.columns}
    lacking = tuple((name, value) for name, value in file.partition if name.casefold() not in own)
    if lacking:
        inner = log
        log = replace(
            log,
            columns=(*log.columns, *(name for name, _ in lacking)),
            chunks=lambda: (
                replace(chunk, rows=with_partition(chunk, lacking)) for chunk in inner.chunks()
            ),
        )
    return respelled(log, wanted)


def _opened(file: SourceFile, encoding: str | None, list_columns: Collection[str]) -> Log:
    if file.kind == "parquet":
        found = read_parquet_columns(file)
        log = _log(file, found.names, lambda: read_parquet(file, found.names))
        return replace(log, nested=found.nested)
    if file.kind == "json_lines":
        keys = read_json_lines_columns(file, encoding)
        return _log(file, keys, lambda: read_json_lines(file, keys, encoding, list_columns))
    header = read_header(file, encoding)
    return _log(file, header.columns, lambda: read_csv(file, header, encoding))


def _log(file: SourceFile, columns: tuple[str, ...], chunks: Callable[[], Iterator[Chunk]]) -> Log:
    return Log(file=file, columns=columns, chunks=chunks, own_columns=columns)


def respelled(log: Log, wanted: Collection[str]) -> Log:
    """The log with columns named as they are wanted, where case alone tells them apart."""
    by_case: dict[str, list[str]] = {}
    for name in log.columns:
        by_case.setdefault(name.casefold(), []).append(name)
    spelled: dict[str, str] = {}
    for name in wanted:
        alike = by_case.get(name.casefold(), [])
        # two of a kind (label, LABEL): which is meant cannot be known
        is_free = len(alike) == 1 and alike[0] not in (*wanted, *spelled.values())
        if name not in log.columns and is_free:
            spelled[name] = alike[0]
    if not spelled:
        return log
    names = {own: name for name, own in spelled.items()}
    return replace(
        log,
        columns=tuple(names.get(name, name) for name in log.columns),
        own_columns=tuple(names.get(name, name) for name in log.own_columns),
        chunks=lambda: (
            replace(chunk, rows=chunk.rows.rename(names, strict=False)) for chunk in log.chunks()
        ),
        spelled=spelled,
        nested={names.get(name, name): of for name, of in log.nested.items()},
    )
