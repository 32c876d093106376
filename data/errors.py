"""The errors that data can cause, each with one plain message for people.

A message names the file, the line or column, what is wrong and what to do. The command
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
    "UnfitLogError",
]


class DataError(Exception):
    """The data cannot be used as it is; the message says why and what to do."""


class LogError(DataError):
    """A file cannot be read as a search log. Names it, and the line or column where known."""

    def __init__(self, path: Path | str, problem: str, *, line: int | None = None) -> None:
        where = f"{path}, line {line}" if line is not None else str(path)
        super().__init__(f"{where}: {problem}")


class MappingError(DataError):
    """A column mapping (TOML) cannot be used. Names the mapping and the key."""


class HomeError(DataError):
    """The home folder cannot be used: rows of another source, not writable, a damaged table."""


class UnfitLogError(HomeError):
    """A sound log that does not belong in this home; the home itself is well.

    Its rows are of another origin, or one of its columns is of another type than the home's.
    """


class LakeBusyError(DataError):
    """Another process is writing to the lake and did not finish in time."""
