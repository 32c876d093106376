"""What the logs of a home are read with: which mapping, which encoding, by which way.

The lake remembers of each file what it was read with (``data.ingest.known_files``); that comes
first. Other files are read with the first mapping that knows their column of guests.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Mapping as Dict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from data.errors import LogError
from data.ingest.known_files import KnownFile
from data.readers.files import SourceFile, identify
from data.readers.open_log import Log, open_log, respelled
from data.readers.partitions import partition_of
from data.sources.column_rules import Rule
from data.sources.explode_rules import ExplodedColumn
from data.sources.mapping import Mapping

__all__ = ["LogReading", "OpenedLog", "Readings"]

T = TypeVar("T")

_TEXTS: tuple[Literal["text", "json_lines"], ...] = ("text", "json_lines")


@dataclass(frozen=True, kw_only=True)
class LogReading:
    """A mapping, and the encoding of text that is neither UTF-8 nor carries a mark."""

    mapping: Mapping
    encoding: str | None = None


@dataclass(frozen=True, kw_only=True)
class OpenedLog:
    """A log whose column of guests is known, or of which at least the columns are.

    Attributes:
        log: open, its columns named as the mapping has them.
        encoding: of its text.
        reading: ``None`` where no mapping knows its column of guests.
        rule: the rule that gives the guest.
        exploded: the list that holds guests, where ``rule`` reads the elements of one.
    """

    log: Log
    encoding: str | None = None
    reading: LogReading | None = None
    rule: Rule | None = None
    exploded: ExplodedColumn | None = None


class Readings:
    """The readings of a home's logs, the likeliest first: those that were named, then the known.

    ``known`` are the files of the lake (``data.ingest.known_files``).
    """

    def __init__(
        self, mappings: Collection[Mapping], known: Dict[str, KnownFile] | None = None
    ) -> None:
        self._of_known: dict[str, LogReading] = {}
        by_text: dict[str, LogReading | None] = {}
        for source_id, file in (known or {}).items():
            # thousands of files are read with a few mappings
            text = json.dumps(file.read_as, sort_keys=True)
            if text not in by_text:
                by_text[text] = _remembered(file)
            if (reading := by_text[text]) is not None:
                self._of_known[source_id] = reading
        self._is_lake_known = bool(by_text) and None not in by_text.values()
        named = [LogReading(mapping=mapping) for mapping in mappings]
        self._all = _distinct([*named, *filter(None, by_text.values())])

    @property
    def mappings(self) -> tuple[Mapping, ...]:
        """All mappings, those of known files among them."""
        return tuple(_distinct(reading.mapping for reading in self._all))

    @property
    def of_lake(self) -> tuple[Mapping, ...]:
        """The mappings that made the rows of the lake; all, where it does not remember them.

        Another mapping may call a guest's what is a listing or somebody who works there in these.
        """
        if not self._is_lake_known:
            return self.mappings
        return tuple(_distinct(reading.mapping for reading in self._of_known.values()))

    def opened(self, path: Path, first: LogReading | None = None) -> OpenedLog:
        """The file, opened with what it was read with, or what knows its column of guests.

        ``first`` is tried before all. Raises :class:`LogError` where it is no log in any way.
        """
        base = identify(path)
        columns: dict[tuple[object, ...], Log | LogError] = {}
        unknown: OpenedLog | None = None
        for reading in self._ordered(base, first):
            file = replace(base, partition=partition_of(path, reading.mapping.needs))
            key = (file.partition, reading.encoding)
            if key not in columns:
                columns[key] = _open(file, reading.encoding)
            log = columns[key]
            if isinstance(log, LogError):
                continue
            found = _with_rule(respelled(log, reading.mapping.needs), reading)
            if found.rule is not None:
                return found
            unknown = unknown or replace(found, reading=None)
        if unknown is not None:
            return unknown
        opened = columns.get(((), None)) or _open(base, None)
        if isinstance(opened, LogError):
            raise opened
        return OpenedLog(log=opened)

    def encoding_of(self, path: Path) -> str | None:
        """The encoding that the lake remembers of the file."""
        file = identify(path)
        return next((r.encoding for r in self._ordered(file, None)), None)

    def _ordered(self, base: SourceFile, first: LogReading | None) -> Iterator[LogReading]:
        own = [] if first is None else [first]
        for reading in self._all:
            file = replace(base, partition=partition_of(base.path, reading.mapping.needs))
            if self._of_known.get(file.source_id) == reading:
                own.append(reading)
        yield from _distinct([*own, *self._all])


def _remembered(file: KnownFile) -> LogReading | None:
    mapping = file.mapping
    return None if mapping is None else LogReading(mapping=mapping, encoding=file.encoding)


def _distinct(items: Iterable[T]) -> list[T]:
    found: list[T] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _open(file: SourceFile, encoding: str | None) -> Log | LogError:
    """The log, or why it is none; a text as columns or as lines of JSON, whatever its name."""
    try:
        return _checked(open_log(file, encoding=encoding))
    except LogError as error:
        if file.kind == "parquet":
            return error
        other = next(kind for kind in _TEXTS if kind != file.kind)
        try:
            return _checked(open_log(replace(file, kind=other), encoding=encoding))
        except LogError:
            return error


def _checked(log: Log) -> Log:
    # an array of objects on one line would pass for a header
    if log.file.kind == "text" and log.columns[0].lstrip()[:1] in ("[", "{"):
        raise LogError(log.file.name, "not a log of columns: this is JSON")
    return log


def _with_rule(log: Log, reading: LogReading) -> OpenedLog:
    """The log with the rule that gives its guest, where its columns support it."""
    mapping = reading.mapping
    rule = mapping.columns.get("id_user")
    opened = OpenedLog(log=log, encoding=reading.encoding, reading=reading)
    if rule is None or not rule.needs:
        return opened
    lists = {
        name: spec
        for key, spec in mapping.explode.items()
        for name in (key, *spec.names)
        if spec.column in log.columns
    }
    in_lists = [lists[name] for name in rule.needs if name in lists]
    if in_lists:
        return replace(opened, rule=rule, exploded=in_lists[0])
    return replace(opened, rule=rule) if set(rule.needs) <= set(log.columns) else opened
