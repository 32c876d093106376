"""Run a batch from start to end: locks, log file, stages in order, alerts.

Three locks are held in this order: the day's own, the one of the home's batches, and the home
beside other runs. A second start of the same day meets the first lock, and waits or is refused
as ``batch.when_busy`` says; a batch of another day or kind meets only the second, and always
waits its turn; only an erasure holds off the third (``pipelines/config/home_use.py``). The
kernel frees all of them when the process ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from data.errors import DataError
from data.lake.lock import file_lock
from pipelines.batch.alerts import send_alert
from pipelines.batch.batch_log import warnings_of
from pipelines.batch.clock import today
from pipelines.batch.days_ahead import refuse_day_ahead
from pipelines.batch.journal import Batch, BatchKind, BatchStage, run_stage
from pipelines.batch.log_file import logged_console, secrets_of
from pipelines.config.home_use import using_home
from pipelines.config.redaction import redact
from pipelines.run_context import RunContext
from pipelines.tracking.relocate_home import relocate_if_moved

__all__ = ["new_id", "run_batch", "today", "unfinished_day"]

StageRunner = Callable[[Batch, BatchStage], Mapping[str, Any]]
# A batch that was cut off seven days ago is the one of the last week: this week has its own.
LONGEST_UNFINISHED_DAYS = 6


def unfinished_day(context: RunContext, kind: BatchKind, day: date) -> date:
    """The day of the newest batch of this kind, if it was cut off this week; else ``day``."""
    folder = context.home.batches / kind
    for path in sorted(folder.glob("*"), reverse=True) if folder.is_dir() else ():
        earlier = Batch(context=context, kind=kind, day=_day_of(path), id="")
        if 0 <= (day - earlier.day).days <= LONGEST_UNFINISHED_DAYS:
            if earlier.journal().get("status") in ("started", "failed"):
                return earlier.day
            break
    return day


def _day_of(path: Path) -> date:
    """The day that a folder of batches is of; raises ``DataError`` for a stranger in it."""
    try:
        day = date.fromisoformat(path.name)
    except ValueError:
        day = None
    # "20260120" and "2026-W04-2" are days too, but no folder of ours.
    if day is None or day.isoformat() != path.name:
        raise DataError(
            f"{path}: is no day's folder (YYYY-MM-DD), and nothing else belongs there; move it "
            "away and run again"
        )
    return day


def run_batch(
    batch: Batch,
    stages: Sequence[BatchStage],
    *,
    again: bool = False,
    stage_runner: StageRunner = run_stage,
    on_line: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Do the stages that are not done; returns the batch, done or held.

    Raises what stopped a stage, after it was written to the journal and sent as an alert, and
    ``DataError`` at once for a day that has not come.

    Args:
        batch: which batch, of which day.
        stages: in the order to run them.
        again: do all stages, even if the day is done.
        stage_runner: runs one stage; the flows make a Prefect task of it.
        on_line: called with every line that the batch prints.
    """
    context = batch.context
    refuse_day_ahead(context.settings, batch.day)
    # Now: under the lock, the first look at MLflow would take this very batch for another one.
    relocate_if_moved(context.home, context.console.say)
    log = context.home.prepare().logs / f"{batch.kind}-{batch.day}-{batch.id}.log"
    with (
        logged_console(log, batch.id, secrets_of(context.settings), on_line) as console,
        _locked(batch),
    ):
        batch = batch.writing_to(console)
        if batch.is_done and not again:
            console.say(f"{batch.name}: done already, nothing to do")
            return batch
        if again:
            batch.forget_stages()
        batch.update_journal(status="started", reason="", log=str(log))
        with _outcome_reported(batch, str(log)):
            for stage in stages:
                stage_runner(batch, stage)
        return batch


def new_id() -> str:
    """An id for one start of a batch."""
    return uuid4().hex[:12]


@contextmanager
def _locked(batch: Batch) -> Iterator[None]:
    """Hold the lock of this day, then the lock that lets one batch at a time use the home."""
    settings, root = batch.context.settings.batch, batch.context.home.root
    wait_s = settings.wait_s if settings.when_busy == "wait" else 0.0
    with (
        file_lock(batch.folder / "lock", f"{batch.name} is running already", wait_s=wait_s),
        file_lock(root / "batch.lock", "another batch is running", wait_s=settings.wait_s),
        using_home(batch.context),
    ):
        yield


@contextmanager
def _outcome_reported(batch: Batch, log: str) -> Iterator[None]:
    """Write to the journal how the batch ended; send an alert of a failure, hold or warning."""
    try:
        yield
    except Exception as error:
        reason = _message_of(error)
        batch.update_journal(status="failed", reason=reason)
        _send_alert(batch, "failed", reason, log)
        raise
    if batch.is_held:
        reason = str(batch.journal().get("reason"))
        batch.context.console.say(f"{batch.name} holds: the last recommendations stay published")
        _send_alert(batch, "held", reason, log)
        return
    batch.update_journal(status="done", reason="")
    batch.context.console.say(f"{batch.name}: done")
    if warnings := warnings_of(batch):
        _send_alert(batch, "done with warnings", "; ".join(warnings), log)


def _send_alert(batch: Batch, status: str, reason: str, log: str) -> None:
    text = f"stayrank {batch.name} {status}: {reason}"
    outcome = send_alert(
        batch.context.settings, text, batch=batch.name, status=status, run=batch.id, log=log
    )
    batch.context.console.say(f"{status}: {reason} ({outcome})")


def _message_of(error: Exception) -> str:
    """For the journal, the notice and MLflow: all three are shown to people."""
    kind = "" if isinstance(error, DataError) else f"{type(error).__name__}: "
    return redact(f"{kind}{error}")
