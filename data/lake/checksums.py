"""SHA-256 of the tables' files: damage on the disk is found before a model trains on it.

Delta never changes a file once it is written. So the first time a file is seen its
SHA-256 is recorded in ``home/checksums/<table>.json``; a later difference is damage.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from deltalake.exceptions import DeltaError

from data.errors import HomeError
from data.lake.local_table import LocalTable
from data.lake.store import Lake

__all__ = ["damaged_files", "remember_files", "sha256_of", "sha256_of_folder"]


def damaged_files(lake: Lake, table: str) -> list[str]:
    """What is wrong with the files of the table's last version, one sentence per file.

    Of a file without a recorded checksum only its presence is checked.
    """
    recorded, problems = _recorded(lake, table), []
    try:
        files = _files(lake, table)
    except (DeltaError, OSError) as error:
        return [f"{lake.path(table) / '_delta_log'}: the table's log cannot be read ({error})"]
    for name in files:
        path = lake.path(table) / name
        if not path.is_file():
            problems.append(f"{path}: is missing")
        elif name in recorded and sha256_of(path) != recorded[name]:
            problems.append(f"{path}: is not the file that was written (its SHA-256 differs)")
    return problems


def remember_files(lake: Lake, table: str) -> int:
    """Record the checksums of new files and drop those of removed ones; how many are new."""
    recorded = _recorded(lake, table)
    sums = {
        name: recorded.get(name) or sha256_of(lake.path(table) / name)
        for name in _files(lake, table)
    }
    path = _record_path(lake, table)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")
    draft.replace(path)
    return len(sums.keys() - recorded.keys())


def _files(lake: Lake, table: str) -> list[str]:
    """The data files of the last version, relative to the table's folder."""
    if not lake.exists(table):
        return []
    opened = LocalTable(lake.path(table))
    return sorted(os.path.relpath(path, opened.folder) for path in opened.file_uris())


def _recorded(lake: Lake, table: str) -> dict[str, str]:
    """SHA-256 by file name, as recorded; empty when there is no record."""
    path = _record_path(lake, table)
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise HomeError(f"{path}: cannot be read ({error}); remove it to start anew") from error


def _record_path(lake: Lake, table: str) -> Path:
    return lake.home / "checksums" / f"{table}.json"


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_folder(folder: Path) -> dict[str, str]:
    """SHA-256 of every file under ``folder``, by its path within (``/`` on every system)."""
    return {
        path.relative_to(folder).as_posix(): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
