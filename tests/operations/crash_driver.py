"""Runs days in forked children, so that each start costs a fork and not the imports.

``python -m tests.operations.crash_driver HOME LOGS`` reads lines: ``go`` forks a child
that does what is left of the days and says ``stage NAME`` before each stage. The parent
says ``child PID`` and, when it ends, ``ended STATUS``. Nothing runs before the first fork,
so no thread of a library is lost in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.batch.backfill import BACKFILL
from pipelines.batch.daily import DAILY
from pipelines.batch.journal import Batch, BatchKind, BatchStage, run_stage
from pipelines.batch.run_batch import new_id, run_batch
from pipelines.batch.weekly import WEEKLY
from pipelines.config.settings import load_settings
from tests.operations.worlds import FIRST_BATCH, SMALL, TwoWeeks, context_in

DAYS: tuple[tuple[BatchKind, date], ...] = (
    ("daily", FIRST_BATCH),
    ("weekly", FIRST_BATCH),
    ("daily", date(2026, 1, 21)),
    ("backfill", FIRST_BATCH),
)
STAGES = {"daily": DAILY, "weekly": WEEKLY, "backfill": BACKFILL}


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def work(home: Path, logs: TwoWeeks) -> None:
    """Two days, a weekly training between them, then a backfill; each log arrives in one rename."""
    context = context_in(home, load_settings(**SMALL))

    def announce_and_run(batch: Batch, stage: BatchStage) -> Mapping[str, Any]:
        if stage.name not in batch.results:
            say(f"stage {batch.kind} {batch.day} {stage.name}")
        return run_stage(batch, stage)

    for kind, day in DAYS:
        if kind == "daily":
            first = logs.first_week() if day == FIRST_BATCH else []
            for log in (*first, logs.log(date.fromordinal(day.toordinal() - 1))):
                deliver_once(home / "inbox", log)
        batch = Batch(context=context, kind=kind, day=day, id=new_id())
        run_batch(batch, STAGES[kind], stage_runner=announce_and_run)


def deliver_once(inbox: Path, log: Path) -> None:
    if any((inbox / place / log.name).exists() for place in ("", "claimed", "taken")):
        return
    inbox.mkdir(parents=True, exist_ok=True)
    part = inbox / f"{log.name}.part"
    part.write_bytes(log.read_bytes())
    part.rename(inbox / log.name)


def main() -> None:
    home, logs = Path(sys.argv[1]), TwoWeeks(Path(sys.argv[2]))
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            # Only the protocol goes to standard output; all else is the batch's log.
            sys.stdout = sys.stderr
            work(home, logs)
            os._exit(0)
        say(f"child {child}")
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
