"""Drop the files of a home that nobody needs any more; what is kept, and why: docs/operations.md.

Each kind has its own age (settings ``[keep]``), counted from the last change of its files. A folder
goes in two steps, its mark of completeness first, so that a kill between them leaves no half a run
or journal that passes for a whole one.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from data.errors import DataError
from data.lake.lock import is_held
from data.schema.time import DAY_S
from pipelines.batch.journal import Batch
from pipelines.config.home import Home
from pipelines.promotion.select_serving_run import champions_of
from pipelines.recommendation.published_pointer import read_published
from pipelines.recommendation.serving_models import latest_run_with
from pipelines.tracking.prune_mlflow import prune_mlflow
from pipelines.training.model_factory import SERVING_MODELS

__all__ = ["drop_old_files", "runs_to_keep"]

# The champion, and the one that a rollback or a damaged file goes back to.
CHAMPIONS_KEPT = 2
# A server appends to its own log for as long as it runs.
MOST_SERVER_LOG_BYTES = 10 << 20
KEPT_SERVER_LOG_BYTES = 1 << 20


def drop_old_files(batch: Batch) -> Mapping[str, int]:
    """Drop what is older than the settings say; how many of each kind."""
    context, keep = batch.context, batch.context.settings.keep
    home, inbox = context.home, context.home.inside(context.settings.batch.inbox)
    runs = runs_to_keep(home, keep.runs)
    own = batch.journal().get("log", "")
    logs = [path for path in home.logs.glob("*.log") if str(path) != own]
    return {
        "reports": _drop(_dated(home.root / "reports"), keep.reports_days),
        "logs": _drop(logs, keep.logs_days) + _shorten(logs),
        "batches": _drop(_ended_batches(home, batch), keep.batches_days),
        "taken": _drop(_files(inbox / "taken"), keep.taken_days),
        "refused": _drop(_files(inbox / "refused"), keep.refused_days),
        "runs": _drop_runs(home, runs, keep.killed_days),
        "mlflow": prune_mlflow(context.tracking, runs, before_s=_before(keep.mlflow_days)),
    }


def runs_to_keep(home: Home, newest: int) -> frozenset[str]:
    """The newest training runs, those in force, and those whose models they use."""
    complete = sorted((path.parent.name for path in home.runs.glob("*/run.json")), reverse=True)
    published, pointer = read_published(home), home.runs / "latest"
    named = {
        *complete[:newest],
        *champions_of(home)[:CHAMPIONS_KEPT],
        *([published.run] if published is not None else ()),
        *([pointer.read_text().strip()] if pointer.is_file() else ()),
    }
    used = {_run_with(home, run, model) for run in named for model in SERVING_MODELS}
    return frozenset((named | used) - {""})


def _run_with(home: Home, run: str, model: str) -> str:
    """The run whose model is used with this run: an earlier one, where it has none of its own."""
    try:
        return latest_run_with(home, run, model).name
    except DataError:
        return ""


def _dated(folder: Path) -> list[Path]:
    """Sub-folders named by a day: ``latest`` is not one of them."""
    return [path for path in folder.glob("[0-9]*") if path.is_dir()] if folder.is_dir() else []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.is_dir()] if folder.is_dir() else []


def _ended_batches(home: Home, own: Batch) -> list[Path]:
    """Folders of batches that do not run; never the own one."""
    folders = [path for kind in _folders(home.batches) for path in _folders(kind)]
    return [path for path in folders if path != own.folder and not is_held(path / "lock")]


def _folders(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []


def _drop_runs(home: Home, keep: frozenset[str], killed_days: int) -> int:
    """Drop complete runs that are not kept, and folders of trainings that never ended."""
    complete = [f for f in _folders(home.runs) if home.record_of(f.name).is_file()]
    dropped = [folder for folder in complete if folder.name not in keep]
    for folder in dropped:
        home.record_of(folder.name).unlink()
        shutil.rmtree(folder)
    killed = [f for f in _folders(home.runs) if f not in complete and f.name not in keep]
    return len(dropped) + _drop(killed, killed_days)


def _drop(paths: Iterable[Path], days: int) -> int:
    """Drop files and folders in which nothing has changed for so many days; how many."""
    old = [path for path in paths if _changed_at(path) < _before(days)]
    for path in old:
        if path.is_dir() and not path.is_symlink():
            (path / "journal.json").unlink(missing_ok=True)
            shutil.rmtree(path)
        else:
            path.unlink()
    return len(old)


def _changed_at(path: Path) -> float:
    """When the path, or anything in the folder, changed last; a link's own time."""
    inside = path.rglob("*") if path.is_dir() and not path.is_symlink() else []
    return max(p.lstat().st_mtime for p in (path, *inside))


def _before(days: int) -> float:
    return time.time() - days * DAY_S


def _shorten(logs: Iterable[Path]) -> int:
    """Cut the logs of servers, which are open for appending, to their end; how many."""
    long = [path for path in logs if path.is_file() and path.stat().st_size > MOST_SERVER_LOG_BYTES]
    for path in long:
        with path.open("r+b") as log:
            log.seek(-KEPT_SERVER_LOG_BYTES, 2)
            end = log.read()
            log.seek(0)
            log.write(end)
            log.truncate()
    return len(long)
