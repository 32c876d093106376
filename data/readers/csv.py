"""Delimited text (CSV and its relatives), read block by block and never trusted.

Memory is bounded by the block whatever the file's size. A block of bytes is cut into records
by ``data.readers.csv_records`` and becomes one chunk of rows:

- sound records, nearly all, go to Polars' parser together, joined as they stand;
- a record with stray quotes is read alone by Python's ``csv``, because Polars applies one
  quoting rule to all that it is given: one stray quote there would shift every row after it;
- a record with the wrong number of fields or undecodable bytes becomes a broken row with its
  line number and its reason.

Rows that were read alone come after the others in their chunk: ``Chunk.lines`` says where each
row stood.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import polars as pl

from data.errors import LogError
from data.readers.chunk import BrokenRow, Chunk, broken_rows
from data.readers.csv_records import GOOD, LITERAL, NOT_TEXT, WRONG_FIELDS, Records, split_records
from data.readers.files import SourceFile, open_text
from data.schema.reason_codes import Reason

__all__ = ["SEPARATORS", "Header", "read_csv", "read_header"]

SEPARATORS = (",", ";", "\t", "|")
BLOCK_BYTES = 16 << 20
MAX_HEADER_BYTES = 1 << 20
_REPLACED = "\ufffd"


@dataclass(frozen=True, kw_only=True)
class Header:
    """The first line of a delimited log: its column names in order, and its separator.

    ``is_old_mac``: lines end with a carriage return alone, as on old Macintoshes.
    """

    columns: tuple[str, ...]
    separator: str
    is_old_mac: bool = False


def read_header(file: SourceFile, encoding: str | None) -> Header:
    """Read and check the header. Raises :class:`LogError` when there is none."""
    with open_text(file, encoding) as opened:
        head = _read_up_to(opened.stream, MAX_HEADER_BYTES)
    is_old_mac = b"\n" not in head and b"\r" in head
    line = head.split(b"\r" if is_old_mac else b"\n", 1)[0].rstrip(b"\r")
    if len(line) >= MAX_HEADER_BYTES or b"\x00" in line:
        raise LogError(
            file.name,
            "not a log: the first line is no text. If it is UTF-16 without a BOM or another "
            "encoding, name it with --encoding",
            line=1,
        )
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LogError(
            file.name,
            f"the header is not UTF-8 (byte {error.start + 1}); name the encoding with --encoding",
            line=1,
        ) from error
    return replace(_parsed_header(file, text), is_old_mac=is_old_mac)


def _parsed_header(file: SourceFile, text: str) -> Header:
    if not text.strip():
        raise LogError(file.name, "the first line is blank; it must be the header", line=1)
    separator = max(SEPARATORS, key=lambda s: len(_fields(text, s)))
    names = tuple(name.strip() for name in _fields(text, separator))
    if len(names) < 2:
        raise LogError(
            file.name,
            f"not a log: the first line has one column ({names[0][:60]!r}); columns are "
            "separated by comma, semicolon, tab or |",
            line=1,
        )
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise LogError(
            file.name,
            f"the header names a column twice: {', '.join(repeated)}; rename or drop one",
            line=1,
        )
    unnamed = iter(range(1, len(names) + 1))
    columns = tuple(name or f"unnamed_{next(unnamed)}" for name in names)
    return Header(columns=columns, separator=separator)


def _fields(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator), [""])
    except csv.Error:
        return [text]


def read_csv(file: SourceFile, header: Header, encoding: str | None) -> Iterator[Chunk]:
    """The rows of the file in chunks of about ``BLOCK_BYTES``; the header is line 1.

    Raises :class:`LogError` when the header stands in the file a second time, or the
    archive turns out to be damaged.
    """
    separator = ord(header.separator)
    with open_text(file, encoding) as text:
        unfinished, line, is_first, is_last = b"", 1, True, False
        while not is_last:
            fresh = _read_up_to(text.stream, BLOCK_BYTES)
            # only an empty read ends the file: a last record without a line end is cut then
            is_last = not fresh
            if header.is_old_mac:
                fresh = fresh.replace(b"\r", b"\n")
            data = unfinished + fresh
            if is_first:
                end = data.find(b"\n") + 1 or len(data)
                data, line, is_first = data[end:], 2, False
            records = split_records(
                data, separator=separator, fields=len(header.columns), is_last=is_last
            )
            unfinished = data[records.consumed :]
            if len(records.starts):
                in_file = replace(records, lines=records.lines + line)
                chunk = _chunk(file, header, data, in_file, is_transcoded=text.is_transcoded)
                yield replace(chunk, bytes_read=text.position())
            line += records.lines_consumed


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    parts, missing = [], size
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _chunk(
    file: SourceFile, header: Header, data: bytes, records: Records, *, is_transcoded: bool
) -> Chunk:
    """The rows of the records in ``data``; ``records.lines`` are lines of the file."""
    is_good = records.state == GOOD
    rows = _parse(header, _bytes_of(data, records, is_good), int(is_good.sum()))
    if rows is None:
        # the parser sees other rows there than the cut did: each record is read alone
        state = np.where(is_good, LITERAL, records.state).astype(np.int8)
        records = replace(records, state=state)
        is_good = np.zeros_like(is_good)
        rows = pl.DataFrame(schema=dict.fromkeys(header.columns, pl.String))
    read_alone, broken = _odd_records(header, data, records)
    alone_lines = np.array([line for line, _ in read_alone], dtype=np.int64)
    lines = pl.Series("source_line", np.r_[records.lines[is_good], alone_lines])
    if read_alone:
        alone = [fields for _, fields in read_alone]
        rows = rows.vstack(
            pl.DataFrame(alone, schema=dict.fromkeys(header.columns, pl.String), orient="row")
        )
    if is_transcoded:
        rows, lines, undecodable = _without_undecodable(rows, lines)
        broken += undecodable
    _refuse_second_header(file, rows, lines)
    return Chunk(rows=rows, lines=lines, broken=broken_rows(broken))


def _parse(header: Header, data: bytes, height: int) -> pl.DataFrame | None:
    """The rows as text; ``None`` when the parser finds another number than ``height``."""
    schema = dict.fromkeys(header.columns, pl.String)
    if not data:
        return pl.DataFrame(schema=schema)
    try:
        rows = pl.read_csv(
            data,
            has_header=False,
            schema=schema,
            separator=header.separator,
            quote_char='"',
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        return None
    return rows if rows.height == height else None


def _bytes_of(data: bytes, records: Records, is_chosen: np.ndarray) -> bytes:
    """The text of the chosen records, one after the other, without the others between."""
    if bool(is_chosen.all()):
        return data[: records.consumed]
    # runs of neighbours are copied in one piece: few odd records leave few runs
    edges = np.flatnonzero(np.diff(np.r_[False, is_chosen, False]))
    runs = zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True)
    pieces = [data[records.starts[first] : records.ends[after - 1]] for first, after in runs]
    return b"".join(piece + b"\n" for piece in pieces)


def _odd_records(
    header: Header, data: bytes, records: Records
) -> tuple[list[tuple[int, list[str | None]]], list[BrokenRow]]:
    """Records that Polars is not given: those that can be read alone, and the broken ones."""
    read_alone: list[tuple[int, list[str | None]]] = []
    broken: list[BrokenRow] = []
    for index in np.flatnonzero(records.state != GOOD).tolist():
        raw = data[records.starts[index] : records.ends[index]]
        line, state = int(records.lines[index]), int(records.state[index])
        if state == WRONG_FIELDS and not raw.strip():
            continue  # a blank line is no row
        fields = _read_alone(raw, header) if state == LITERAL else None
        if fields is not None:
            read_alone.append((line, fields))
        else:
            reason = Reason.NOT_TEXT if state == NOT_TEXT else Reason.WRONG_FIELD_COUNT
            text = raw.decode("utf-8", errors="backslashreplace")
            broken.append(BrokenRow(line=line, reason=reason, text=text))
    return read_alone, broken


def _read_alone(raw: bytes, header: Header) -> list[str | None] | None:
    """The fields of one line with stray quotes, or ``None`` when it cannot be divided into columns.

    ``csv`` takes a quote in the middle of a field as a character (``5" tv`` is a value). A
    quote that opens a field and never closes makes one field of the rest of the line, so
    that their number is wrong.
    """
    try:
        text = io.StringIO(raw.decode("utf-8"), newline="")
        fields = list(csv.reader(text, delimiter=header.separator))
    except (csv.Error, UnicodeDecodeError):
        return None
    if len(fields) != 1 or len(fields[0]) != len(header.columns):
        return None
    return [field or None for field in fields[0]]


def _without_undecodable(
    rows: pl.DataFrame, lines: pl.Series
) -> tuple[pl.DataFrame, pl.Series, list[BrokenRow]]:
    """The rows without those that hold U+FFFD, and these as broken rows.

    For transcoded text only: there U+FFFD stands for bytes that the encoding does not know.
    """
    if rows.is_empty():
        return rows, lines, []
    is_undecodable = rows.select(
        pl.any_horizontal(pl.all().str.contains(_REPLACED, literal=True).fill_null(value=False))
    ).to_series()
    if not is_undecodable.any():
        return rows, lines, []
    bad_rows, bad_lines = rows.filter(is_undecodable), lines.filter(is_undecodable)
    broken = [
        BrokenRow(line=line, reason=Reason.NOT_TEXT, text=",".join(value or "" for value in row))
        for line, row in zip(bad_lines.to_list(), bad_rows.iter_rows(), strict=True)
    ]
    return rows.filter(~is_undecodable), lines.filter(~is_undecodable), broken


def _refuse_second_header(file: SourceFile, rows: pl.DataFrame, lines: pl.Series) -> None:
    # the first four names are enough: no row holds the names of its own columns
    is_header = rows.select(
        pl.all_horizontal(pl.col(name).str.strip_chars() == name for name in rows.columns[:4])
    ).to_series()
    header_lines = lines.filter(is_header.fill_null(value=False))
    if len(header_lines):
        raise LogError(
            file.name,
            "the header stands here a second time; two logs were joined. Ingest them as two files",
            line=int(header_lines[0]),
        )
