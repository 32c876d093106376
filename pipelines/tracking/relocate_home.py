"""A home that was moved or copied: its records must not lead back to where it was.

MLflow stores absolute paths, and refuses relative ones: it makes them absolute from wherever the
process was started. So a home keeps the path that its records are written for in ``home.json``,
and the first command that finds it elsewhere rewrites them, in the home's own databases and
waiting calls alone. What is where::

    mlflow.db           experiments.artifact_location, runs.artifact_uri,
                        logged_models.artifact_location, model_versions.storage_location,
                        datasets.dataset_source; tags and notes that name a path
    prefect/prefect.db  parameters of deployments and of scheduled runs (``home``)
    outbox/*.json       files of calls that wait for the MLflow server

A home from before there was ``home.json`` is known by MLflow's experiment. Text is replaced only
where the old path stands whole: ``/data/home`` is neither in ``/data/home2`` nor in
``/mnt/data/home``. Files of models are left as they were signed: MLflow reads nothing by the
paths in them.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.errors import HomeError
from data.lake.lock import file_lock
from pipelines.config.home import Home, write_atomically, write_json

__all__ = ["Relocation", "earlier_places", "relocate_if_moved"]

RECORD = "home.json"
EXPERIMENT = "stayrank"
WAIT_S = 10.0
# The value of a text column may hold the path in any of these ways, before a / or its end.
_BEFORE, _AFTER = r"(?<![\w.~/-])", r"(?=[/\"'\s,;)\]}]|$)"


@dataclass(frozen=True, kw_only=True)
class Relocation:
    """What was rewritten, and from where.

    Attributes:
        earlier: the places that the records named.
        changed: values and files that were rewritten.
    """

    earlier: tuple[Path, ...]
    changed: int


def relocate_if_moved(home: Home, say: Callable[[str], None] = lambda _: None) -> Relocation | None:
    """Rewrite the home's records where they name another place; ``None`` where none does.

    Cheap where nothing has moved: it reads one small file and one row. Killed in between, the
    next call goes on, since the record is written last. Raises ``LakeBusyError`` while a batch
    uses the home (a container may know it by another path), and ``HomeError`` when a database
    cannot be rewritten.
    """
    if not home.root.is_dir() or not _is_home(home):
        return None
    if not earlier_places(home):
        _record(home)
        return None
    busy = (
        "a batch uses this home under another path, so its records cannot be rewritten for "
        f"{home.root.resolve()}"
    )
    try:
        with file_lock(home.root / "batch.lock", busy, wait_s=WAIT_S):
            earlier = earlier_places(home)  # again: another process may have done it meanwhile
            if earlier and _recorded(home) is None:
                # Killed after the first database, nothing else would know the earlier place.
                write_json(home.root / RECORD, {"path": str(earlier[0])})
            changed = sum(_rewrite(home, place) for place in earlier)
            _record(home)
    except sqlite3.Error as error:
        raise HomeError(
            f"{home.root}: was moved or copied, and its records cannot be rewritten ({error}). "
            "Stop what uses its databases and run again"
        ) from error
    for place in earlier:
        say(
            f"this home was moved or copied: its records named {place} and now name "
            f"{home.root.resolve()} ({changed} changed)"
        )
    return Relocation(earlier=tuple(earlier), changed=changed)


def earlier_places(home: Home) -> list[Path]:
    """Other places that the home's records name, and that are not this folder by another name."""
    now = home.root.resolve()
    named = [place for place in (_recorded(home), _of_experiment(home)) if place is not None]
    return [place for place in dict.fromkeys(named) if place != now and not _is_same(place, now)]


def _is_home(home: Home) -> bool:
    return any((home.root / name).exists() for name in (RECORD, "lake", home.mlflow_database.name))


def _is_same(place: Path, now: Path) -> bool:
    """Whether both paths lead to one folder: mounted twice, or behind a link."""
    try:
        return place.samefile(now)
    except OSError:
        return False


def _recorded(home: Home) -> Path | None:
    try:
        return Path(json.loads((home.root / RECORD).read_text())["path"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(
            f"{home.root / RECORD}: cannot be read ({error}); remove it, and the next command "
            "writes it anew"
        ) from error


def _record(home: Home) -> None:
    path = str(home.root.resolve())
    if _recorded(home) != Path(path):
        write_json(home.root / RECORD, {"path": path})


def _of_experiment(home: Home) -> Path | None:
    """The home that MLflow's experiment keeps its files in; ``None`` without a local one."""
    if not home.mlflow_database.is_file():
        return None
    query = "SELECT artifact_location FROM experiments WHERE name = ?"
    try:
        with closing(sqlite3.connect(_read_only(home.mlflow_database), uri=True)) as database:
            row = database.execute(query, (EXPERIMENT,)).fetchone()
    except sqlite3.Error:
        return None  # half made, or in the middle of a migration: MLflow has its own words for it
    location = urlsplit(row[0] or "") if row else urlsplit("")
    is_local = location.scheme == "file" and location.path.endswith(f"/{home.artifacts.name}")
    return Path(unquote(location.path)).parent if is_local else None


def _read_only(database: Path) -> str:
    return f"{database.resolve().as_uri()}?mode=ro"


def _rewrite(home: Home, earlier: Path) -> int:
    replace = _replacing(earlier, home.root.resolve())
    databases = [home.mlflow_database, home.prefect / "prefect.db"]
    changed = sum(_rewrite_database(path, replace) for path in databases if path.is_file())
    for path in sorted(home.outbox.glob("*.json")) if home.outbox.is_dir() else ():
        text = path.read_text()
        if (rewritten := replace(text)) != text:
            write_atomically(path, rewritten)
            changed += 1
    return changed


def _replacing(earlier: Path, now: Path) -> Callable[[str], str]:
    """A function that replaces the earlier path in a text, as a URI and as it is.

    >>> replace = _replacing(Path("/data/home"), Path("/new home"))
    >>> replace("file:///data/home/artifacts/1")
    'file:///new%20home/artifacts/1'
    >>> replace('{"path": "/data/home/lake"} /data/home2 /mnt/data/home')
    '{"path": "/new home/lake"} /data/home2 /mnt/data/home'
    """
    uris = "|".join(re.escape(uri) for uri in (earlier.as_uri(), f"file://{earlier}"))
    # JSON may write the letters beyond ASCII as they are, or as \\u00e9.
    paths = "|".join(re.escape(path) for path in (str(earlier), json.dumps(str(earlier))[1:-1]))
    pattern = re.compile(f"(?P<uri>{uris}){_AFTER}|{_BEFORE}(?:{paths}){_AFTER}")

    def replace(text: str) -> str:
        is_json = text.lstrip()[:1] in ("{", "[")
        plain = json.dumps(str(now))[1:-1] if is_json else str(now)
        return pattern.sub(lambda match: now.as_uri() if match["uri"] else plain, text)

    return replace


def _rewrite_database(path: Path, replace: Callable[[str], str]) -> int:
    """Rewrite every text of the database that names the earlier place, in one transaction."""
    changed = 0
    with closing(sqlite3.connect(path, timeout=WAIT_S)) as database, database:
        database.execute("BEGIN IMMEDIATE")
        for table, column in _text_columns(database):
            texts = database.execute(f'SELECT DISTINCT "{column}" FROM "{table}"').fetchall()  # noqa: S608
            for (text,) in texts:
                rewritten = replace(text) if isinstance(text, str) else text
                if rewritten != text:
                    update = f'UPDATE "{table}" SET "{column}" = ? WHERE "{column}" = ?'  # noqa: S608
                    changed += database.execute(update, (rewritten, text)).rowcount
    return changed


def _text_columns(database: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """Table and column of everything that may hold text, the database's own tables left out."""
    tables = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
        "AND sql NOT LIKE 'CREATE VIRTUAL%'"
    ).fetchall()
    for (table,) in tables:
        for _, column, kind, *_ in database.execute(f'PRAGMA table_info("{table}")').fetchall():
            if any(word in kind.upper() for word in ("CHAR", "TEXT", "JSON", "CLOB")):
                yield table, column
