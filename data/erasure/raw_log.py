"""Take a guest's records out of a raw log, and leave every other byte as it was.

The records are found by the reader that ingest uses (:mod:`data.readers.open_log`) and the rule
that the mapping has for ``id_user``; so whatever the program reads can be erased: Parquet with
whole numbers, UTF-16, gzip under any name, quoted ids. The reader tells the line at which each
record begins. Of a text those lines are left out and the rest is copied byte by byte; of a
Parquet file the rows are left out and the rest is written with the same columns and types.

A record of five lines' log whose guest is U12; the third record has a line break in a field::

    line 1  id_search,id_user,note        copied
    line 2  S1,U12,first                  left out
    line 3  S2,U99,"two                   copied
    line 4  lines"                        copied
    line 5  S3,U12,last                   left out

What could not be divided into columns is searched where the guest's cell would have to stand
(:func:`is_in_broken`).
"""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText, is_distinctive
from data.erasure.packed_bytes import Packing, lines_of, packing_of, unit_of
from data.errors import LogError
from data.readers.chunk import Chunk
from data.readers.files import SourceFile, identify
from data.readers.open_log import Log, open_log
from data.sources.apply_mapping import apply_rule
from data.sources.column_rules import Rule
from data.sources.mapping import Mapping

__all__ = ["GuestRecords", "UnsearchableError", "find_in_log", "is_in_broken", "write_without"]

Lines = np.ndarray[Any, np.dtype[np.int64]]
# Of a chunk: which of its rows, and which of its broken lines, are the guest's.
Judge = Callable[[Chunk], tuple[pl.Series, list[bool]]]
# Archives, documents and databases: in their bytes an id would be found by chance or not at all.
_NO_TEXT = (b"PAR1", b"PK", b"%PDF", b"\xfd7zXZ", b"SQLite", b"\x89PNG")
SEPARATORS = ",;\t|"
TO_THE_END = np.iinfo(np.int64).max


class UnsearchableError(Exception):
    """Nobody can say whether a file names the guest; the message says why, in a few words."""


@dataclass(frozen=True, kw_only=True)
class GuestRecords:
    """The guest's records in one file.

    Attributes:
        file: as it was when it was read.
        starts: the line (of Parquet: the row) at which each begins, from 1, ascending.
        ends: the line after each, where the next record begins.
    """

    file: SourceFile
    starts: Lines
    ends: Lines

    def __len__(self) -> int:
        return len(self.starts)


def find_in_log(path: Path, mappings: Collection[Mapping], guest: Guest) -> GuestRecords:
    """The guest's records in one file; none where the reader finds no such id.

    The first mapping that knows the file's column of guests decides. Raises
    :class:`UnsearchableError` where the file cannot be read, or none of its columns is known for
    the guest's and the id stands in one that could be.
    """
    try:
        file = identify(path)
        log = open_log(file)
    except LogError as error:
        return _in_mere_text(path, guest, str(error))
    rule = _rule_for(log, mappings)
    if rule is None:
        return _in_unknown_columns(log, guest)
    try:
        return _records(log, rule, guest)
    except LogError as error:
        # a log that ends in the middle, or has a second header: its lines can still be read
        if file.kind == "parquet":
            raise UnsearchableError(str(error)) from error
        return _in_lines(file, guest, log.columns, rule[0].column)


def write_without(records: GuestRecords, draft: Path) -> None:
    """Write the file without these records to ``draft``."""
    records.file.check_unchanged()
    if records.file.kind == "parquet":
        _copy_rows(records, draft)
    else:
        _copy_lines(records, draft)


def is_in_broken(
    text: str, guest: Guest, *, columns: Collection[str] = (), column: str | None = None
) -> bool:
    """Whether a line that is no row names the guest.

    A line with one field more than the header has the guest's cell where it should be or one
    place later; a line that lacks two has it there or up to two places earlier. Elsewhere the
    same digits are a price or a listing, of somebody else's row.

    >>> guest, columns = Guest(ids=frozenset({"730"})), ("id_search", "id_user", "price")
    >>> lines = ("S1,730,12,odd", "S1,odd,730,12", "S1,55,730", "S1,55,odd,730")
    >>> [is_in_broken(line, guest, columns=columns, column="id_user") for line in lines]
    [True, True, False, False]
    """
    if NamedInText(guest)(text):
        return True
    names = list(columns)
    for separator in SEPARATORS:
        cells = _cells(text, separator)
        if len(cells) < 2:
            continue
        if column not in names:
            if any(guest.is_id(cell) for cell in cells):
                return True
            continue
        place, more = names.index(column), len(cells) - len(names)
        first, last = place + min(more, 0), place + max(more, 0)
        if any(guest.is_id(cell) for cell in cells[max(first, 0) : last + 1]):
            return True
    return False


def _cells(text: str, separator: str) -> list[str]:
    try:
        parsed = next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        parsed = []
    # the stray quote of a broken line may have swallowed the fields after it
    plain = [cell.strip().strip('"') for cell in text.split(separator)]
    return parsed if len(parsed) >= len(plain) else plain


def _rule_for(log: Log, mappings: Collection[Mapping]) -> tuple[Rule, str] | None:
    """The rule that gives the guest, and the mapping's time format."""
    for mapping in mappings:
        rule = mapping.columns.get("id_user")
        if rule is not None and rule.needs and set(rule.needs) <= set(log.columns):
            return rule, mapping.time_format
    return None


def _records(log: Log, rule: tuple[Rule, str], guest: Guest) -> GuestRecords:
    of_rule, time_format = rule

    def is_guests(chunk: Chunk) -> tuple[pl.Series, list[bool]]:
        values = apply_rule(of_rule, chunk.rows, time_format).values
        broken = [
            is_in_broken(text, guest, columns=log.columns, column=of_rule.column)
            for text in _texts_of(chunk)
        ]
        return guest.is_in(values), broken

    return _gathered(log, is_guests)


def _gathered(log: Log, is_guests: Judge) -> GuestRecords:
    spans = [(np.zeros(0, dtype=np.int64),) * 2, *_spans(log, is_guests)]
    starts, ends = (np.concatenate(parts) for parts in zip(*spans, strict=True))
    log.file.check_unchanged()
    return GuestRecords(file=log.file, starts=starts, ends=ends)


def _texts_of(chunk: Chunk) -> list[str]:
    texts = chunk.broken["row"].str.json_path_match("$.line")
    return [text or row for text, row in zip(texts, chunk.broken["row"], strict=True)]


def _spans(log: Log, is_guests: Judge) -> Iterator[tuple[Lines, Lines]]:
    """First line, and line after the last, of the guest's records, chunk by chunk."""
    open_start: int | None = None  # a record of the guest that the next chunk's first ends
    for chunk in log.chunks():
        of_rows, of_broken = is_guests(chunk)
        lines = np.concatenate([chunk.lines.to_numpy(), chunk.broken["source_line"].to_numpy()])
        own = np.concatenate([of_rows.to_numpy(), np.array(of_broken, dtype=bool)])
        if not len(lines):
            continue
        order = np.argsort(lines, kind="stable")
        starts, runs = np.unique(lines[order], return_index=True)
        own = np.logical_or.reduceat(own[order], runs)
        if open_start is not None:
            yield np.array([open_start]), starts[:1]
        at = np.flatnonzero(own)
        ends = np.append(starts[1:], 0)[at]
        is_last = at == len(starts) - 1
        yield starts[at[~is_last]], ends[~is_last]
        open_start = int(starts[-1]) if is_last.any() else None
    if open_start is not None:
        yield np.array([open_start]), np.array([TO_THE_END])


def _in_mere_text(path: Path, guest: Guest, problem: str) -> GuestRecords:
    """Of a file that is no log: its lines that name the guest, if it is text at all."""
    try:
        with path.open("rb") as raw:
            if raw.read(6).startswith(_NO_TEXT):
                raise UnsearchableError(problem)
        file = SourceFile(
            path=path,
            name=str(path),
            sha256="",
            kind="text",
            stamp=(path.stat().st_size, path.stat().st_mtime_ns),
        )
        return _in_lines(file, guest, (), None)
    except (OSError, EOFError, ValueError, zlib.error, UnsearchableError) as error:
        raise UnsearchableError(problem) from error


def _in_lines(
    file: SourceFile, guest: Guest, columns: Collection[str], column: str | None
) -> GuestRecords:
    """The lines that name the guest, each looked at by itself."""
    names = NamedInText(guest)
    own, unsure = [], 0
    packing = packing_of(file.path)
    with packing.reading(file.path) as stream:
        unit = unit_of(stream)
        for number, raw in enumerate(lines_of(stream, unit), start=1):
            text = unit.text_of(raw)
            if unit.width == 1 and b"\x00" in raw:
                raise UnsearchableError("it is no text")
            is_suspect = is_in_broken(text, guest, columns=columns, column=column)
            if names(text) or (is_suspect and column):
                own.append(number)
            elif is_suspect:
                unsure += 1
    if unsure:
        raise UnsearchableError(
            f"{unsure} of its lines hold the id in a column that no mapping calls the guest's"
        )
    starts = np.array(own, dtype=np.int64)
    return GuestRecords(file=file, starts=starts, ends=starts + 1)


def _in_unknown_columns(log: Log, guest: Guest) -> GuestRecords:
    """Rows with a cell that can be nothing but the guest's id."""
    certain = Guest(ids=frozenset(name for name in guest.ids if is_distinctive(name)))
    suspects: set[str] = set()

    def is_guests(chunk: Chunk) -> tuple[pl.Series, list[bool]]:
        own = pl.repeat(value=False, n=chunk.rows.height, dtype=pl.Boolean, eager=True)
        for column in chunk.rows.iter_columns():
            here = certain.is_in(column)
            if not here.any() and guest.is_in(column).any():
                suspects.add(column.name)
            own = own | here
        return own, [NamedInText(guest)(text) for text in _texts_of(chunk)]

    try:
        records = _gathered(log, is_guests)
    except LogError as error:
        if log.file.kind == "parquet":
            raise UnsearchableError(str(error)) from error
        return _in_lines(log.file, guest, (), None)
    if suspects:
        raise UnsearchableError(
            f"the id stands in {', '.join(sorted(suspects))}, which no mapping calls the guest's "
            "column; name the mapping with --source"
        )
    return records


def _copy_lines(records: GuestRecords, draft: Path) -> None:
    packing: Packing = packing_of(records.file.path)
    left_out = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    start, end = next(left_out, (TO_THE_END, TO_THE_END))
    blank: list[bytes] = []
    with packing.reading(records.file.path) as stream, packing.writing(draft) as out:
        unit = unit_of(stream)
        for number, raw in enumerate(lines_of(stream, unit), start=1):
            if number >= end:
                # blank lines before the next record belong to no record
                out.writelines(blank)
                start, end = next(left_out, (TO_THE_END, TO_THE_END))
            if number < start:
                out.write(raw)
            else:
                blank = [*blank, raw] if not unit.text_of(raw).strip() else []
        out.writelines(blank if number >= start else [])


def _copy_rows(records: GuestRecords, draft: Path) -> None:
    parquet = pq.ParquetFile(records.file.path)
    codec = "NONE"
    if parquet.num_row_groups and parquet.metadata.num_columns:
        codec = parquet.metadata.row_group(0).column(0).compression
    codec = {"UNCOMPRESSED": "NONE"}.get(codec, codec)
    first = 1
    with pq.ParquetWriter(draft, parquet.schema_arrow, compression=codec) as writer:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            own = records.starts[
                (records.starts >= first) & (records.starts < first + table.num_rows)
            ]
            stays = np.ones(table.num_rows, dtype=bool)
            stays[own - first] = False
            first += table.num_rows
            writer.write_table(table.filter(pa.array(stays)))
