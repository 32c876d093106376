"""Input files: found, identified by their first bytes, hashed, and opened as UTF-8."""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

from data.errors import LogError
from data.paths import printable

__all__ = ["OpenText", "SourceFile", "find_files", "identify", "open_text"]

_HASH_CHUNK = 1 << 20
_Buffered: TypeAlias = "io.BufferedReader[Any]"
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet", ".pq", ".gz")
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
    b"\xfd7zXZ": "an xz archive; unpack it",
    b"BZh": "a bzip2 archive; unpack it",
    b"(\xb5/\xfd": "a zstd archive; unpack it",
    b"\x89PNG": "a picture",
    b"SQLite": "a database",
}


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One input file.

    Attributes:
        path: where it is.
        name: as it was given, for messages, the report and the quarantine.
        sha256: of its bytes as stored; the first 16 digits are its ``source_id``.
        kind: ``text`` or ``parquet``, by its content, not by its name.
        stamp: size and time of change, to notice a file that grows while it is read.
    """

    path: Path
    name: str
    sha256: str
    kind: Literal["text", "parquet"]
    stamp: tuple[int, int]

    @property
    def source_id(self) -> str:
        return self.sha256[:16]

    def check_unchanged(self) -> None:
        """Raise :class:`LogError` when the file is no longer the one that was hashed."""
        if _stamp(self.path) != self.stamp:
            raise LogError(
                self.name, "the file changed while it was read; ingest it when it is complete"
            )


def find_files(paths: Sequence[str | Path]) -> list[Path]:
    """The files that these paths name: files, folders (searched one level), or globs.

    Sorted within a folder or glob, each file once. Raises :class:`LogError` when a path
    names nothing that can be read as a log.
    """
    if not paths:
        raise LogError("no log", "name at least one file, folder or glob")
    files: dict[Path, Path] = {}  # by resolved path: a file named twice is read once
    for pattern in paths:
        for path in _expand(Path(pattern)):
            files.setdefault(path.resolve(), path)
    return list(files.values())


def _expand(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        inside = sorted(p for p in path.iterdir() if p.is_file() and _looks_like_log(p))
        if not inside:
            raise LogError(path, f"the folder holds no log ({', '.join(_SUFFIXES[:7])})")
        return inside
    if path.exists():
        raise LogError(path, "is not a regular file; a log must be a file, a folder or a glob")
    matches = sorted(Path(p) for p in glob.glob(str(path)))  # noqa: PTH207  absolute patterns too
    files = [p for p in matches if p.is_file()]
    if not files:
        raise LogError(path, "there is no such file, folder or matching name; check the path")
    return files


def _looks_like_log(path: Path) -> bool:
    return not path.name.startswith(".") and path.name.lower().endswith(_SUFFIXES)


def identify(path: Path) -> SourceFile:
    """Hash the file and detect its kind. Raises :class:`LogError` when it is not a log."""
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            head = file.read(8)
            digest = hashlib.sha256(head)
            while chunk := file.read(_HASH_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise LogError(path, f"cannot be read: {error.strerror or error}") from error
    if not head:
        raise LogError(path, "the file is empty; a log has at least a header line")
    for magic, meaning in _FOREIGN.items():
        if head.startswith(magic):
            raise LogError(path, f"not a log: this is {meaning}")
    kind: Literal["text", "parquet"] = "parquet" if head.startswith(b"PAR1") else "text"
    return SourceFile(
        path=path, name=printable(path), sha256=digest.hexdigest(), kind=kind, stamp=stamp
    )


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
    """The file's text as a stream of UTF-8 bytes without BOM, unpacked when gzipped.

    Raises :class:`LogError` when the encoding is unknown, or the archive is truncated or
    corrupt (which may show only later, while the stream is read).
    """
    try:
        with file.path.open("rb") as raw:
            is_gzip = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream: BinaryIO = gzip.GzipFile(fileobj=raw) if is_gzip else raw  # type: ignore[assignment]
            with io.BufferedReader(stream, 1 << 20) as buffered:  # type: ignore[type-var]
                text, is_transcoded = _decoded(file, buffered, encoding)
                yield OpenText(stream=text, is_transcoded=is_transcoded, position=raw.tell)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LogError(
            file.name, f"the gzip archive is truncated or corrupt ({error}); copy it again"
        ) from error
    except OSError as error:
        raise LogError(file.name, f"cannot be read: {error.strerror or error}") from error


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
