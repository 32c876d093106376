"""Drop MLflow's old records: batches past their age, and trainings whose models are gone.

In the home's own store they go for good, with their files; ``mlflow gc`` would do the same, by the
same two calls of the store, at the cost of a process a day. On a server they are marked as
deleted, and ``mlflow gc`` there removes them.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from pipelines.tracking.mlflow_client import SpoolingClient
from pipelines.tracking.model_registry import RANKER_MODEL, RUN_TAG, TOWER_MODEL
from pipelines.tracking.tracking import Tracking

__all__ = ["BATCH_TAG", "prune_mlflow"]

BATCH_TAG = "stayrank.batch"
PAGE = 500
# A daily measures every day of the log anew and logs it to the run in force: only the last word on
# a day (its step) is of use, and without this the records would grow by the log's length a day.
SUPERSEDED = """
DELETE FROM metrics
WHERE (key LIKE 'quality.%' OR key LIKE 'label_maturity.%')
  AND timestamp < (
    SELECT MAX(later.timestamp) FROM metrics AS later
    WHERE later.run_uuid = metrics.run_uuid
      AND later.key = metrics.key AND later.step = metrics.step
  )
"""
LOCK_WAIT_S = 60.0


def prune_mlflow(tracking: Tracking, keep_runs: Collection[str], *, before_s: float) -> int:
    """Drop records of before ``before_s`` (seconds since 1970); how many runs were dropped.

    Kept are the trainings named in ``keep_runs``, versions that an alias points at with their
    runs, and runs that neither a batch nor a training of ours made.
    """
    if not tracking.experiment_id:
        return 0  # the server is away: the next batch does it
    aliased = _runs_with_alias(tracking.client)
    old = [
        run
        for run in _old_runs(tracking, before_s)
        if run.info.run_id not in aliased and _is_dropped(run.data.tags, keep_runs)
    ]
    for run in old:
        for version in _versions(tracking.client, f"run_id = '{run.info.run_id}'"):
            _drop_version(tracking, version)
        _drop_run(tracking, run.info.run_id)
    if not isinstance(tracking.client, SpoolingClient):
        _drop_superseded_measures(tracking.home.mlflow_database)
    return len(old)


def _old_runs(tracking: Tracking, before_s: float) -> list[Any]:
    """All of them before any is dropped, so that pages do not move under the reading."""
    earlier = f"attributes.start_time < {int(before_s * 1000)}"
    if isinstance(tracking.client, SpoolingClient):
        return tracking.client.search_runs([tracking.experiment_id], earlier, max_results=PAGE)
    runs: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = tracking.client.search_runs(
            [tracking.experiment_id], earlier, max_results=PAGE, page_token=token or None
        )
        runs += page
        token = page.token or None
    return runs


def _is_dropped(tags: dict[str, str], keep_runs: Collection[str]) -> bool:
    return BATCH_TAG in tags or (RUN_TAG in tags and tags[RUN_TAG] not in keep_runs)


def _versions(client: Any, query: str) -> Iterator[Any]:
    for version in client.search_model_versions(query):
        if version.name in (RANKER_MODEL, TOWER_MODEL):
            yield version


def _runs_with_alias(client: Any) -> set[str]:
    """Runs whose registered version an alias points at, such as ``champion``."""
    return {
        version.run_id
        for name in (RANKER_MODEL, TOWER_MODEL)
        for version in _versions(client, f"name = '{name}'")
        if client.get_model_version(version.name, version.version).aliases
    }


def _drop_version(tracking: Tracking, version: Any) -> None:
    """The registered version, and the logged model behind it with its files."""
    tracking.client.delete_model_version(version.name, version.version)
    model = str(version.source).removeprefix("models:/")
    if not model.startswith("m-"):
        return
    tracking.client.delete_logged_model(model)
    if not isinstance(tracking.client, SpoolingClient):
        _store(tracking)._hard_delete_logged_model(model)  # noqa: SLF001  # as mlflow gc does
        _remove(tracking.home.artifacts, Path("models") / model)


def _drop_run(tracking: Tracking, run_id: str) -> None:
    tracking.client.delete_run(run_id)
    if not isinstance(tracking.client, SpoolingClient):
        _store(tracking)._hard_delete_run(run_id)  # noqa: SLF001  # as mlflow gc does
        _remove(tracking.home.artifacts, Path(run_id))


def _store(tracking: Tracking) -> Any:
    return tracking.client._tracking_client.store  # noqa: SLF001


def _remove(artifacts: Path, name: Path) -> None:
    shutil.rmtree(artifacts / name, ignore_errors=True)


def _drop_superseded_measures(database: Path) -> None:
    with closing(sqlite3.connect(database, timeout=LOCK_WAIT_S)) as opened, opened:
        opened.execute(SUPERSEDED)
