"""Input files: identified by their first bytes, hashed, and opened as UTF-8."""

from __future__ import annotations

import codecs
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from data.errors import LogError
from data.paths import printable
from data.readers.partitions import Partition
from data.readers.unpack import DamagedArchiveError, packing_of, unpacked

__all__ = ["OpenText", "SourceFile", "identify", "open_text"]

_HASH_CHUNK = 1 << 20
_HEAD = 512
_Buffered: TypeAlias = "io.BufferedReader[Any]"
_JSON_LINES = (".jsonl", ".ndjson", ".json")
_PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4")
_BOMS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FOREIGN = {
    b"PK\x03\x04": "a zip archive (or a spreadsheet); unpack it, or save it as CSV",
    b"%PDF": "a PDF document",
    b"7z\xbc\xaf'\x1c": "a 7z archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
    b"\x1f\x9d": "a compress archive (.Z); unpack it",
    b"\x89PNG": "a picture",
    b"SQLite": "a database",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet or document; save it as CSV",
    b"Obj\x01": "an Avro file; save it as Parquet or CSV",
    b"ARROW1\x00\x00": "an Arrow (Feather) file; save it as Parquet or CSV",
}
_TAR_AT = 257  # where a tar archive says that it is one


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One input file.

    Attributes:
        path: where it is.
        name: as it was given, for messages, the report and the quarantine.
        sha256: of its bytes as stored; the first 16 digits are its ``source_id``.
        kind: ``parquet`` by its content, whatever its name; ``json_lines`` by its name
            (``.jsonl``, ``.ndjson``, ``.json``, packed or not); ``text`` else.
        stamp: size and time of change, to notice a file that grows while it is read.
        partition: columns that the names of its folders give (``data.readers.partitions``).
    """

    path: Path
    name: str
    sha256: str
    kind: Literal["text", "json_lines", "parquet"]
    stamp: tuple[int, int]
    partition: Partition = ()

    @property
    def source_id(self) -> str:
        """The same for the same rows under whatever name; what folders say belongs to the rows."""
        if not self.partition:
            return self.sha256[:16]
        rows = json.dumps([self.sha256, self.partition])
        return hashlib.sha256(rows.encode()).hexdigest()[:16]

    def check_unchanged(self) -> None:
        """Raise :class:`LogError` when the file is no longer the one that was hashed."""
        if _stamp(self.path) != self.stamp:
            raise LogError(
                self.name, "the file changed while it was read; ingest it when it is complete"
            )


def identify(path: Path, partition: Partition = ()) -> SourceFile:
    """Hash the file and detect its kind. Raises :class:`LogError` when it is not a log."""
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            head = file.read(_HEAD)
            digest = hashlib.sha256(head)
            while chunk := file.read(_HASH_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise LogError(path, f"cannot be read: {error.strerror or error}") from error
    if not head:
        raise LogError(path, "the file is empty; a log has at least a header line")
    _refuse_foreign(path, head)
    return SourceFile(
        path=path,
        name=printable(path),
        sha256=digest.hexdigest(),
        kind=_kind_of(path, head),
        stamp=stamp,
        partition=partition,
    )


def _kind_of(path: Path, head: bytes) -> Literal["text", "json_lines", "parquet"]:
    if head.startswith(b"PAR1"):
        return "parquet"
    name = path.name.lower()
    for suffix in _PACKED:
        name = name.removesuffix(suffix)
    return "json_lines" if name.endswith(_JSON_LINES) else "text"


def _refuse_foreign(path: Path | str, head: bytes) -> None:
    meaning = next((m for magic, m in _FOREIGN.items() if head.startswith(magic)), None)
    if head[_TAR_AT:].startswith(b"ustar"):
        meaning = "a tar archive; unpack it"
    if meaning is not None:
        raise LogError(path, f"not a log: this is {meaning}")


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@dataclass(frozen=True, kw_only=True)
class OpenText:
    """An open text.

    Attributes:
        stream: its UTF-8 bytes.
        is_transcoded: it was in another encoding; U+FFFD stands for bytes that this
            encoding does not know.
        position: how many bytes of the file have been read, for progress.
    """

    stream: BinaryIO
    is_transcoded: bool
    position: Callable[[], int]


@contextmanager
def open_text(file: SourceFile, encoding: str | None) -> Iterator[OpenText]:
    """The file's text as a stream of UTF-8 bytes without BOM, unpacked where it is packed.

    Raises :class:`LogError` when the encoding is unknown, when the archive holds no text, or
    when it is truncated or corrupt (which may show only later, while the stream is read).
    """
    packing = None
    try:
        with file.path.open("rb") as raw:
            packing = packing_of(raw.read(8))
            raw.seek(0)
            with unpacked(raw, packing) as stream:
                if packing is not None:
                    _refuse_packed(file, stream.peek(_HEAD))
                text, is_transcoded = _decoded(file, stream, encoding)
                yield OpenText(stream=text, is_transcoded=is_transcoded, position=raw.tell)
    except DamagedArchiveError as error:
        raise LogError(
            file.name, f"the {packing} archive is truncated or corrupt ({error}); copy it again"
        ) from error
    except OSError as error:
        raise LogError(file.name, f"cannot be read: {error.strerror or error}") from error


def _refuse_packed(file: SourceFile, head: bytes) -> None:
    _refuse_foreign(file.name, head)
    if head.startswith(b"PAR1"):
        raise LogError(
            file.name, "a Parquet file inside an archive; unpack it (Parquet is packed already)"
        )
    if packing_of(head) is not None:
        raise LogError(file.name, "an archive inside an archive; unpack it once")


def _decoded(file: SourceFile, stream: _Buffered, encoding: str | None) -> tuple[BinaryIO, bool]:
    head = stream.peek(4)[:4]
    for bom, name in _BOMS:
        if head.startswith(bom):
            if name == "utf-8":
                stream.read(len(bom))
                return stream, False
            return _Transcoded(stream, name), True  # type: ignore[return-value]
    if encoding is None:
        return stream, False
    try:
        name = codecs.lookup(encoding).name
    except LookupError as error:
        raise LogError(
            file.name, f"the encoding {encoding!r} is unknown; try utf-8, latin-1 or cp1252"
        ) from error
    return (stream, False) if name == "utf-8" else (_Transcoded(stream, name), True)  # type: ignore[return-value]


class _Transcoded:
    """Reads text of another encoding as UTF-8; bytes it does not know become U+FFFD.

    The decoder keeps a character that is cut by the end of a read until the next one.
    """

    def __init__(self, stream: _Buffered, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="replace")

    def read(self, size: int) -> bytes:
        """About ``size`` bytes; empty only at the end."""
        # a read may complete no character at all: the caller would take b"" for the end
        while chunk := self._stream.read(size):
            if text := self._decoder.decode(chunk):
                return text.encode("utf-8", errors="replace")
        text = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return text.encode("utf-8", errors="replace")
