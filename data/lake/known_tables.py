"""Which tables a home has had, and what was last known of each: a lost one is noticed.

A Delta table whose folder ``_delta_log`` is gone looks like one that was never written: an ingest
would begin it anew, and a day be published from one day's log. So the lake keeps two small files
beside its tables::

    lake/tables.json      ["impressions", "ingests", "quarantine"]: written at least once
    lake/checksums.json   {"impressions": {"version": 7, "sha256": "9f…", "before": "3c…"}}

The second says at which version the checksums of the table's files were recorded, and what the
file that holds them (``home/checksums/impressions.json``) was then; ``before``: one record
earlier, for a kill between the two.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.errors import HomeError
from data.schema.tables import IMPRESSIONS, INGESTS, QUARANTINE

__all__ = [
    "IRREPLACEABLE",
    "LastCheck",
    "check_not_lost",
    "last_check",
    "remember_check",
    "remember_table",
    "write_in_one_step",
]

# What cannot be made again from anything else under the home.
IRREPLACEABLE = (IMPRESSIONS.name, QUARANTINE.name, INGESTS.name)


@dataclass(frozen=True, kw_only=True)
class LastCheck:
    """When the checksums of a table's files were last recorded.

    Attributes:
        version: of the table.
        sha256: of the file that holds the checksums.
        before: the same, one record earlier; empty at the first.
    """

    version: int
    sha256: str
    before: str


def remember_table(home: Path, table: str) -> None:
    """Record that the table was written; called after its first commit, and cheap afterwards."""
    known = _known(home)
    if table in IRREPLACEABLE and table not in known:
        write_in_one_step(_tables_file(home), json.dumps(sorted({*known, table})) + "\n")


def check_not_lost(home: Path, table: str) -> None:
    """Raise :class:`HomeError` for a table without a log that was written before.

    Only of the tables that nothing under the home can make again.
    """
    if table in _known(home):
        folder = home / "lake" / table
        raise HomeError(
            f"{folder / '_delta_log'}: is missing, and the table was written before. Restore the "
            f"lake from a back-up. To begin anew, move the whole folder {folder.parent} away"
        )


def last_check(home: Path, table: str) -> LastCheck | None:
    """The last record of the table's checksums; ``None`` when there was none."""
    found = _read(_checks_file(home), {}).get(table)
    return LastCheck(**found) if found is not None else None


def remember_check(home: Path, table: str, *, version: int, sha256: str) -> None:
    """Record that the table's checksums are about to be written, as a file of this SHA-256."""
    before = last_check(home, table)
    check = LastCheck(version=version, sha256=sha256, before=before.sha256 if before else "")
    known = {**_read(_checks_file(home), {}), table: asdict(check)}
    write_in_one_step(_checks_file(home), json.dumps(known, indent=1, sort_keys=True) + "\n")


def write_in_one_step(path: Path, text: str) -> None:
    """Write a file so that a reader, or a kill, sees the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def _known(home: Path) -> list[str]:
    return list(_read(_tables_file(home), []))


def _read(path: Path, empty: Any) -> Any:
    if not path.exists():
        return empty
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise HomeError(
            f"{path}: cannot be read ({error}). Restore it from a back-up; without it a lost "
            "table would not be noticed"
        ) from error


def _tables_file(home: Path) -> Path:
    return home / "lake" / "tables.json"


def _checks_file(home: Path) -> Path:
    return home / "lake" / "checksums.json"
