"""A text file as its own bytes, line by line: unpacked, but not decoded.

To leave a record out and copy the rest byte by byte, a file must not go through a decoder:
what the encoding does not know would come back as something else. So lines are cut at the
line ends of the encoding as they stand in the bytes, in UTF-16 at ``0A 00`` on an even offset.
A line may be as long as the file, so it comes in pieces.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from data.readers.long_lines import MAX_LINE_BYTES, read_up_to
from data.readers.unpack import Packing, packing_of, unpacked

__all__ = [
    "LineUnit",
    "Piece",
    "guessed_encoding",
    "lines_of",
    "pieces_of",
    "reading",
    "unit_of",
    "writing",
]

_HEAD_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 20
# Longer than any id: what stands across two pieces of a long line is found in the second.
_OVERLAP = 1 << 12
_BOMS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8", 1),
    (codecs.BOM_UTF32_LE, "utf-32-le", 4),
    (codecs.BOM_UTF32_BE, "utf-32-be", 4),
    (codecs.BOM_UTF16_LE, "utf-16-le", 2),
    (codecs.BOM_UTF16_BE, "utf-16-be", 2),
)
# Without a mark these names leave the order of bytes to the machine.
_ORDERED = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """The unpacked bytes. Raises ``DamagedArchiveError`` while they are read, where it is one."""
    with path.open("rb") as raw:
        packing = _packing(raw)
        with unpacked(raw, packing) as stream:
            yield cast("BinaryIO", stream)


@contextmanager
def writing(path: Path, *, like: Path) -> Iterator[BinaryIO]:
    """A stream that packs as ``like`` is packed; the same bytes give the same file."""
    with like.open("rb") as packed:
        packing = _packing(packed)
    with path.open("wb") as raw, _packer(raw, packing) as stream:
        yield stream


def _packing(raw: BinaryIO) -> Packing | None:
    packing = packing_of(raw.read(8))
    raw.seek(0)
    return packing


@contextmanager
def _packer(raw: BinaryIO, packing: Packing | None) -> Iterator[BinaryIO]:
    if packing is None:
        yield raw
    elif packing == "gzip":
        # no time and no name in its head, or two erasures would give two files
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as stream:
            yield cast("BinaryIO", stream)
    elif packing == "bzip2":
        with bz2.BZ2File(raw, "wb") as in_bzip2:
            yield cast("BinaryIO", in_bzip2)
    elif packing == "xz":
        with lzma.LZMAFile(raw, "wb") as in_xz:
            yield cast("BinaryIO", in_xz)
    else:
        with pa.CompressedOutputStream(pa.PythonFile(raw, mode="w"), packing) as by_arrow:
            yield cast("BinaryIO", by_arrow)


@dataclass(frozen=True, kw_only=True)
class LineUnit:
    """What ends the lines of a text.

    Attributes:
        end: its bytes.
        width: of a character's unit in the encoding, in bytes.
        encoding: with the order of bytes; ``utf-8`` where the text says nothing else.
        mark: the byte order mark at the beginning of the file; it belongs to no line.
    """

    end: bytes
    width: int
    encoding: str
    mark: bytes = b""

    def text_of(self, raw: bytes) -> str:
        """A line as text; bytes that the encoding does not know as escapes."""
        errors = "backslashreplace" if self.width == 1 else "replace"
        return raw.decode(self.encoding, errors=errors)


def unit_of(path: Path, encoding: str | None = None, *, is_json: bool = False) -> LineUnit:
    """What ends the lines of this text: by its mark or encoding, and its first lines.

    Lines of JSON end with a line feed; of other text a carriage return alone does where there is
    no line feed, as on old Macintoshes. Raises ``LookupError`` for an unknown encoding.
    """
    with reading(path) as stream:
        head = read_up_to(stream, _HEAD_BYTES)
    for mark, name, width in _BOMS:
        if head.startswith(mark):
            return _unit(name, width, head, mark, is_json=is_json)
    name = codecs.lookup(encoding or "utf-8").name
    name = _ORDERED.get(name, name)
    # an encoding of wider units: UTF-16, UTF-32
    return _unit(name, len("\n".encode(name)), head, b"", is_json=is_json)


def guessed_encoding(head: bytes) -> str | None:
    """UTF-16 without a mark, by the zeros in its letters of ASCII; else ``None``.

    >>> guessed_encoding("id,n".encode("utf-16-be")), guessed_encoding(b"id,n")
    ('utf-16-be', None)
    """
    for name, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if len(zeros) > 1 and zeros.count(0) * 2 > len(zeros) and head.count(0) <= len(zeros):
            return name
    return None


def _unit(name: str, width: int, head: bytes, mark: bytes, *, is_json: bool) -> LineUnit:
    text = head.decode(name, errors="replace")
    is_old_mac = not is_json and "\n" not in text and "\r" in text
    end = ("\r" if is_old_mac else "\n").encode(name)
    return LineUnit(end=end, width=width, encoding=name, mark=mark)


@dataclass(frozen=True)
class Piece:
    """A line, or a part of one.

    Attributes:
        line: number of its line, from 1.
        raw: its bytes, the line's end among them.
        is_whole: it is all of its line.
    """

    line: int
    raw: bytes
    is_whole: bool


def pieces_of(stream: BinaryIO, unit: LineUnit) -> Iterator[Piece]:
    """All bytes behind the mark as they stand, each line in one or more pieces."""
    read_up_to(stream, len(unit.mark))
    line, is_begun, rest = 1, False, b""
    while block := read_up_to(stream, _BLOCK_BYTES):
        data = rest + block
        whole = len(data) - len(data) % unit.width
        data, rest = data[:whole], data[whole:]
        for raw in _cut(data, unit):
            is_ended = raw.endswith(unit.end)
            yield Piece(line, raw, is_whole=is_ended and not is_begun)
            is_begun = not is_ended
            line += is_ended
    if rest:
        yield Piece(line, rest, is_whole=False)


def _cut(data: bytes, unit: LineUnit) -> Iterator[bytes]:
    r"""The whole lines of ``data``, and what is left after the last of them.

    >>> unit = LineUnit(end=b"\n\x00", width=2, encoding="utf-16-le")
    >>> [len(line) for line in _cut("a\nĊ\n".encode("utf-16-le"), unit)]  # Ċ is 0A 01: no line end
    [4, 4]
    """
    start, at = 0, data.find(unit.end)
    while at >= 0:
        if at % unit.width:  # the second byte of one character and the first of the next
            at = data.find(unit.end, at + 1)
            continue
        after = at + len(unit.end)
        yield data[start:after]
        start, at = after, data.find(unit.end, after)
    if start < len(data):
        yield data[start:]


def lines_of(stream: BinaryIO, unit: LineUnit) -> Iterator[Piece]:
    """The lines; of one beyond ``MAX_LINE_BYTES`` overlapping pieces, to be searched."""
    line, raw, is_whole = 1, b"", True
    for piece in pieces_of(stream, unit):
        if piece.line != line:
            if raw:
                yield Piece(line, raw, is_whole=is_whole)
            line, raw, is_whole = piece.line, b"", True
        raw += piece.raw
        if len(raw) > MAX_LINE_BYTES:
            yield Piece(line, raw, is_whole=False)
            raw, is_whole = raw[-_OVERLAP:], False
    if raw:
        yield Piece(line, raw, is_whole=is_whole)
