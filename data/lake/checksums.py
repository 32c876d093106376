"""SHA-256 of the tables' files: damage on the disk is found before a model trains on it.

Delta never changes a file once it is written. So the first time a file is seen its
SHA-256 is recorded in ``home/checksums/<table>.json``; a later difference is damage. The lake
remembers what was recorded (``data.lake.known_tables``): commits that are gone, a table that
was begun anew, and a record that was removed or changed are noticed too.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from deltalake.exceptions import DeltaError

from data.errors import HomeError
from data.lake.known_tables import LastCheck, last_check, remember_check, write_in_one_step
from data.lake.local_table import LocalTable
from data.lake.store import Lake

__all__ = ["damaged_files", "remember_files", "sha256_of", "sha256_of_folder"]


def damaged_files(lake: Lake, table: str) -> list[str]:
    """What is wrong with the files of the table's last version, one sentence each.

    Of a file without a recorded checksum only its presence is checked.
    """
    recorded, check = _recorded(lake, table), last_check(lake.home, table)
    log = lake.path(table) / "_delta_log"
    if not _is_there(lake, table):
        if recorded or check is not None:
            return [f"{log}: is missing; the table had {len(recorded)} files when last checked"]
        return []
    problems = _problems_of_record(lake, table, check)
    try:
        opened = LocalTable(lake.path(table))
        files = _files_of(opened)
    except (DeltaError, OSError) as error:
        return [*problems, f"{log}: the table's log cannot be read ({error})"]
    if check is not None:
        problems += _lost_commits(lake, table, opened.version(), check)
    for name in files:
        path = lake.path(table) / name
        if not path.is_file():
            problems.append(f"{path}: is missing")
        elif name in recorded and sha256_of(path) != recorded[name]:
            problems.append(f"{path}: is not the file that was written (its SHA-256 differs)")
    return problems


def remember_files(lake: Lake, table: str) -> int:
    """Record the checksums of new files and drop those of removed ones; how many are new."""
    if not _is_there(lake, table):
        return 0
    recorded, opened = _recorded(lake, table), LocalTable(lake.path(table))
    sums = {
        name: recorded.get(name) or sha256_of(lake.path(table) / name) for name in _files_of(opened)
    }
    text = json.dumps(sums, indent=1, sort_keys=True) + "\n"
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    # First: killed between the two, the next check accepts the file of one record earlier.
    remember_check(lake.home, table, version=opened.version(), sha256=sha256)
    write_in_one_step(_record_path(lake, table), text)
    return len(sums.keys() - recorded.keys())


def _problems_of_record(lake: Lake, table: str, check: LastCheck | None) -> list[str]:
    path = _record_path(lake, table)
    if check is None:
        return []
    if path.is_file() and sha256_of(path) in (check.sha256, check.before):
        return []
    damage = "is not the file that was written" if path.is_file() else "is missing"
    return [
        (
            f"{path}: {damage}, so that damage to the table's files would not be found. If you did "
            f"this, remove {lake.path(table).parent / 'checksums.json'} too, and the files are "
            "recorded as they are"
        )
    ]


def _lost_commits(lake: Lake, table: str, version: int, check: LastCheck) -> list[str]:
    """Whether the version that was last checked is still what it was, or has been succeeded."""
    log = lake.path(table) / "_delta_log"
    if version < check.version:
        return [
            (
                f"{log}: the table is at version {version} and was at {check.version} when last "
                "checked; commits are missing"
            )
        ]
    path = _record_path(lake, table)
    if not path.is_file() or sha256_of(path) != check.sha256:
        return []
    try:
        files = _files_of(LocalTable(lake.path(table), version=check.version))
    except (DeltaError, OSError):
        return []  # an erasure ends the history of tables, and old entries go by age
    lacking = sorted(_recorded(lake, table).keys() - set(files))
    if lacking:
        return [
            (
                f"{log}: version {check.version} lacks {len(lacking)} files that it had when last "
                f"checked, {lacking[0]} among them; the table was begun anew"
            )
        ]
    return []


def _is_there(lake: Lake, table: str) -> bool:
    # Not ``lake.exists``, which raises for a table that was lost.
    return LocalTable.is_deltatable(str(lake.path(table)))


def _files_of(opened: LocalTable) -> list[str]:
    """The data files of a version, relative to the table's folder."""
    return sorted(os.path.relpath(path, opened.folder) for path in opened.file_uris())


def _recorded(lake: Lake, table: str) -> dict[str, str]:
    """SHA-256 by file name, as recorded; empty when there is no record."""
    path = _record_path(lake, table)
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text()))
    except (OSError, ValueError) as error:
        raise HomeError(
            f"{path}: cannot be read ({error}); remove it to start anew, and "
            f"{lake.path(table).parent / 'checksums.json'} with it"
        ) from error


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
