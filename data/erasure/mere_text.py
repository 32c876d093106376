"""Find a guest in a file that is no log, or cannot be read to its end: by its entries or lines."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from data.erasure.broken_line import is_in_broken, with_escapes
from data.erasure.guest import Guest
from data.erasure.guest_records import GuestRecords, UnsearchableError
from data.erasure.json_text import Span, guest_spans
from data.erasure.log_readings import Readings
from data.erasure.named_in_text import NamedInText
from data.erasure.raw_bytes import LineUnit, guessed_encoding, lines_of, reading, unit_of
from data.errors import LogError
from data.readers.files import SourceFile
from data.readers.long_lines import MAX_LINE_BYTES, read_up_to
from data.readers.unpack import DamagedArchiveError, packing_of

__all__ = ["UNREADABLE", "in_lines", "in_mere_text"]

# Archives, documents and databases: in their bytes an id would be found by chance or not at all.
_NO_TEXT = (b"PAR1", b"PK", b"%PDF", b"SQLite", b"\x89PNG", b"7z\xbc\xaf", b"Rar!", b"Obj\x01")
# LookupError: an encoding that this machine does not know
UNREADABLE = (DamagedArchiveError, OSError, EOFError, LookupError, ValueError, zlib.error)
_MOST_JSON_BYTES = 256 << 20


def in_mere_text(path: Path, guest: Guest, problem: str, readings: Readings) -> GuestRecords:
    """Of a file that is no log: its entries or lines that name the guest, if it is text at all."""
    try:
        file = SourceFile(
            path=path,
            name=str(path),
            sha256="",
            kind="text",
            stamp=(path.stat().st_size, path.stat().st_mtime_ns),
        )
        with reading(path) as stream:
            head = read_up_to(stream, 1 << 10)
        if head.startswith(_NO_TEXT) or packing_of(head) is not None:
            raise UnsearchableError(problem)
        encoding = readings.encoding_of(path) if head else None
        unit = unit_of(path, encoding or guessed_encoding(head))
        spans = _spans_in_json(path, unit, guest)
        if spans is None:
            return in_lines(file, unit, guest, (), None)
    except (*UNREADABLE, LogError) as error:
        raise UnsearchableError(problem) from error
    none = np.zeros(0, dtype=np.int64)
    return GuestRecords(file=file, unit=unit, starts=none, ends=none, spans=spans)


def _spans_in_json(path: Path, unit: LineUnit, guest: Guest) -> tuple[Span, ...] | None:
    """``None`` for what is no JSON, or more of it than fits into memory several times over."""
    with reading(path) as stream:
        raw = read_up_to(stream, _MOST_JSON_BYTES + 1)
    if len(raw) > _MOST_JSON_BYTES:
        return None
    text = raw.removeprefix(unit.mark).decode(unit.encoding, errors="surrogateescape")
    try:
        return tuple(guest_spans(text, guest))
    except ValueError:
        return None


def in_lines(
    file: SourceFile,
    unit: LineUnit,
    guest: Guest,
    columns: Collection[str],
    column: str | None,
) -> GuestRecords:
    """The lines that name the guest, each looked at by itself; ``ValueError`` for no text."""
    guest = with_escapes(guest)
    names = NamedInText(guest)
    own, unsure = set[int](), 0
    with reading(file.path) as stream:
        for piece in lines_of(stream, unit):
            text = unit.text_of(piece.raw)
            if unit.width == 1 and b"\x00" in piece.raw:
                raise ValueError("it is no text")
            is_short = len(piece.raw) <= MAX_LINE_BYTES
            is_suspect = is_short and is_in_broken(text, guest, columns=columns, column=column)
            if names(text) or (is_suspect and column):
                own.add(piece.line)
            elif is_suspect:
                unsure += 1
    if unsure:
        raise UnsearchableError(
            f"{unsure} of its lines hold the id in a column that no mapping calls the guest's"
        )
    starts = np.array(sorted(own), dtype=np.int64)
    return GuestRecords(file=file, unit=unit, starts=starts, ends=starts + 1)
