"""Results wait here while the MLflow server is away, and are logged once when it is back.

Each call that could not be made is a numbered file, with copies of the files it would have
sent. A run that starts while the server is away has a *pending* id, which the waiting calls
name; ``ids.json`` says which run of the server it became::

    outbox/00000001.json   {"call": "create_run", "arguments": {"pending": "pending-3f…", …}}
    outbox/00000002.json   {"call": "log_batch",  "arguments": {"run_id": "pending-3f…", …}}
    outbox/00000003.json   {"call": "log_artifact",
                            "arguments": {"run_id": "pending-3f…",
                                          "local_path": "outbox/files/9c…/index.html", …}}
    outbox/ids/ids.json    {"pending-3f…": "b71e0c…"}      written when 00000001 is delivered

Delivery makes the calls in the order of their numbers and removes each file when the server
has taken it. Killed in between, it has made at most one call without removing its file, and
that call is made again. Nearly all can be: a run is found again by its tag
``stayrank.outbox``, a metric carries the time of its first try, tags and files overwrite
themselves, and a model is registered once per run. A table alone would have its rows twice,
since MLflow appends.
"""

from __future__ import annotations

import json
import re
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
    """The calls that wait, in one folder. It reads the folder anew each time it is asked."""

    folder: Path

    def waiting(self) -> list[Path]:
        """The files of the waiting calls, oldest first."""
        return sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []

    def put(self, call: str, **arguments: Any) -> None:
        """Keep a call; ``arguments`` must be JSON."""
        # Two processes that put at the same moment could take the same number. Batches exclude
        # each other by their lock; a training started by hand beside one does not.
        waiting = self.waiting()
        number = 1 + (int(waiting[-1].stem) if waiting else 0)
        write_json(self.folder / f"{number:08d}.json", {"call": call, "arguments": arguments})

    def keep_files(self, path: Path) -> str:
        """Copy a file or folder that a waiting call needs; returns where the copy is.

        The original may be gone by then: reports are replaced, and charts are temporary.
        """
        copy = self.folder / "files" / uuid4().hex / path.name
        copy.parent.mkdir(parents=True)
        if path.is_dir():
            shutil.copytree(path, copy)
        else:
            shutil.copyfile(path, copy)
        return str(copy)

    def real_id(self, run_id: str) -> str:
        """The server's id of a run that was given a pending one."""
        return str(self._ids().get(run_id, run_id))

    def with_real_ids(self, text: str) -> str:
        """A text in which pending ids stand, with the server's ids in their place."""
        return re.sub(rf"{PENDING}[0-9a-f]+", lambda found: self.real_id(found[0]), text)

    def learn_id(self, pending: str, real: str) -> None:
        """Remember which run of the server a pending id became."""
        # Not beside the calls, where ``waiting`` would take it for one. It outlives them: a
        # process that began while the server was away goes on using its pending id.
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
            # Only now: a call whose file went first would be lost by a kill in between.
            path.unlink()
        left = len(self.waiting())
        if not left:
            shutil.rmtree(self.folder / "files", ignore_errors=True)
        return left

    def _ids(self) -> dict[str, str]:
        path = self.folder / "ids" / "ids.json"
        return dict(json.loads(path.read_text())) if path.exists() else {}
