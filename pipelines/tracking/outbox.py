"""Results wait here while the MLflow server is away, and are logged once when it is back.

Each call that could not be made is a numbered file in ``home/outbox/``, with copies of the
files it would have sent. Delivery makes the calls in their order and removes each when the
server has taken it. A delivery that is itself cut off makes at most one call twice, and
each call may be: a run is found again by a tag, metrics carry the time of the first try.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from pipelines.config.home import write_json

__all__ = ["OUTBOX_TAG", "PENDING", "Outbox"]

# The id of a run that the server has not heard of yet begins so.
PENDING = "pending-"
OUTBOX_TAG = "stayrank.outbox"


@dataclass(frozen=True)
class Outbox:
    """The calls that wait, in one folder. Cheap to make."""

    folder: Path

    def waiting(self) -> list[Path]:
        """The waiting calls, oldest first."""
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []

    def put(self, call: str, **arguments: Any) -> None:
        """Keep a call; ``arguments`` must be JSON."""
        waiting = self.waiting()
        number = 1 + (int(waiting[-1].stem) if waiting else 0)
        write_json(self.folder / f"{number:08d}.json", {"call": call, "arguments": arguments})

    def keep_files(self, path: Path) -> str:
        """A copy of a file or folder that a waiting call needs; returns where it is."""
        kept = self.folder / "files" / uuid4().hex / path.name
        kept.parent.mkdir(parents=True)
        if path.is_dir():
            shutil.copytree(path, kept)
        else:
            shutil.copyfile(path, kept)
        return str(kept)

    def real_id(self, run_id: str) -> str:
        """The server's id of a run that was given a pending one."""
        return str(self._ids().get(run_id, run_id))

    def learn_id(self, pending: str, real: str) -> None:
        """Remember which run of the server a pending id became."""
        write_json(self.folder / "ids" / "ids.json", {**self._ids(), pending: real})

    def deliver(self, make: Callable[[str, Mapping[str, Any]], None]) -> int:
        """Make the waiting calls with ``make``; returns how many are left.

        Stops at the first call that raises ``ConnectionError``, the server being away.
        """
        for path in self.waiting():
            entry = json.loads(path.read_text())
            try:
                make(entry["call"], entry["arguments"])
            except ConnectionError:
                break
            path.unlink()
        left = len(self.waiting())
        if not left:
            shutil.rmtree(self.folder / "files", ignore_errors=True)
        return left

    def _ids(self) -> dict[str, str]:
        path = self.folder / "ids" / "ids.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}
