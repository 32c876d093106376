"""The header of a delimited log: its column names, its separator, and how far it goes.

It is the first record, which may go over several lines (a quoted name with a line end in it).
Before it Excel may write a line that names the separator::

    sep=;
    id_search;id_listing;"label
    (furthest)"

Here the header begins in line 2, the rows in line 4, and the third column is called
``label (furthest)``.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

from data.errors import LogError
from data.readers.files import SourceFile, open_text
from data.readers.long_lines import read_up_to

__all__ = ["SEPARATORS", "Header", "read_header"]

SEPARATORS = (",", ";", "\t", "|")
MAX_HEADER_BYTES = 1 << 20
MAX_HEADER_LINES = 100
_DECLARED = re.compile(rb'"?sep=(.)"?\r?\n', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Header:
    """The header of a delimited log.

    Attributes:
        columns: their names in order.
        separator: between them.
        size: bytes of the UTF-8 text up to the first row.
        lines: lines of the file up to the first row.
        is_old_mac: lines end with a carriage return alone, as on old Macintoshes.
    """

    columns: tuple[str, ...]
    separator: str
    size: int
    lines: int
    is_old_mac: bool = False


def read_header(file: SourceFile, encoding: str | None) -> Header:
    """Read and check the header. Raises :class:`LogError` when there is none."""
    with open_text(file, encoding) as opened:
        head = read_up_to(opened.stream, MAX_HEADER_BYTES)
    is_old_mac = b"\n" not in head and b"\r" in head
    if is_old_mac:
        head = head.replace(b"\r", b"\n")
    declared = _DECLARED.match(head)
    first = declared.end() if declared else 0
    first_line = 2 if declared else 1
    end = _end_of_header(head, first)
    text = _decoded(file, head[first:end].rstrip(b"\r"), first_line)
    separator = _declared_separator(file, declared)
    return Header(
        columns=_columns(file, text, separator, first_line),
        separator=separator or _separator_of(text),
        size=min(end + 1, len(head)),
        lines=first_line + head.count(b"\n", first, end),
        is_old_mac=is_old_mac,
    )


def _end_of_header(head: bytes, first: int) -> int:
    """Where the line ends that ends the header; its line ends inside quotes do not."""
    end_of_line = head.find(b"\n", first)
    end_of_line = end_of_line if end_of_line >= 0 else len(head)
    end = end_of_line
    for _ in range(MAX_HEADER_LINES):
        if head.count(b'"', first, end) % 2 == 0:
            text = head[first:end].decode("utf-8", errors="replace")
            # a stray quote gathers lines that are no part of the header
            is_header = end == end_of_line or len(_fields(text, _separator_of(text))) > 1
            return end if is_header else end_of_line
        end = head.find(b"\n", end + 1)
        if end < 0:
            break
    return end_of_line


def _decoded(file: SourceFile, line: bytes, number: int) -> str:
    if len(line) >= MAX_HEADER_BYTES or b"\x00" in line:
        raise LogError(
            file.name,
            "not a log: the first line is no text. If it is UTF-16 without a BOM or another "
            "encoding, name it with --encoding",
            line=number,
        )
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise LogError(
            file.name,
            f"the header is not UTF-8 (byte {error.start + 1}); name the encoding with --encoding",
            line=number,
        ) from error


def _declared_separator(file: SourceFile, declared: re.Match[bytes] | None) -> str | None:
    separator = declared[1].decode("latin-1") if declared else None
    if separator is not None and separator not in SEPARATORS:
        raise LogError(
            file.name,
            f"says that columns are separated by {separator!r}; known are comma, semicolon, tab "
            "and |. Save it with one of these",
            line=1,
        )
    return separator


def _columns(file: SourceFile, text: str, separator: str | None, line: int) -> tuple[str, ...]:
    if not text.strip():
        raise LogError(file.name, "the first line is blank; it must be the header", line=line)
    if text.lstrip().startswith('{"'):
        raise LogError(
            file.name,
            f"not a log of columns: this is JSON ({text[:60]!r}). If each line is one object, "
            "name the file .jsonl",
            line=line,
        )
    names = tuple(_plain(name) for name in _fields(text, separator or _separator_of(text)))
    if len(names) < 2:
        raise LogError(
            file.name,
            f"not a log: the first line has one column ({names[0][:60]!r}); columns are "
            "separated by comma, semicolon, tab or |",
            line=line,
        )
    repeated = sorted({name for name in names if name and names.count(name) > 1})
    if repeated:
        raise LogError(
            file.name,
            f"the header names a column twice: {', '.join(repeated)}; rename or drop one",
            line=line,
        )
    unnamed = iter(range(1, len(names) + 1))
    return tuple(name or f"unnamed_{next(unnamed)}" for name in names)


def _separator_of(text: str) -> str:
    return max(SEPARATORS, key=lambda separator: len(_fields(text, separator)))


def _plain(name: str) -> str:
    """The name in one line, without blanks around it."""
    return " ".join(name.split()) if "\n" in name or "\r" in name else name.strip()


def _fields(text: str, separator: str) -> list[str]:
    """The names of the header; the whole text where it is not one record."""
    try:
        records = list(csv.reader([text], delimiter=separator))
    except csv.Error:
        return [text]
    return records[0] if len(records) == 1 else [text]
