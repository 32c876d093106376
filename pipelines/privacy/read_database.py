"""Read an SQLite database without changing a byte in its folder.

A reader of a database in WAL mode, as Prefect keeps its own, makes files beside it (``-wal``,
``-shm``) and leaves them there, or rewrites the index of a log that a killed server left. So:

=====================  ================================================================
beside the database    how it is read
=====================  ================================================================
no log, or an empty    as a file that nobody changes (``immutable``): all is in it
a log, at rest         a copy of both, in a folder of its own whose files have no name any
                       more once they are open: a kill leaves nothing of them
a log that changes     where it lies: a server that writes changes these bytes anyway
=====================  ================================================================
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["SECONDS_TO_WAIT", "reading"]

SECONDS_TO_WAIT = 10.0


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, to be read alone; raises ``sqlite3.Error`` where it cannot be."""
    log = path.with_name(f"{path.name}-wal")
    if not _size(log):
        with closing(_opened(path, "immutable=1")) as database:
            yield database
        return
    with TemporaryDirectory() as folder:
        copy = _copied(path, log, Path(folder))
        database = _opened(path, "mode=ro") if copy is None else _opened(copy, "mode=rw")
        with closing(database):
            # Its first read opens all of its files.
            database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            for file in Path(folder).iterdir():
                file.unlink()
            yield database


def _copied(path: Path, log: Path, folder: Path) -> Path | None:
    """A copy of a database and its log; ``None`` where they changed meanwhile."""
    before = _state(path, log)
    copy = folder / "copy"
    shutil.copyfile(log, folder / "copy-wal")
    shutil.copyfile(path, copy)
    return copy if _state(path, log) == before else None


def _state(*files: Path) -> list[tuple[int, int]]:
    return [(file.stat().st_mtime_ns, file.stat().st_size) for file in files]


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?{how}", uri=True, timeout=SECONDS_TO_WAIT)
