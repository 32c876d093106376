"""The staging folder of an ingest: a write-ahead log before the lake changes.

``home/staging/<id>/`` holds, per file, typed parts of the accepted rows and of the quarantined
rows. An ingest goes through these steps:

1. create the folder and lock ``owner.lock`` (the kernel frees the lock when the process ends);
2. read and validate the logs, chunk by chunk, into parts; the lake is not touched;
3. under the lake's lock, apply the rules over several rows and write down which rows leave;
4. write ``plan.json``, flushed to disk, in one rename: the point of no return;
5. commit three tables in turn: impressions, quarantine, ingests. Each is one Delta commit
   that also records ``plan.job`` in its table;
6. remove the folder, ``plan.json`` first.

What a kill leaves, and what the next ingest does with it (:func:`data.ingest.commit.recover`):

=====================  ============================  =====================================
killed during          left behind                   next ingest
=====================  ============================  =====================================
steps 1, 2, 3          a folder without a plan       removes it; the logs are read anew
step 4                 without a plan, or with one   one or the other, never half a plan
step 5                 a plan, and tables of which   commits to the tables whose last job
                       some hold the job             is below ``plan.job``, then step 6
between 5 and 6        a plan that all tables hold   commits nothing, then step 6
step 6                 a folder without a plan       removes it
=====================  ============================  =====================================

An error instead of a kill (a full disk in step 5) leaves the same: :meth:`Staging.close`
keeps a folder with a plan and removes one without.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
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
        ingest_records: the rows of the table ``ingests``, times as text.
        market_days: partitions of impressions that change.
        rewrites: rows that the lake holds leave it, so the partitions are replaced.
        redone: ``source_id`` of files whose rows in the lake, quarantined ones too, make way for
            those of this ingest.
        quarantine_days: partitions of quarantine that change then.
    """

    job: int
    ingest_records: list[dict[str, Any]]
    market_days: list[tuple[str, date]] = field(default_factory=list)
    rewrites: bool = False
    redone: list[str] = field(default_factory=list)
    quarantine_days: list[date] = field(default_factory=list)

    def to_json(self) -> str:
        """The plan as it stands in ``plan.json``."""
        # the key "ledger" is from the first version: a plan that it left must be read
        entries: dict[str, Any] = {
            "job": self.job,
            "ledger": self.ingest_records,
            "market_days": self.market_days,
            "rewrites": self.rewrites,
        }
        if self.redone:
            entries |= {"redone": self.redone, "quarantine_days": self.quarantine_days}
        return json.dumps(entries, default=str)

    @classmethod
    def from_json(cls, text: str) -> IngestPlan:
        """Read what :meth:`to_json` wrote."""
        entries = json.loads(text)
        days = [(market, date.fromisoformat(day)) for market, day in entries["market_days"]]
        return cls(
            job=entries["job"],
            ingest_records=entries["ledger"],
            market_days=days,
            rewrites=entries["rewrites"],
            # a plan of an earlier version redoes nothing
            redone=entries.get("redone", []),
            quarantine_days=[date.fromisoformat(d) for d in entries.get("quarantine_days", [])],
        )


class Staging:
    """One ingest's folder; :meth:`create` takes ownership, which dies with the process."""

    def __init__(self, folder: Path, handle: int) -> None:
        self.folder = folder
        self._handle = handle

    @classmethod
    def create(cls, home: Path) -> Staging:
        """A new, empty, owned folder. Raises :class:`HomeError` when it cannot be made."""
        # names sort by time, so that recovery goes through plans in the order they were made
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
        """Store a part of a file's rows.

        ``kind`` is ``accepted`` (rows of impressions), ``rejected`` (rows of quarantine, by
        the row rules), ``lost`` (rows of quarantine, by the rules over several rows) or
        ``seen`` (lines and ids of all rows, for :mod:`data.ingest.row_positions`).
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
        """The parts of one kind, by file and then in the order they were written."""
        return sorted(self.folder.glob(f"{source_id}/{kind}-*.parquet"))

    def drop(self, source_id: str) -> None:
        """Remove one file's parts: another process has ingested it meanwhile."""
        shutil.rmtree(self.folder / source_id, ignore_errors=True)

    def declare_ready(self, plan: IngestPlan) -> None:
        """The point of no return: the plan, flushed to disk, in one rename."""
        draft = self.folder / "plan.draft"
        with draft.open("w", encoding="utf-8") as file:
            file.write(plan.to_json())
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.folder / _PLAN)

    def plan(self) -> IngestPlan | None:
        """The plan, or ``None`` while nothing is decided."""
        path = self.folder / _PLAN
        if not path.exists():
            return None
        return IngestPlan.from_json(path.read_text(encoding="utf-8"))

    def remove(self) -> None:
        """Delete the folder, the plan first: a half-removed folder has no plan."""
        (self.folder / _PLAN).unlink(missing_ok=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Give up ownership: without a plan the folder is removed, with one it stays."""
        if self.folder.exists() and not (self.folder / _PLAN).exists():
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._handle)


def abandoned_exist(home: Path) -> bool:
    """Whether there is any staging folder, abandoned or in use; reads no file."""
    return any((home / "staging").glob("*"))


def abandoned(home: Path) -> list[Staging]:
    """Folders whose owners are dead, oldest first, now owned by this process."""
    stagings = []
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
            stagings.append(Staging(folder, handle))
    return stagings
