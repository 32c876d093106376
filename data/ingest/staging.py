"""The staging area: what an ingest has read and decided, before the lake hears of it.

``home/staging/<id>/`` holds, per file, typed parts of accepted rows and quarantined rows.
When everything is decided ``plan.json`` appears, in one rename: from then on the work can
only be completed, by this process or by the next one (a write-ahead log). Without it the
folder is worth nothing and is removed once its owner is dead.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from data.errors import HomeError

__all__ = ["IngestPlan", "Staging", "abandoned", "abandoned_exist"]

_PLAN = "plan.json"
_OWNER = "owner.lock"


@dataclass(frozen=True, kw_only=True)
class IngestPlan:
    """What is to be committed.

    Attributes:
        job: number of this job; each table records the last that it holds.
        ledger: the rows of the table ``ingests``.
        market_days: partitions of impressions that change.
        rewrites: rows that the lake holds leave it, so the partitions are replaced.
    """

    job: int
    ledger: list[dict[str, Any]]
    market_days: list[tuple[str, date]] = field(default_factory=list)
    rewrites: bool = False


class Staging:
    """One ingest's folder; :meth:`create` takes ownership, which dies with the process."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._handle = handle

    @classmethod
    def create(cls, home: Path) -> Staging:
        """A new, empty, owned folder. Raises :class:`HomeError` when it cannot be made."""
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        folder = home / "staging" / f"{stamp}-{os.getpid()}-{secrets.token_hex(3)}"
        try:
            folder.mkdir(parents=True)
            handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise HomeError(f"{home}: cannot be written to: {error.strerror or error}") from error
        return cls(folder, handle)

    def write(self, source_id: str, kind: str, number: int, frame: pl.DataFrame) -> None:
        """Store a part of a file's ``accepted``, ``rejected`` or ``lost`` rows.

        Raises :class:`HomeError` when the disk is full or read-only.
        """
        folder = self.folder / source_id
        path = folder / f"{kind}-{number:06d}.parquet"
        try:
            folder.mkdir(exist_ok=True)
            frame.write_parquet(path, compression="lz4")
        except (OSError, pl.exceptions.PolarsError) as error:
            raise HomeError(f"{path}: cannot be written: {error}") from error

    def parts(self, kind: str, source_id: str = "*") -> list[Path]:
        """The parts of one kind, in the order they were written."""
        return sorted(self.folder.glob(f"{source_id}/{kind}-*.parquet"))

    def drop(self, source_id: str) -> None:
        """Forget one file: another process ingested it meanwhile."""
        shutil.rmtree(self.folder / source_id, ignore_errors=True)

    def declare_ready(self, plan: IngestPlan) -> None:
        """The point of no return: the plan, flushed to disk, in one rename."""
        draft = self.folder / "plan.draft"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(asdict(plan), file, default=str)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / _PLAN)

    def plan(self) -> IngestPlan | None:
        """The plan, or ``None`` while nothing is decided."""
        path = self.folder / _PLAN
        if not path.exists():
            return None
        entries = json.loads(path.read_text(encoding="utf-8"))
        days = [(market, date.fromisoformat(day)) for market, day in entries.pop("market_days")]
        return IngestPlan(**entries, market_days=days)

    def remove(self) -> None:
        """Delete the folder, the plan first: a half-removed folder has no plan."""
        (self.folder / _PLAN).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Give up ownership; an undecided folder goes, a decided one waits for recovery."""
        if self.folder.exists() and not (self.folder / _PLAN).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._handle)


def abandoned_exist(home: Path) -> bool:
    """Whether any staging folder is there, abandoned or not; cheap."""
    return any((home / "staging").glob("*"))


def abandoned(home: Path) -> list[Staging]:
    """Folders whose owners are dead, oldest first, now owned by this process."""
    found = []
    for folder in sorted((home / "staging").glob("*")):
        try:
            handle = os.open(folder / _OWNER, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            # killed between mkdir and the owner's lock, or removed just now
            if not (folder / _PLAN).exists():
                shutil.rmtree(folder, ignore_errors=True)
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
        else:
            found.append(Staging(folder, handle))
    return found
