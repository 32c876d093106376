"""A database is read whole, its log included, and its folder keeps every byte and every file."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pipelines.privacy import read_database
from pipelines.privacy.read_database import reading


def _database(folder: Path) -> Path:
    """In WAL mode, with one row in the file and one in its log, as a killed server leaves it."""
    live, path = folder / "live.db", folder / "left" / "of.db"
    path.parent.mkdir()
    with closing(sqlite3.connect(live, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE log (line TEXT)")
        database.execute("INSERT INTO log VALUES ('in the file')")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.execute("INSERT INTO log VALUES ('in its log')")
        for end in ("", "-wal", "-shm"):
            shutil.copyfile(f"{live}{end}", f"{path}{end}")
    return path


def _lines(path: Path) -> list[str]:
    with reading(path) as database:
        return [line for (line,) in database.execute("SELECT line FROM log ORDER BY rowid")]


def _bytes(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_log_that_a_killed_server_left_is_read_and_stays(tmp_path: Path) -> None:
    path = _database(tmp_path)
    before = _bytes(path.parent)
    assert _lines(path) == ["in the file", "in its log"]
    assert _bytes(path.parent) == before


def test_a_database_at_rest_gets_no_files_beside_it(tmp_path: Path) -> None:
    path = _database(tmp_path)
    for end in ("-wal", "-shm"):
        Path(f"{path}{end}").unlink()
    before = _bytes(path.parent)
    assert _lines(path) == ["in the file"]
    assert _bytes(path.parent) == before


def test_a_database_that_changes_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _database(tmp_path)
    monkeypatch.setattr(read_database, "_copied", lambda *_: None)
    assert _lines(path) == ["in the file", "in its log"]
