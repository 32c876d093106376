"""Erase a guest's id from an SQLite database: replace it in every text, then compact the file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from data.errors import HomeError

__all__ = ["erase_from_database", "is_database"]

MAGIC = b"SQLite format 3\x00"
SECONDS_TO_WAIT = 10.0


def is_database(path: Path) -> bool:
    """Whether the file is an SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


Replacement = str | Callable[[re.Match[str]], str]


def erase_from_database(path: Path, token: re.Pattern[str], replacement: Replacement) -> int:
    """Replace what ``token`` matches in every text and JSON; returns how many cells changed.

    Raises ``HomeError`` when a server holds the database.
    """
    try:
        with sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None) as database:
            database.create_function("has_token", 1, lambda text: bool(token.search(text)))
            database.create_function("without", 1, lambda text: token.sub(replacement, text))
            cells = sum(
                _erase_column(database, table, column) for table, column in _columns(database)
            )
            # SQLite keeps the old text in pages that it calls free, and in the write-ahead log
            # that a killed server left behind: the first is rewritten, the second emptied.
            if cells:
                database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
    except sqlite3.Error as error:
        raise HomeError(
            f"{path}: cannot be rewritten ({error}). Stop the servers and runs that use it "
            "(stayrank dashboards, stayrank schedule), then run forget-user again"
        ) from error
    return cells


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    return [
        (table, str(row[1]))
        for (table,) in tables
        for row in database.execute(f"PRAGMA table_info({_quoted(table)})")
    ]


def _erase_column(database: sqlite3.Connection, table: str, column: str) -> int:
    name, cell = _quoted(table), _quoted(column)
    cursor = database.execute(
        f"UPDATE {name} SET {cell} = without({cell}) "  # noqa: S608  # names from the schema, quoted
        f"WHERE typeof({cell}) = 'text' AND has_token({cell})"
    )
    return cursor.rowcount


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
