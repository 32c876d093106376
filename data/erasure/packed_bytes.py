"""A text file as its own bytes, line by line: unpacked, but not decoded.

To leave a record out and copy the rest byte by byte, a file must not go through a decoder:
what the encoding does not know would come back as something else. So lines are cut at the
line ends of the encoding as they stand in the bytes, in UTF-16 at ``0A 00`` on an even offset.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

import pyarrow as pa

__all__ = ["LineUnit", "Packing", "lines_of", "packing_of", "unit_of"]

_HEAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
_BOMS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le", 4),
    (codecs.BOM_UTF32_BE, "utf-32-be", 4),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)


@dataclass(frozen=True)
class Packing:
    """How a file is packed: ``plain``, ``gzip``, ``bz2`` or ``zstd``, by its first bytes."""

    kind: str

    @contextmanager
    def reading(self, path: Path) -> Iterator[BinaryIO]:
        """The unpacked bytes; can be peeked into (``io.BufferedReader``)."""
        with path.open("rb") as raw:
            stream: IO[bytes] = raw
            if self.kind == "gzip":
                stream = cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
            elif self.kind == "bz2":
                stream = cast("IO[bytes]", bz2.BZ2File(raw))
            elif self.kind == "zstd":
                stream = cast("IO[bytes]", pa.CompressedInputStream(pa.PythonFile(raw), "zstd"))
            yield cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", stream), _HEAD_BYTES))

    @contextmanager
    def writing(self, path: Path) -> Iterator[BinaryIO]:
        """A stream that packs in the same way; the same bytes give the same file."""
        with path.open("wb") as raw:
            if self.kind == "plain":
                yield raw
                return
            if self.kind == "gzip":
                # no time and no name in its head, or two erasures would give two files
                with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                    yield cast("BinaryIO", packed)
            elif self.kind == "bz2":
                with bz2.BZ2File(raw, "wb") as packed_bz2:
                    yield cast("BinaryIO", packed_bz2)
            else:
                with pa.CompressedOutputStream(pa.PythonFile(raw), "zstd") as packed_zstd:
                    yield cast("BinaryIO", packed_zstd)


def packing_of(path: Path) -> Packing:
    """How the file is packed."""
    with path.open("rb") as file:
        head = file.read(4)
    for magic, kind in ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"(\xb5/\xfd", "zstd")):
        if head.startswith(magic):
            return Packing(kind)
    return Packing("plain")


@dataclass(frozen=True)
class LineUnit:
    """What ends a line: its bytes, and the width of a character's unit in the encoding."""

    end: bytes
    width: int
    encoding: str

    def text_of(self, raw: bytes) -> str:
        """A line as text; bytes that the encoding does not know as escapes."""
        errors = "backslashreplace" if self.width == 1 else "replace"
        return raw.decode(self.encoding, errors=errors)


def unit_of(stream: BinaryIO) -> LineUnit:
    """What ends the lines of this text, by its byte order mark and its first lines."""
    head = cast("io.BufferedReader", stream).peek(_HEAD_BYTES)
    for mark, encoding, width in _BOMS:
        if head.startswith(mark):
            end = "\n" if "\n" in head[:_HEAD_BYTES].decode(encoding, errors="replace") else "\r"
            return LineUnit(end.encode(encoding), width, encoding)
    is_old_mac = b"\n" not in head and b"\r" in head
    return LineUnit(b"\r" if is_old_mac else b"\n", 1, "utf-8")


def lines_of(stream: BinaryIO, unit: LineUnit) -> Iterator[bytes]:
    r"""The lines with their ends, as they stand.

    >>> text = "a\nĊ\n".encode("utf-16")  # Ċ is 0A 01: no line end
    >>> stream = io.BufferedReader(io.BytesIO(text))
    >>> [len(line) for line in lines_of(stream, unit_of(stream))]
    [6, 4]
    """
    if unit.end == b"\n":
        yield from stream
        return
    rest = b""
    while block := stream.read(_BLOCK_BYTES):
        *whole, rest = _cut(rest + block, unit)
        yield from whole
    if rest:
        yield rest


def _cut(data: bytes, unit: LineUnit) -> list[bytes]:
    """The whole lines of ``data``, and what is left after the last of them."""
    pieces, start, at = [], 0, data.find(unit.end)
    while at >= 0:
        if at % unit.width:  # the second byte of one character and the first of the next
            at = data.find(unit.end, at + 1)
            continue
        after = at + len(unit.end)
        pieces.append(data[start:after])
        start, at = after, data.find(unit.end, after)
    return [*pieces, data[start:]]
