"""Files and tags that change together, so that a kill leaves all of them old or all of them new.

A model's files, the sums beside them and the sums in MLflow's tags say the same thing. Changed
one after the other, a kill in between would leave a model that passes for damaged. So what is to
change is written down first, as the lake's staging does::

    erasing/0, erasing/1 …     the new files
    erasing/plan.json          which file each is to replace, and which tags change with them

With the plan on disk the change is decided: the next erasure carries it through before it does
anything else. Without one, what lies in the folder is thrown away.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

from pipelines.config.home import Home, write_json
from pipelines.privacy.erase_databases import writing_to

__all__ = ["ChangedTag", "Replacements", "finish_replacements"]

_FOLDER, _PLAN = "erasing", "plan.json"


@dataclass(frozen=True, kw_only=True)
class ChangedTag:
    """A tag of a registered version: its new value."""

    name: str
    version: int
    key: str
    value: str


class Replacements:
    """What is to change together. Drafts are made under :attr:`drafts`, then :meth:`carry_out`."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.drafts = home.root / _FOLDER
        shutil.rmtree(self.drafts, ignore_errors=True)
        self.drafts.mkdir(parents=True)
        self._files: list[tuple[str, str]] = []
        self._tags: list[ChangedTag] = []

    def replace(self, path: Path, draft: Path) -> None:
        """Let ``draft`` take the place of ``path``."""
        draft.chmod(path.stat().st_mode)
        root = self._home.root
        self._files.append((draft.relative_to(root).as_posix(), path.relative_to(root).as_posix()))

    def set_tag(self, tag: ChangedTag) -> None:
        """Let a tag have this value."""
        self._tags.append(tag)

    def carry_out(self) -> None:
        """Decide, then do. Raises ``HomeError``, with nothing changed, when MLflow is in use."""
        plan = {"files": self._files, "tags": [asdict(tag) for tag in self._tags]}
        with _database_of(self._home, has_tags=bool(self._tags)) as database:
            write_json(self.drafts / _PLAN, plan)
            _do(self._home, database)
        shutil.rmtree(self.drafts, ignore_errors=True)


def finish_replacements(home: Home) -> None:
    """Carry through what an erasure had decided when it was cut off; throw away what it had not.

    Raises ``HomeError`` when MLflow's database is in use: the plan stays for the next call.
    """
    plan = home.root / _FOLDER / _PLAN
    if plan.exists():
        with _database_of(home, has_tags=bool(json.loads(plan.read_text())["tags"])) as database:
            _do(home, database)
    shutil.rmtree(plan.parent, ignore_errors=True)


def _do(home: Home, database: sqlite3.Connection | None) -> None:
    plan_file = home.root / _FOLDER / _PLAN
    plan = json.loads(plan_file.read_text())
    for tag in plan["tags"]:
        if database is not None:
            database.execute(
                "UPDATE model_version_tags SET value = :value "
                "WHERE name = :name AND version = :version AND key = :key",
                tag,
            )
    for draft, path in plan["files"]:
        # one that is gone has taken its place before a kill
        if (home.root / draft).exists():
            (home.root / draft).replace(home.root / path)


def _database_of(
    home: Home, *, has_tags: bool
) -> AbstractContextManager[sqlite3.Connection | None]:
    if has_tags and home.mlflow_database.is_file():
        return writing_to(home.mlflow_database)
    return nullcontext()
