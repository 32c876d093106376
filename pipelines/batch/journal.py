"""One batch and its journal: which stages are done, and what each handed on.

The journal of a day is one JSON file, replaced in one step after every stage::

    batches/daily/2026-01-20/journal.json
    {"id": "3f9ac1", "status": "started", "changed_at": "2026-01-20T06:00:41+00:00",
     "log": ".../logs/daily-2026-01-20-3f9ac1.log",
     "stages": {"arrive":   {"condition": "sound", "rows": 41200},
                "features": {"features": 7}}}

Killed here, the batch has no journal entry for the stage that it was in. The next start of
the same day, with an id of its own, reads ``arrive`` and ``features`` from the file, and does
the third stage from its beginning. So a stage may be done twice, the first time in part, and
each is written to bear it: a table changes in one commit, a file in one rename. What a later
stage needs it takes from ``Batch.results``, not from memory: stages hand on names, versions
and counts, never rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

from data.errors import DataError
from pipelines.config.console import Console
from pipelines.config.home import write_json
from pipelines.run_context import RunContext

__all__ = ["Batch", "BatchKind", "BatchStage", "held_reason", "run_stage"]

BatchKind = Literal["daily", "weekly", "backfill"]
StageResult = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of one day.

    Attributes:
        context: home, settings, and where to write.
        kind: which batch.
        day: the local day it is for; the newest log it expects is of the day before.
        id: of this start; in the log file's name, the journal and the alerts.
    """

    context: RunContext
    kind: BatchKind
    day: date
    id: str

    @property
    def name(self) -> str:
        """``daily 2026-01-20``."""
        return f"{self.kind} {self.day.isoformat()}"

    @property
    def folder(self) -> Path:
        return self.context.home.batches / self.kind / self.day.isoformat()

    @property
    def results(self) -> dict[str, StageResult]:
        """Stage → what it handed on, of the stages that are done."""
        return dict(self.journal().get("stages", {}))

    @property
    def is_held(self) -> bool:
        """Whether this start decided to leave the last recommendations in force.

        Only this start: what an earlier one decided is decided anew, the log may have come.
        """
        return held_reason(self.folder, self.id) is not None

    @property
    def is_done(self) -> bool:
        return self.journal().get("status") == "done"

    def journal(self) -> dict[str, Any]:
        """The journal's content; empty before the first stage.

        Raises ``DataError`` naming the file when it is damaged.
        """
        return _read_journal(self.folder)

    def update_journal(self, **facts: Any) -> None:
        """Write facts of this start into the journal, such as its status and reason."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(
            self.folder / "journal.json",
            {**self.journal(), "id": self.id, "changed_at": now, **facts},
        )

    def record(self, stage: str, result: StageResult) -> None:
        """Write that a stage is done, and what it hands on."""
        self.update_journal(stages={**self.results, stage: result})

    def forget_stages(self) -> None:
        """Empty the journal: the person asked for the day to be done again.

        All of it, not ``stages`` alone: ``is_training`` of an earlier start would make the
        weekly batch take that start's models for its own.
        """
        write_json(self.folder / "journal.json", {})
        self.update_journal(stages={}, status="started")

    def writing_to(self, console: Console) -> Batch:
        """The same batch, printing to another console."""
        return replace(self, context=replace(self.context, console=console))


@dataclass(frozen=True, kw_only=True)
class BatchStage:
    """One stage of a batch.

    Attributes:
        name: in the journal, and of the task on Prefect's page.
        work: does it; returns what later stages need.
        retries: how often another try can help; more than zero only for servers.
    """

    name: str
    work: Callable[[Batch], Mapping[str, Any]]
    retries: int = 0


def held_reason(folder: Path, batch_id: str) -> str | None:
    """Why the start ``batch_id`` of the batch in ``folder`` holds; ``None`` where it does not."""
    journal = _read_journal(folder)
    is_held = journal.get("status") == "held" and journal.get("id") == batch_id
    return str(journal.get("reason", "")) if is_held else None


def _read_journal(folder: Path) -> dict[str, Any]:
    path = folder / "journal.json"
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict) or not isinstance(content.get("stages", {}), dict):
            raise ValueError("it is no journal")  # of data, not of code
        return content
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path}: cannot be read ({error}); remove it, and the batch starts from its beginning"
        ) from error


def run_stage(batch: Batch, stage: BatchStage) -> StageResult:
    """Do a stage unless it is done, or the batch is held; returns what it hands on."""
    results = batch.results
    if stage.name in results:
        batch.context.console.say(f"{stage.name}: done by an earlier start")
        return results[stage.name]
    if batch.is_held:
        return {}
    result = dict(stage.work(batch))
    # The stage that holds the batch is not recorded: when the log comes it has to run again.
    if not batch.is_held:
        batch.record(stage.name, result)
    return result
