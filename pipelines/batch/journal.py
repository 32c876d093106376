"""One batch and its journal: which stages are done, and what each handed on.

A journal is one JSON file, replaced whole after every stage. A batch that was killed is
gone on with by the next start of the same day: stages that are done are not done again.
Stages hand on names, versions and counts, never rows.
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

__all__ = ["Batch", "BatchStage", "Kind", "perform"]

Kind = Literal["daily", "weekly", "backfill"]
Result = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One batch of one day.

    Attributes:
        context: home, settings, and where to write.
        kind: which batch.
        day: the local day it is for; the newest log it expects is of the day before.
        id: of this start; in the log file's name, the journal and the notices.
    """

    context: RunContext
    kind: Kind
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
    def results(self) -> dict[str, Result]:
        """Stage → what it handed on, of the stages that are done."""
        return dict(self.journal().get("stages", {}))

    @property
    def is_held(self) -> bool:
        """Whether this start decided to leave the last recommendations in force."""
        journal = self.journal()
        return journal.get("status") == "held" and journal.get("id") == self.id

    @property
    def is_done(self) -> bool:
        return self.journal().get("status") == "done"

    def journal(self) -> dict[str, Any]:
        """The journal as it stands; empty before the first stage.

        Raises ``DataError`` naming the file when it is damaged.
        """
        path = self.folder / "journal.json"
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: cannot be read ({error}); remove it, and the batch starts from its "
                "beginning"
            ) from error

    def note(self, **facts: Any) -> None:
        """Write facts of this start into the journal: status, reason, id."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_json(
            self.folder / "journal.json",
            {**self.journal(), "id": self.id, "changed_at": now, **facts},
        )

    def record(self, stage: str, result: Result) -> None:
        """Write that a stage is done, and what it hands on."""
        self.note(stages={**self.results, stage: result})

    def forget_stages(self) -> None:
        """Start from the beginning: the person asked for the day again.

        Whatever else an earlier start noted goes too, or its training would be taken for
        one that this start had begun.
        """
        write_json(self.folder / "journal.json", {})
        self.note(stages={}, status="started")

    def writing_to(self, console: Console) -> Batch:
        """The same batch, saying what it does on another console."""
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


def perform(batch: Batch, stage: BatchStage) -> Result:
    """Do a stage unless it is done, or the batch holds; returns what it hands on."""
    done = batch.results
    if stage.name in done:
        batch.context.console.say(f"{stage.name}: done by an earlier start")
        return done[stage.name]
    if batch.is_held:
        return {}
    result = dict(stage.work(batch))
    if not batch.is_held:
        batch.record(stage.name, result)
    return result
