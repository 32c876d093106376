"""Delimited text, block by block: CSV and its relatives, never trusted.

Memory is bounded by the block whatever the file's size. Records are cut by
``data.readers.csv_records``; the sound ones go to Polars' parser as text, a line with stray
quotes is read alone, a line with the wrong number of fields or undecodable bytes becomes a
broken row with its line number.
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
from data.readers.chunk import Chunk, broken_rows
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
    """The rows of the file in blocks of about ``BLOCK_BYTES``; the header is line 1.

    Raises :class:`LogError` when the header stands in the file a second time, or the
    archive turns out to be damaged.
    """
    separator = ord(header.separator)
    with open_text(file, encoding) as text:
        carry, line, is_first, is_last = b"", 1, True, False
        while not is_last:
            fresh = _read_up_to(text.stream, BLOCK_BYTES)
            is_last = not fresh
            if header.is_old_mac:
                fresh = fresh.replace(b"\r", b"\n")
            data = carry + fresh
            if is_first:
                end = data.find(b"\n") + 1 or len(data)
                data, line, is_first = data[end:], 2, False
            records = split_records(
                data, separator=separator, fields=len(header.columns), is_last=is_last
            )
            carry = data[records.consumed :]
            if len(records.starts):
                block = _block(file, header, data, records, (line, text.is_transcoded))
                yield replace(block, bytes_read=text.position())
            line += records.lines_consumed


def _read_up_to(stream: BinaryIO, size: int) -> bytes:
    parts, missing = [], size
    while missing > 0 and (part := stream.read(missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _block(
    file: SourceFile, header: Header, data: bytes, records: Records, at: tuple[int, bool]
) -> Chunk:
    first_line, is_transcoded = at
    lines = records.lines + first_line
    good = records.state == GOOD
    rows = _parse(header, _good_bytes(data, records, good))
    if rows is None:
        # the parser sees other rows there than the cut did: each record is read alone
        records = replace(records, state=np.where(good, LITERAL, records.state).astype(np.int8))
        good = np.zeros_like(good)
        rows = pl.DataFrame(schema=dict.fromkeys(header.columns, pl.String))
    read_alone, broken = _odd_records(header, data, records, lines)
    alone_lines = np.array([line for line, _ in read_alone], dtype=np.int64)
    numbers = pl.Series("source_line", np.r_[lines[good], alone_lines])
    if read_alone:
        alone = [fields for _, fields in read_alone]
        rows = rows.vstack(
            pl.DataFrame(alone, schema=dict.fromkeys(header.columns, pl.String), orient="row")
        )
    rows, numbers, broken = _without_replaced(rows, numbers, broken, is_transcoded)
    _refuse_second_header(file, rows, numbers)
    return Chunk(rows=rows, lines=numbers, broken=broken_rows(broken))


def _parse(header: Header, good: tuple[bytes, int]) -> pl.DataFrame | None:
    """The rows as text; ``None`` when the parser finds another number of rows."""
    data, height = good
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


def _good_bytes(data: bytes, records: Records, good: np.ndarray) -> tuple[bytes, int]:
    """The text of the sound records, and how many they are."""
    height = int(good.sum())
    if bool(good.all()):
        return data[: records.consumed], height
    edges = np.flatnonzero(np.diff(np.r_[False, good, False]))
    runs = zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True)
    pieces = [data[records.starts[first] : records.ends[last - 1]] for first, last in runs]
    return b"".join(piece + b"\n" for piece in pieces), height


def _odd_records(
    header: Header,
    data: bytes,
    records: Records,
    lines: np.ndarray,
) -> tuple[list[tuple[int, list[str | None]]], list[tuple[int, str, str]]]:
    """Records that Polars is not given: those that can be read alone, and the broken ones."""
    read_alone: list[tuple[int, list[str | None]]] = []
    broken: list[tuple[int, str, str]] = []
    for index in np.flatnonzero(records.state != GOOD).tolist():
        raw = data[records.starts[index] : records.ends[index]]
        line, state = int(lines[index]), int(records.state[index])
        if state == WRONG_FIELDS and not raw.strip():
            continue  # a blank line is no row
        fields = _read_alone(raw, header) if state == LITERAL else None
        if fields is not None:
            read_alone.append((line, fields))
        else:
            reason = Reason.NOT_TEXT if state == NOT_TEXT else Reason.WRONG_FIELD_COUNT
            broken.append((line, reason, raw.decode("utf-8", errors="backslashreplace")))
    return read_alone, broken


def _read_alone(raw: bytes, header: Header) -> list[str | None] | None:
    """The fields of one line with stray quotes, or ``None`` when they cannot be told apart."""
    try:
        text = io.StringIO(raw.decode("utf-8"), newline="")
        fields = list(csv.reader(text, delimiter=header.separator))
    except (csv.Error, UnicodeDecodeError):
        return None
    if len(fields) != 1 or len(fields[0]) != len(header.columns):
        return None
    return [field or None for field in fields[0]]


def _without_replaced(
    rows: pl.DataFrame,
    lines: pl.Series,
    broken: list[tuple[int, str, str]],
    is_transcoded: bool,
) -> tuple[pl.DataFrame, pl.Series, list[tuple[int, str, str]]]:
    """In transcoded text U+FFFD stands for bytes that the encoding does not know."""
    if not is_transcoded or rows.is_empty():
        return rows, lines, broken
    has_replaced = rows.select(
        pl.any_horizontal(pl.all().str.contains(_REPLACED, literal=True).fill_null(value=False))
    ).to_series()
    if not has_replaced.any():
        return rows, lines, broken
    bad_rows, bad_lines = rows.filter(has_replaced), lines.filter(has_replaced)
    found = [
        (line, str(Reason.NOT_TEXT), ",".join(value or "" for value in row))
        for line, row in zip(bad_lines.to_list(), bad_rows.iter_rows(), strict=True)
    ]
    return rows.filter(~has_replaced), lines.filter(~has_replaced), [*broken, *found]


def _refuse_second_header(file: SourceFile, rows: pl.DataFrame, lines: pl.Series) -> None:
    repeats = rows.select(
        pl.all_horizontal(pl.col(name).str.strip_chars() == name for name in rows.columns[:4])
    ).to_series()
    again = lines.filter(repeats.fill_null(value=False))
    if len(again):
        raise LogError(
            file.name,
            "the header stands here a second time; two logs were joined. Ingest them as two files",
            line=int(again[0]),
        )
