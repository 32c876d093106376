"""Find a guest's records in a raw log of any format that is read.

The records are found by the reader that ingest uses (:mod:`data.readers.open_log`) and the rule
that the mapping has for ``id_user``; so whatever the program reads can be searched: Parquet with
ids of any type, UTF-16, archives under any name, lines of JSON, quoted ids, columns that folders
give. The reader tells the line at which each record begins, and
:mod:`data.erasure.rewrite_log` leaves those lines out.

A record of five lines' log whose guest is U12; the third record has a line break in a field::

    line 1  id_search,id_user,note        copied
    line 2  S1,U12,first                  left out
    line 3  S2,U99,"two                   copied
    line 4  lines"                        copied
    line 5  S3,U12,last                   left out

What could not be divided into columns is searched where the guest's cell would have to stand
(:mod:`data.erasure.broken_line`), JSON that is no log of lines by its entries
(:mod:`data.erasure.json_text`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from data.erasure.broken_line import is_in_broken, with_escapes
from data.erasure.guest import Guest
from data.erasure.guest_cells import guest_cells
from data.erasure.guest_records import TO_THE_END, GuestRecords, Lines, UnsearchableError
from data.erasure.log_readings import LogReading, OpenedLog, Readings
from data.erasure.mere_text import UNREADABLE, in_lines, in_mere_text
from data.erasure.named_in_text import NamedInText, is_distinctive
from data.erasure.raw_bytes import LineUnit, lines_of, reading, unit_of
from data.errors import LogError
from data.readers.chunk import Chunk
from data.readers.files import SourceFile
from data.schema.reason_codes import Reason

__all__ = ["find_in_log"]

# Of a chunk: which of its rows, and which of its broken lines, are the guest's.
Judge = Callable[[Chunk], tuple[pl.Series, list[bool]]]


def find_in_log(
    path: Path, readings: Readings, guest: Guest, *, first: LogReading | None = None
) -> GuestRecords:
    """The guest's records in one file; none where the reader finds no such id.

    What the file was read with decides, else the first mapping that knows the file's column of
    guests; ``first`` before all. Raises :class:`UnsearchableError` where the file cannot be read,
    none of its columns is known for the guest's and the id stands in one that could be, or an id
    that lost digits may be the guest's.
    """
    try:
        opened = readings.opened(path, first)
    except LogError as error:
        return in_mere_text(path, guest, str(error), readings)
    try:
        unit = _unit_of(opened)
        try:
            if opened.rule is None:
                return _in_unknown_columns(opened, unit, guest)
            return _records(opened, unit, guest)
        except LogError as error:
            # a log that ends in the middle, or has a second header: its lines can still be read
            if unit is None:
                raise UnsearchableError(str(error)) from error
            column = opened.rule.column if opened.rule is not None else None
            return in_lines(opened.log.file, unit, guest, opened.log.columns, column)
    except UNREADABLE as error:
        raise UnsearchableError(str(error)) from error


def _unit_of(opened: OpenedLog) -> LineUnit | None:
    file = opened.log.file
    if file.kind == "parquet":
        return None
    return unit_of(file.path, opened.encoding, is_json=file.kind == "json_lines")


def _records(opened: OpenedLog, unit: LineUnit | None, guest: Guest) -> GuestRecords:
    log, rule = opened.log, opened.rule
    column = rule.column if rule is not None else None

    odd = with_escapes(guest)

    def is_guests(chunk: Chunk) -> tuple[pl.Series, list[bool]]:
        cells = guest_cells(chunk.rows, opened, guest)
        if cells.doubt is not None:
            row, why = cells.doubt
            raise UnsearchableError(f"line {chunk.lines[row]}: {why}")
        broken = [
            is_in_broken(text, odd, columns=log.columns, column=column) for text in _texts_of(chunk)
        ]
        return cells.is_guests, broken

    folders = dict(log.file.partition) if column not in log.own_columns else {}
    records = _gathered(opened, unit, guest, is_guests)
    return replace(
        records,
        reading=opened.reading,
        is_named_by_folder=column is not None and guest.is_id(folders.get(column)),
    )


def _gathered(
    opened: OpenedLog, unit: LineUnit | None, guest: Guest, is_guests: Judge
) -> GuestRecords:
    log = opened.log
    spans = [(np.zeros(0, dtype=np.int64),) * 2, *_spans(opened, unit, guest, is_guests)]
    starts, ends = (np.concatenate(parts) for parts in zip(*spans, strict=True))
    log.file.check_unchanged()
    return GuestRecords(file=log.file, unit=unit, starts=starts, ends=ends)


def _texts_of(chunk: Chunk) -> list[str]:
    texts = chunk.broken["row"].str.json_path_match("$.line")
    return [text or row for text, row in zip(texts, chunk.broken["row"], strict=True)]


def _spans(
    opened: OpenedLog, unit: LineUnit | None, guest: Guest, is_guests: Judge
) -> Iterator[tuple[Lines, Lines]]:
    """First line, and line after the last, of the guest's records, chunk by chunk."""
    # the line of the guest's, whose end is the first line of the next chunk
    open_start = 1 if _is_in_header(opened, guest) else None
    long_lines: set[int] | None = None
    for chunk in opened.log.chunks():
        of_rows, of_broken = is_guests(chunk)
        is_long = chunk.broken["reasons"].str.contains(str(Reason.LINE_TOO_LONG), literal=True)
        if unit is not None and is_long.any():
            # of such a line the reader keeps the beginning
            long_lines = long_lines or _long_lines_naming(opened.log.file, unit, guest)
            numbers = chunk.broken["source_line"]
            of_broken = [own or n in long_lines for own, n in zip(of_broken, numbers, strict=True)]
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


def _is_in_header(opened: OpenedLog, guest: Guest) -> bool:
    """Of a log without a header the first row passes for one."""
    if opened.rule is not None or opened.log.file.kind != "text":
        return False
    return any(_certain(guest).is_id(name) for name in opened.log.own_columns)


def _certain(guest: Guest) -> Guest:
    """The guest by the ids that can be nothing else."""
    return Guest(ids=frozenset(name for name in guest.ids if is_distinctive(name)))


def _long_lines_naming(file: SourceFile, unit: LineUnit, guest: Guest) -> set[int]:
    names = NamedInText(guest)
    with reading(file.path) as stream:
        return {
            piece.line
            for piece in lines_of(stream, unit)
            if not piece.is_whole and names(unit.text_of(piece.raw))
        }


def _in_unknown_columns(opened: OpenedLog, unit: LineUnit | None, guest: Guest) -> GuestRecords:
    """Rows with a cell that can be nothing but the guest's id."""
    certain, log, names = _certain(guest), opened.log, NamedInText(guest)
    in_broken = NamedInText(with_escapes(guest))
    suspects = {name for name in log.own_columns if _may_be_first_row(name, opened, guest)}

    def is_guests(chunk: Chunk) -> tuple[pl.Series, list[bool]]:
        own = pl.repeat(value=False, n=chunk.rows.height, dtype=pl.Boolean, eager=True)
        for column in chunk.rows.iter_columns():
            here = certain.is_in(column) | _is_named_inside(column, names)
            if not here.any() and guest.is_in(column).any():
                suspects.add(column.name)
            own = own | here
        return own, [in_broken(text) for text in _texts_of(chunk)]

    records = _gathered(opened, unit, guest, is_guests)
    if suspects:
        raise UnsearchableError(
            f"the id stands in {', '.join(sorted(suspects))}, which no mapping calls the guest's "
            "column; name the mapping with --source"
        )
    return records


def _may_be_first_row(name: str, opened: OpenedLog, guest: Guest) -> bool:
    """Whether the header is a row, and this cell of it the guest: a number is no column's name."""
    is_number = not any(character.isalpha() for character in name)
    return is_number and opened.log.file.kind == "text" and guest.is_id(name)


def _is_named_inside(column: pl.Series, names: NamedInText) -> pl.Series:
    """Cells that hold objects, as JSON or of Parquet, and name the guest as a text does."""
    if column.dtype.is_nested():
        cells = [json.dumps(cell, default=str) for cell in column.to_list()]
        texts = pl.Series(cells, dtype=pl.String)
    elif column.dtype == pl.String:
        texts = column.set(~column.str.contains(r"^\s*[\[{]").fill_null(value=False), None)
    else:
        return pl.repeat(value=False, n=len(column), dtype=pl.Boolean, eager=True)
    distinct = texts.drop_nulls().unique()
    return texts.is_in([text for text in distinct if names(text)]).fill_null(value=False)
