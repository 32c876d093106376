"""Paths for libraries that take addresses: SQLAlchemy's, and Delta's, which has limits.

Most libraries take a path as it is. Two kinds do not, and what they make of an odd path is no
error but another file: SQLAlchemy ends the name of an SQLite database at the first ``?``, and
URIs have to be decoded, once and no more (a folder may be called ``100%25``).
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from data.errors import HomeError

__all__ = ["printable", "refuse_unusable_home", "sqlite_address"]

# What the lake's tables cannot lie under. delta-rs makes its paths URIs: it decodes ``%20`` once
# too often, takes a backslash for a slash, and ends the program at the other four. Followed
# links do not help: it resolves them.
_UNUSABLE = re.compile(r"%[0-9A-Fa-f]{2}|[\[\]^|\\\x00-\x1f\x7f\ud800-\udfff]")

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\ud800-\udfff]")


def refuse_unusable_home(home: Path) -> None:
    """Raise :class:`HomeError` where no table can be kept, naming the home and the character.

    >>> refuse_unusable_home(Path("/data/São Paulo #1 100%?"))
    >>> refuse_unusable_home(Path("/data/[new]"))
    Traceback (most recent call last):
    data.errors.HomeError: /data/[new]: no home can lie under a path with '['; rename the folder, \
or give another with --home DIR
    """
    resolved = str(home.resolve())
    found = _UNUSABLE.search(resolved)
    if found:
        where = "" if found[0] in str(home) else f" (it is {printable(Path(resolved))})"
        raise HomeError(
            f"{printable(home)}{where}: no home can lie under a path with {found[0]!r}; "
            "rename the folder, or give another with --home DIR"
        )


def sqlite_address(database: Path, driver: str = "pysqlite") -> str:
    """The SQLAlchemy address of an SQLite file, whatever its path.

    ``driver`` is SQLAlchemy's: ``pysqlite``, or ``aiosqlite`` for Prefect.

    >>> sqlite_address(Path("/data/My Projects/100%/mlflow.db"))
    'sqlite:////data/My Projects/100%/mlflow.db'
    >>> sqlite_address(Path("/data/x y?z/mlflow.db"))
    'sqlite+pysqlite:///file:/data/x%20y%3Fz/mlflow.db?uri=true'
    """
    path = str(database.resolve())
    if "?" not in path:
        scheme = "sqlite" if driver == "pysqlite" else f"sqlite+{driver}"
        return f"{scheme}:///{path}"
    # SQLAlchemy takes the path up to the first "?"; SQLite itself decodes a URI. The driver is
    # named always: of "sqlite:///file:…" MLflow makes a folder called "file:" where it stands.
    return f"sqlite+{driver}:///file:{quote(path)}?uri=true"


def printable(path: Path) -> str:
    """The path as text that any library takes, on one line; what cannot be text is escaped.

    A name of bytes that are no UTF-8 is such: Python holds them as halves of a character.

    >>> printable(Path("/data/caf\\udce9.csv"))
    '/data/caf\\\\udce9.csv'
    """
    return _UNPRINTABLE.sub(lambda found: _escaped(found[0]), str(path))


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
