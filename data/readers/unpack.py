"""Packed files, recognised by their first bytes and unpacked as a stream.

An archive is read to its end mark: one that is cut off, damaged, or followed by bytes of no
archive raises :class:`DamagedArchiveError`. Python's own ``BZ2File`` and ``LZMAFile`` pass such a
tail over, and with it a second archive that was appended and damaged: its rows would be lost
without a word.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import pyarrow as pa

__all__ = ["DamagedArchiveError", "Packing", "holds_nothing", "packing_of", "unpacked"]

Packing: TypeAlias = Literal["gzip", "bzip2", "xz", "zstd", "lz4"]
_MAGIC: dict[bytes, Packing] = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"(\xb5/\xfd": "zstd",
    b"\x04\x22M\x18": "lz4",
}
_CHUNK = 1 << 18
# what a decoder may hold: a header of a few bytes can ask for gigabytes
_XZ_MEMORY = 256 << 20
# an archive without content is smaller
_EMPTY_BYTES = 256


class DamagedArchiveError(Exception):
    """The archive is cut off or damaged; the message says where it was noticed."""


def packing_of(head: bytes) -> Packing | None:
    """How a file that begins with these bytes is packed; ``None`` for one that is not.

    >>> packing_of(bz2.compress(b"a,b")), packing_of(b"a,b")
    ('bzip2', None)
    """
    for magic, packing in _MAGIC.items():
        if head.startswith(magic):
            return packing
    # zstd's own tools may begin a file with a frame that is skipped
    is_skippable = len(head) >= 4 and head[1:4] == b"*M\x18" and 0x50 <= head[0] <= 0x5F
    return "zstd" if is_skippable else None


def unpacked(raw: BinaryIO, packing: Packing | None) -> io.BufferedReader[Any]:
    """The unpacked bytes; ``raw`` stands at its beginning.

    Reading raises :class:`DamagedArchiveError` where the archive is cut off or damaged.
    """
    if packing is None:
        return io.BufferedReader(raw, 1 << 20)
    openers: dict[Packing, Callable[[], Callable[[int], bytes]]] = {
        "gzip": lambda: gzip.GzipFile(fileobj=raw).read1,
        "bzip2": lambda: _Members(raw, bz2.BZ2Decompressor).read,
        "xz": lambda: (
            _Members(raw, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), padding=b"\x00").read
        ),
        "zstd": lambda: _arrow_stream(raw, "zstd").read,
        "lz4": lambda: _arrow_stream(raw, "lz4").read,
    }
    return io.BufferedReader(_Unpacked(openers[packing]()), 1 << 20)


def holds_nothing(path: Path) -> bool:
    """Whether the file has no byte of content, packed or not."""
    size = path.stat().st_size
    if size == 0 or size > _EMPTY_BYTES:
        return size == 0
    with path.open("rb") as raw:
        packing = packing_of(raw.read(8))
        raw.seek(0)
        try:
            return packing is not None and not unpacked(raw, packing).read(1)
        except DamagedArchiveError:
            return False


def _arrow_stream(raw: BinaryIO, packing: Packing) -> pa.CompressedInputStream:
    return pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), packing)


class _Unpacked(io.RawIOBase):
    """What ``read`` gives, as a raw stream whose errors of any decoder are one error."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        super().__init__()
        self._read = read

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._read(len(buffer))
        except (EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
            raise DamagedArchiveError(str(error)) from error
        except OSError as error:
            # a decoder's complaint has no number; the disk's has one
            if error.errno is None:
                raise DamagedArchiveError(str(error)) from error
            raise
        buffer[: len(data)] = data
        return len(data)


class _Members:
    """One or several archives in one file, read one after the other."""

    def __init__(self, raw: BinaryIO, new: Callable[[], Any], *, padding: bytes = b"") -> None:
        self._raw, self._new, self._padding = raw, new, padding
        self._decoder: Any = None
        self._packed = b""

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; empty only at the end."""
        while True:
            if self._decoder is None and not self._next_member():
                return b""
            if self._decoder.needs_input and not self._packed:
                self._packed = self._raw.read(_CHUNK)
                if not self._packed:
                    raise EOFError("it ends before its end mark")
            data = self._decoder.decompress(self._packed, size)
            self._packed = b""
            if self._decoder.eof:
                self._packed, self._decoder = self._decoder.unused_data, None
            if data:
                return bytes(data)

    def _next_member(self) -> bool:
        self._packed = self._packed.lstrip(self._padding) if self._padding else self._packed
        while not self._packed:
            self._packed = self._raw.read(_CHUNK)
            if not self._packed:
                return False
            self._packed = self._packed.lstrip(self._padding) if self._padding else self._packed
        self._decoder = self._new()
        return True
