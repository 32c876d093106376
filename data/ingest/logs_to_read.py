"""Which files an ingest reads: found, told apart by content, and opened where they are new."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.ingest.known_files import (
    KnownFile,
    check_same_origin,
    check_same_reading,
    is_other_reading,
    known_files,
    reading_of,
)
from data.lake.store import Lake
from data.readers.files import SourceFile, identify
from data.readers.folders import FoundFiles, find_files
from data.readers.open_log import Log, open_log
from data.readers.partitions import partition_of
from data.sources.mapping import Mapping

__all__ = ["Asked", "LogsToRead", "logs_to_read"]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What an ingest is asked for, beside its files.

    Attributes:
        mapping: of all files; ``source`` is its name or path, as it was given.
        encoding: of text that is neither UTF-8 nor carries a BOM.
        redo: files that the lake holds are read again.
    """

    mapping: Mapping
    source: str | Path
    encoding: str | None = None
    redo: bool = False

    def reading_of(self, file: SourceFile) -> str:
        """What the file is read with, as the lake remembers it (``data.ingest.known_files``)."""
        return reading_of(self.mapping, self.encoding, file)

    def check_same_reading(self, log: Log, known: Dict[str, KnownFile], home: Path) -> None:
        """Raise ``DataError`` where the lake holds the file as another mapping reads it."""
        before, reading = known[log.file.source_id], self.reading_of(log.file)
        check_same_reading(log, before, reading, source=str(self.source), home=home)


@dataclass(frozen=True, kw_only=True)
class LogsToRead:
    """The files that were named, each content once, and of those the ones to be read.

    ``findings``: sentences on what a folder holds beside them.
    """

    files: tuple[SourceFile, ...]
    logs: tuple[Log, ...]
    findings: tuple[str, ...]


def logs_to_read(paths: Sequence[str | Path], asked: Asked, lake: Lake) -> LogsToRead:
    """Find and open them; reads headers and schemas, no row.

    Raises :class:`data.errors.DataError` where one is no log of the mapping, or where the lake
    holds it already and this mapping would make other rows of it.
    """
    found = find_files(paths)
    files, repeated = _unique_files(found, asked.mapping)
    logs = _to_read(files, asked, lake)
    for log in logs:
        # a file that is no log of this source is refused before the first is read
        asked.mapping.rules_for(log.columns, log.file.name, log.nested)
    findings = (*_left_aside(found), *repeated)
    return LogsToRead(files=tuple(files), logs=tuple(logs), findings=findings)


def _to_read(files: list[SourceFile], asked: Asked, lake: Lake) -> list[Log]:
    known = known_files(lake)
    logs = []
    for file in files:
        if file.source_id in known:
            check_same_origin(str(lake.home), file, known[file.source_id], asked.mapping)
        if file.source_id not in known or asked.redo:
            logs.append(_open(file, asked))
        elif is_other_reading(known[file.source_id], asked.reading_of(file)):
            asked.check_same_reading(_open(file, asked), known, lake.home)
    return logs


def _open(file: SourceFile, asked: Asked) -> Log:
    return open_log(file, encoding=asked.encoding, wanted=asked.mapping.needs)


def _unique_files(found: FoundFiles, mapping: Mapping) -> tuple[list[SourceFile], list[str]]:
    """The files, each content once, under the first of its names; a sentence on each other name."""
    files: dict[str, SourceFile] = {}
    repeated = []
    for path in found.files:
        file = identify(path, partition_of(path, mapping.needs))
        first = files.setdefault(file.source_id, file)
        if first is not file:
            repeated.append(f"{file.name}: the same content as {first.name}, read once")
    return list(files.values()), repeated


def _left_aside(found: FoundFiles) -> list[str]:
    sentences = []
    for what, paths in (
        ("left aside, no log by its name", found.left_aside),
        ("a part without a byte, as Spark writes for a partition without rows", found.empty),
    ):
        if paths:
            more = f" and {len(paths) - 10} more" if len(paths) > 10 else ""
            sentences.append(f"{what}: {', '.join(str(path) for path in paths[:10])}{more}")
    return sentences
