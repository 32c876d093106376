"""The files that paths name: files, folders with all their sub-folders, globs.

What a folder holds beside logs is left aside and named, so that no half of a log goes missing
in silence. Passed over without a word: hidden files, and the marks that Spark and Hadoop
leave (``_SUCCESS``, ``.part-0.crc``).
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.errors import LogError
from data.readers.unpack import holds_nothing

__all__ = ["PACKED", "FoundFiles", "find_files", "is_mark"]

PACKED = (".gz", ".zst", ".bz2", ".xz", ".lz4")
PLAIN = (".csv", ".tsv", ".psv", ".txt", ".parquet", ".pq", ".jsonl", ".ndjson")
# part-00000, 000000_0 or 000000_0.gz: written by Spark, Hadoop or Hive, which give no suffix
_PART = re.compile(r"part-\S+|\d{6}_\d+")
_PROSE = re.compile(r"(readme|licen[cs]e|changelog|notes?|terms)\b.*", re.IGNORECASE)
_ARCHIVES = (".tar", ".tgz", ".zip", ".7z", ".rar")


@dataclass(kw_only=True)
class FoundFiles:
    """What some paths name.

    Attributes:
        files: the logs, sorted within a folder or glob, each file once.
        left_aside: in a folder beside them: no logs by their names.
        empty: parts that Spark wrote without a byte, beside parts with rows.
    """

    files: list[Path] = field(default_factory=list)
    left_aside: list[Path] = field(default_factory=list)
    empty: list[Path] = field(default_factory=list)


def find_files(paths: Sequence[str | Path]) -> FoundFiles:
    """The files that these paths name.

    Raises :class:`LogError` when a path names nothing that can be read as a log.
    """
    if not paths:
        raise LogError("no log", "name at least one file, folder or glob")
    found = FoundFiles()
    files: dict[Path, Path] = {}  # by resolved path: a file named twice is read once
    for pattern in paths:
        for path in _expand(Path(pattern), found):
            files.setdefault(path.resolve(), path)
    found.files = list(files.values())
    _take_out_empty_parts(found)
    return found


def _expand(path: Path, found: FoundFiles) -> list[Path]:
    if path.is_file():
        return [path]
    if path.is_dir():
        return _in_folder(path, found)
    if path.exists():
        raise LogError(path, "is not a regular file; a log must be a file, a folder or a glob")
    files: list[Path] = []
    for match in sorted(Path(p) for p in glob.glob(str(path), recursive=True)):  # noqa: PTH207  absolute patterns too
        if match.is_dir():
            files += _in_folder(match, found, may_be_empty=True)
        elif match.is_file() and not (match.name.startswith("_") and not _is_log(match)):
            files.append(match)
    if not files:
        raise LogError(path, "there is no such file, folder or matching name; check the path")
    return files


def _in_folder(folder: Path, found: FoundFiles, *, may_be_empty: bool = False) -> list[Path]:
    files: list[Path] = []
    others: list[Path] = []
    try:
        for path in _walk(folder, set()):
            (files if not path.is_dir() and _is_log(path) else others).append(path)
    except OSError as error:
        raise LogError(error.filename or folder, f"cannot be read: {error.strerror}") from error
    found.left_aside += others
    if not files and not may_be_empty:
        beside = f". It holds {', '.join(p.name for p in others[:5])}" if others else ""
        raise LogError(
            folder,
            f"the folder holds no log ({', '.join(PLAIN)}, each also with {', '.join(PACKED)})"
            f"{beside}",
        )
    return files


def _walk(folder: Path, above: set[Path]) -> Iterator[Path]:
    """Files below ``folder``, and folders that are not entered, sorted by name.

    Links to folders are followed; one that leads back to a folder above it ends there.
    """
    _refuse_table(folder)
    here = folder.resolve()
    for path in sorted(folder.iterdir()):
        is_partition = "=" in path.name
        if path.name.startswith(".") and not is_partition:
            continue
        if path.is_dir():
            if path.resolve() in above | {here} or path.name == "__MACOSX":
                continue
            if path.name.startswith("_") and not is_partition:
                yield path  # such as Spark's _temporary: a write that has not ended
            else:
                yield from _walk(path, above | {here})
        elif path.is_file() and not is_mark(path):
            yield path


def is_mark(path: Path) -> bool:
    """Whether a file only says something of a log beside it: ``_SUCCESS``, ``.a.csv.crc``."""
    return (path.name.startswith("_") or path.name.endswith(".crc")) and not _is_log(path)


def _refuse_table(folder: Path) -> None:
    """A table's folder holds deleted and replaced rows too: only its log tells which are valid."""
    is_delta = (folder / "_delta_log").is_dir()
    is_iceberg = any((folder / "metadata").glob("*.metadata.json"))
    if is_delta or is_iceberg or (folder / ".hoodie").is_dir():
        kind = "a Delta" if is_delta else "an Iceberg" if is_iceberg else "a Hudi"
        raise LogError(
            folder,
            f"is the folder of {kind} table, whose files also hold rows that were deleted or "
            "replaced; write its current rows to Parquet files and name these",
        )


def _is_log(path: Path) -> bool:
    name = path.name.lower()
    inner = name.removesuffix(next((s for s in PACKED if name.endswith(s)), ""))
    is_packed = inner != name
    if inner.endswith(_ARCHIVES) or (inner.endswith(".txt") and _PROSE.fullmatch(inner)):
        return False
    # .json beside logs is as often a schema or a manifest; Spark's parts are lines of JSON
    if inner.endswith(".json"):
        return inner.startswith("part-")
    return is_packed or inner.endswith(PLAIN) or _is_bare_part(inner)


def _is_bare_part(name: str) -> bool:
    return "." not in name and _PART.fullmatch(name) is not None


def _take_out_empty_parts(found: FoundFiles) -> None:
    """Spark writes a part without a byte for a partition without rows.

    Such a part counts only beside others of its folder that have rows: alone it is an empty
    file, which is refused.
    """
    empty = {path for path in found.files if path.name.startswith("part-") and _is_empty(path)}
    full = {path.parent for path in found.files if path not in empty}
    found.empty = [path for path in found.files if path in empty and path.parent in full]
    found.files = [path for path in found.files if path not in found.empty]


def _is_empty(path: Path) -> bool:
    try:
        return holds_nothing(path)
    except OSError:
        return False  # reading it will say why
