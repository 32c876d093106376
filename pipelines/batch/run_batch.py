"""A batch from start to end: locks, log file, stages in order, and a notice when it matters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

from data.errors import DataError
from data.lake.lock import file_lock
from pipelines.batch.alerts import send_notice
from pipelines.batch.batch_log import warnings_of
from pipelines.batch.journal import Batch, BatchStage, Kind, perform
from pipelines.batch.log_file import logged_console, secrets_of
from pipelines.config.settings import Settings
from pipelines.run_context import RunContext

__all__ = ["new_id", "run_batch", "today", "unfinished_day"]

Doing = Callable[[Batch, BatchStage], Mapping[str, Any]]
LAST_OF_A_WEEK = 6


def today(settings: Settings) -> date:
    """The day on the clock of the settings' time zone."""
    return datetime.now(ZoneInfo(settings.batch.time_zone)).date()


def unfinished_day(context: RunContext, kind: Kind, day: date) -> date:
    """The day of a weekly batch that was cut off in the last days; else ``day`` itself."""
    folder = context.home.batches / kind
    for path in sorted(folder.glob("*"), reverse=True) if folder.is_dir() else ():
        earlier = Batch(context=context, kind=kind, day=date.fromisoformat(path.name), id="")
        if 0 <= (day - earlier.day).days <= LAST_OF_A_WEEK:
            if earlier.journal().get("status") in ("started", "failed"):
                return earlier.day
            break
    return day


def run_batch(
    batch: Batch,
    stages: Sequence[BatchStage],
    *,
    again: bool = False,
    doing: Doing = perform,
    told: Callable[[str], None] = lambda _: None,
) -> Batch:
    """Do the stages that are not done; returns the batch, done or held.

    A second start of the same day waits for the first, or is refused, as the settings say;
    then it finds the day done. ``again`` does a day that is done anew. ``doing`` performs
    one stage (the flows make a task of it), ``told`` hears every line of the log.
    Raises what stopped a stage, after the journal and a notice say so.
    """
    context = batch.context
    log = context.home.prepare().logs / f"{batch.kind}-{batch.day}-{batch.id}.log"
    with (
        logged_console(log, batch.id, secrets_of(context.settings), told) as console,
        _locked(batch),
    ):
        batch = batch.writing_to(console)
        if batch.is_done and not again:
            console.say(f"{batch.name}: done already, nothing to do")
            return batch
        if again:
            batch.forget_stages()
        batch.note(status="started", reason="", log=str(log))
        with _noticed(batch, str(log)):
            for stage in stages:
                doing(batch, stage)
        return batch


def new_id() -> str:
    """An id for one start of a batch."""
    return uuid4().hex[:12]


@contextmanager
def _locked(batch: Batch) -> Iterator[None]:
    """The right to do this day, then the right to run a batch in this home at all."""
    settings, root = batch.context.settings.batch, batch.context.home.root
    wait_s = settings.wait_s if settings.when_busy == "wait" else 0.0
    with (
        file_lock(batch.folder / "lock", f"{batch.name} is running already", wait_s=wait_s),
        file_lock(root / "batch.lock", "another batch is running", wait_s=settings.wait_s),
    ):
        yield


@contextmanager
def _noticed(batch: Batch, log: str) -> Iterator[None]:
    """Write how the batch ended; tell people of a failure, a hold, a warning."""
    try:
        yield
    except Exception as error:
        reason = _plainly(error)
        batch.note(status="failed", reason=reason)
        _notify(batch, "failed", reason, log)
        raise
    if batch.is_held:
        reason = str(batch.journal().get("reason"))
        batch.context.console.say(f"{batch.name} holds: the last recommendations stay published")
        _notify(batch, "held", reason, log)
        return
    batch.note(status="done", reason="")
    batch.context.console.say(f"{batch.name}: done")
    if warnings := warnings_of(batch):
        _notify(batch, "done with warnings", "; ".join(warnings), log)


def _notify(batch: Batch, status: str, reason: str, log: str) -> None:
    text = f"stayrank {batch.name} {status}: {reason}"
    told = send_notice(
        batch.context.settings, text, batch=batch.name, status=status, run=batch.id, log=log
    )
    batch.context.console.say(f"{status}: {reason} ({told})")


def _plainly(error: Exception) -> str:
    return str(error) if isinstance(error, DataError) else f"{type(error).__name__}: {error}"
