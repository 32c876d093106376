r"""Delimited text (CSV and its relatives), read block by block and never trusted.

Memory is bounded by the block whatever the file's size. A block of bytes is cut into records
by ``data.readers.csv_records`` and becomes one chunk of rows:

- sound records, nearly all, go to Polars' parser together, joined as they stand;
- a record with stray quotes is read alone by Python's ``csv``, because Polars applies one
  quoting rule to all that it is given: one stray quote there would shift every row after it;
- a record with the wrong number of fields or undecodable bytes becomes a broken row with its
  line number and its reason; so does a line longer than ``MAX_LINE_BYTES``, of which only the
  beginning is held.

Spark escapes a quote by a backslash (``"The \"Blue\" flat"``), RFC 4180 by a second quote. What a
log means is decided by what it holds, block by block: where RFC 4180 leaves odd records and the
block has a ``\"``, it is cut by both, and Spark's reading is taken where it leaves fewer. So a
path that ends in a backslash (``"C:\photos\"``) stays what it is in a log that is sound without.

Rows that were read alone come after the others in their chunk: ``Chunk.lines`` says where each
row stood.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np
import polars as pl

from data.errors import LogError
from data.readers.chunk import BrokenRow, Chunk, broken_rows
from data.readers.csv_header import Header
from data.readers.csv_records import (
    GOOD,
    LITERAL,
    NOT_TEXT,
    TOO_LONG,
    WRONG_FIELDS,
    Records,
    split_records,
    with_doubled_quotes,
)
from data.readers.files import SourceFile, open_text
from data.readers.long_lines import MAX_LINE_BYTES, read_up_to, skip_line, too_long
from data.schema.reason_codes import Reason

__all__ = ["read_csv"]

BLOCK_BYTES = 16 << 20
_REPLACED = "\ufffd"
_BACKSLASHES = re.compile(r'(\\+)("?)')


def read_csv(file: SourceFile, header: Header, encoding: str | None) -> Iterator[Chunk]:
    """The rows of the file in chunks of about ``BLOCK_BYTES``; lines count from the file's first.

    Raises :class:`LogError` when the header stands in the file a second time, or the
    archive turns out to be damaged.
    """
    with open_text(file, encoding) as text:
        unfinished = read_up_to(text.stream, header.size)[header.size :]
        line, is_last = header.lines + 1, False
        while not is_last:
            fresh = read_up_to(text.stream, BLOCK_BYTES)
            # only an empty read ends the file: a last record without a line end is cut then
            is_last = not fresh
            block = _cut(header, unfinished + fresh, is_last=is_last)
            unfinished = block.data[block.records.consumed :]
            if len(block.records.starts):
                records = replace(block.records, lines=block.records.lines + line)
                chunk = _chunk(file, header, replace(block, records=records), text.is_transcoded)
                yield replace(chunk, bytes_read=text.position())
            line += block.records.lines_consumed
            # a quoted line end never leaves so much: csv_records takes such a quote for stray
            if len(unfinished) > MAX_LINE_BYTES:
                broken, unfinished = _skipped(header, text.stream, unfinished, line)
                yield replace(_without_rows(header, [broken]), bytes_read=text.position())
                line += 1


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Some bytes of the file and the records in them.

    ``parsed`` is what the parser is given: ``data``, or the same with Spark's escaped quotes
    doubled, which changes no offset.
    """

    data: bytes
    parsed: bytes
    records: Records


def _cut(header: Header, data: bytes, *, is_last: bool) -> _Block:
    if header.is_old_mac:
        data = data.replace(b"\r", b"\n")

    def cut(text: bytes) -> Records:
        return split_records(
            text, separator=ord(header.separator), fields=len(header.columns), is_last=is_last
        )

    records = cut(data)
    if _odd(records) and b'\\"' in data:
        doubled = with_doubled_quotes(data)
        by_spark = cut(doubled)
        if _odd(by_spark) < _odd(records):
            return _Block(data=data, parsed=doubled, records=by_spark)
    return _Block(data=data, parsed=data, records=records)


def _odd(records: Records) -> int:
    """How many records are not sound."""
    return int((records.state != GOOD).sum())


def _skipped(header: Header, stream: BinaryIO, head: bytes, line: int) -> tuple[BrokenRow, bytes]:
    """The broken row for a line that is too long, and what was read behind it."""
    newline = b"\r" if header.is_old_mac else b"\n"
    length, behind = skip_line(stream, head, BLOCK_BYTES, newline)
    return too_long(line, length, head), behind


def _without_rows(header: Header, broken: list[BrokenRow]) -> Chunk:
    return Chunk(
        rows=pl.DataFrame(schema=dict.fromkeys(header.columns, pl.String)),
        lines=pl.Series("source_line", [], dtype=pl.Int64),
        broken=broken_rows(broken),
    )


def _chunk(file: SourceFile, header: Header, block: _Block, is_transcoded: bool) -> Chunk:
    """The rows of the block's records, whose lines are lines of the file."""
    records = block.records
    is_good = records.state == GOOD
    rows = _parse(header, _bytes_of(block.parsed, records, is_good), int(is_good.sum()))
    if rows is None:
        # the parser sees other rows there than the cut did: each record is read alone
        state = np.where(is_good, LITERAL, records.state).astype(np.int8)
        records = replace(records, state=state)
        is_good = np.zeros_like(is_good)
        rows = pl.DataFrame(schema=dict.fromkeys(header.columns, pl.String))
    read_alone, broken = _odd_records(header, block.data, records)
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
        elif state == TOO_LONG:
            broken.append(too_long(line, len(raw), raw))
        else:
            reason = Reason.NOT_TEXT if state == NOT_TEXT else Reason.WRONG_FIELD_COUNT
            text = raw.decode("utf-8", errors="backslashreplace")
            broken.append(BrokenRow(line=line, reason=reason, text=text))
    return read_alone, broken


def _read_alone(raw: bytes, header: Header) -> list[str | None] | None:
    r"""The fields of one record with odd quotes; ``None`` when it cannot be divided into columns.

    Where it has a ``\"`` and is sound when that is a quote, it is read so. Else ``csv`` takes a
    quote in the middle of a field as a character (``5" tv`` is a value). A quote that opens a
    field and never closes makes one field of the rest of the line, so that their number is
    wrong.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    fields = None
    if '\\"' in text:
        # only before a quote is a backslash more than a character
        text_only = _BACKSLASHES.sub(_doubled_but_one, text)
        fields = _fields(text_only, header, escapechar="\\", strict=True)
    return fields if fields is not None else _fields(text, header)


def _doubled_but_one(run: re.Match[str]) -> str:
    backslashes, quote = run[1], run[2]
    if quote and len(backslashes) % 2:
        return backslashes[1:] * 2 + "\\" + quote
    return backslashes * 2 + quote


def _fields(
    text: str, header: Header, *, escapechar: str | None = None, strict: bool = False
) -> list[str | None] | None:
    try:
        fields = list(
            csv.reader(
                io.StringIO(text, newline=""),
                delimiter=header.separator,
                escapechar=escapechar,
                strict=strict,
            )
        )
    except csv.Error:
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
