"""The errors that data can cause, each with one plain message for people.

A message names the file, the line or column, what was found and what to do. The command
line prints it and ends with exit code 1; nothing has been written when one is raised.
"""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "DataError",
    "HomeError",
    "LakeBusyError",
    "LogError",
    "MappingError",
]


class DataError(Exception):
    """Something about the data stops the work; the message says what and what to do."""


class LogError(DataError):
    """A log cannot be read as one. Names the file, and the line or column where known."""

    def __init__(self, path: Path | str, found: str, *, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{where}: {found}")


class MappingError(DataError):
    """A column mapping (TOML) cannot be used. Names the mapping and the key."""


class HomeError(DataError):
    """The home folder cannot take this: another origin, not writable, a damaged table."""


class LakeBusyError(DataError):
    """Another process is writing to the lake and did not finish in time."""
