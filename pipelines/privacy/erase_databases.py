"""Take the records that name a guest out of an SQLite database of Prefect or MLflow.

A row goes where its table is one that no other table refers to: a line of the log, a
parameter, a tag. Of a note of several lines the lines go that name the guest, of JSON the
entries; in a table that others refer to, such as runs, a text gives way to
:data:`pipelines.privacy.text_records.REMOVED`. Numbers are never looked at.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText
from data.errors import HomeError
from pipelines.privacy.read_database import SECONDS_TO_WAIT, reading
from pipelines.privacy.text_records import REMOVED, without_entries, without_lines

__all__ = ["count_records", "erase_records", "is_database", "is_of_database", "writing_to"]

MAGIC = b"SQLite format 3\x00"
_BESIDE = ("-wal", "-shm", "-journal")


def is_database(path: Path) -> bool:
    """Whether the file is an SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def is_of_database(path: Path) -> bool:
    """Whether the file is the log of a database, which SQLite reads with it."""
    return path.name.endswith(_BESIDE)


def count_records(path: Path, names: Callable[[str], bool]) -> int:
    """How many texts of the database ``names`` says yes to; not one byte changes."""
    try:
        with reading(path) as database:
            return sum(
                sum(1 for _ in _cells(database, table, column, names))
                for table, column in _columns(database)
            )
    except sqlite3.Error as error:
        raise HomeError(f"{path}: cannot be read ({error})") from error


def erase_records(path: Path, guest: Guest, names: NamedInText) -> int:
    """Erase, then give back the pages in which SQLite keeps what was deleted.

    Returns how many records changed or went. Raises ``HomeError`` when a server holds the
    database; nothing has changed then.
    """
    with writing_to(path) as database:
        referred = _referred_tables(database)
        count = 0
        for table, column in _columns(database):
            for row, text in list(_cells(database, table, column, names)):
                _erase_cell(database, (table, column, row), text, (guest, names), referred)
                count += 1
    return count


@contextmanager
def writing_to(path: Path) -> Iterator[sqlite3.Connection]:
    """One transaction; afterwards no page and no log beside the file holds what was deleted.

    Raises ``HomeError`` when a server holds the database.
    """
    try:
        with closing(
            sqlite3.connect(path, timeout=SECONDS_TO_WAIT, isolation_level=None)
        ) as database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise HomeError(
            f"{path}: cannot be rewritten ({error}). Stop the servers and runs that use it "
            "(stayrank dashboards, stayrank schedule), then run forget-user again"
        ) from error


def _erase_cell(
    database: sqlite3.Connection,
    place: tuple[str, str, int],
    text: str,
    who: tuple[Guest, NamedInText],
    referred: set[str],
) -> None:
    table, column, row = place
    left = _cleaned(text, *who)
    if not left and table not in referred:
        database.execute(f"DELETE FROM {_quoted(table)} WHERE rowid = ?", (row,))  # noqa: S608
        return
    # the number, since a name may have to be unique
    database.execute(
        f"UPDATE {_quoted(table)} SET {_quoted(column)} = ? WHERE rowid = ?",  # noqa: S608
        (left or f"{REMOVED} {row}", row),
    )


def _cleaned(text: str, guest: Guest, names: NamedInText) -> str:
    """What is left of a text; empty where nothing is."""
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    if isinstance(content, dict | list):
        left, _ = without_entries(content, guest, names)
        return json.dumps(left) if left else ""
    kept, _ = without_lines(text, names)
    return kept if kept.strip() else ""


def _columns(database: sqlite3.Connection) -> list[tuple[str, str]]:
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND sql NOT LIKE 'CREATE VIRTUAL%' AND sql NOT LIKE '%WITHOUT ROWID%'"
    ).fetchall()
    return [
        (table, str(row[1]))
        for (table,) in tables
        for row in database.execute(f"PRAGMA table_info({_quoted(table)})")
    ]


def _cells(
    database: sqlite3.Connection, table: str, column: str, names: Callable[[str], bool]
) -> Iterator[tuple[int, str]]:
    """Row number and text of the cells that name the guest."""
    database.create_function("names_guest", 1, names, deterministic=True)
    cell = _quoted(column)
    yield from database.execute(
        f"SELECT rowid, {cell} FROM {_quoted(table)} "  # noqa: S608  # names from the schema, quoted
        f"WHERE typeof({cell}) = 'text' AND names_guest({cell})"
    )


def _referred_tables(database: sqlite3.Connection) -> set[str]:
    tables = {table for table, _ in _columns(database)}
    return {
        str(row[2])
        for table in tables
        for row in database.execute(f"PRAGMA foreign_key_list({_quoted(table)})")
    }


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
