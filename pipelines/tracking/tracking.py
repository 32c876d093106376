"""MLflow: runs, their parameters, metrics and files, all in one SQLite file under the home.

With ``model_registry`` (the registered models) and ``mlflow_client`` (a server that may be
away) this is all that talks to MLflow, beside the served model itself. Everything logged here
can be looked at with ``stayrank dashboards``; nothing here decides anything about the models.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import psutil

from data.paths import sqlite_address
from pipelines.config.home import Home
from pipelines.config.redaction import split_credentials
from pipelines.tracking.mlflow_client import SpoolingClient
from pipelines.tracking.model_registry import RUN_TAG, ModelVersions
from pipelines.tracking.outbox import PENDING, Outbox
from pipelines.tracking.relocate_home import relocate_if_moved
from pipelines.tracking.saved_view import MODELS_VIEW, SavedView, view_tag

__all__ = ["NOTE_TAG", "InputTable", "Tracking", "point_mlflow_at"]

EXPERIMENT = "stayrank"
PROCESS_TAG = "stayrank.process"
NOTE_TAG = "mlflow.note.content"

SECONDS_BETWEEN_SAMPLES = 5

# MLflow's own limits: a request over them is refused whole.
METRICS_PER_REQUEST = 1_000
PARAMS_PER_REQUEST = 100
PARAM_CHARACTERS = 6_000


@dataclass(frozen=True, kw_only=True)
class InputTable:
    """A Delta table as a run read it."""

    name: str
    path: Path
    version: int
    rows: int


@dataclass(frozen=True)
class Tracking:
    """The MLflow store of one home. Make it with :meth:`open`."""

    home: Home
    client: Any
    experiment_id: str

    @classmethod
    def open(cls, home: Home, uri: str = "") -> Tracking:
        """Open the store, making it at the first use (its migrations take some seconds).

        With the ``uri`` of a server the store is there, and calls that the server cannot
        take wait in the home's outbox (:mod:`pipelines.tracking.mlflow_client`). Credentials
        in it are handed on apart: MLflow's errors show the address that it was given.
        """
        _quieten_mlflow()
        import mlflow

        is_served = bool(uri)
        if not is_served:
            _create_database(home.mlflow_database)
        relocate_if_moved(home)
        uri = _without_credentials(uri) or sqlite_address(home.mlflow_database)
        _forget_earlier_homes()
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        if is_served:
            spooling = SpoolingClient(client, Outbox(home.outbox))
            return cls(home, spooling, spooling.experiment(EXPERIMENT))
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            experiment_id = client.create_experiment(
                EXPERIMENT, artifact_location=home.artifacts.resolve().as_uri()
            )
        else:
            experiment_id = experiment.experiment_id
        return cls(home=home, client=client, experiment_id=experiment_id)

    @property
    def versions(self) -> ModelVersions:
        """The registered models."""
        return ModelVersions(self.client)

    def start_run(self, name: str, *, parent: str | None = None, tags: Mapping[str, str]) -> str:
        """Start a run, a child of the run ``parent`` if there is one; returns its id."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        all_tags = {**tags, PROCESS_TAG: str(os.getpid())}
        if parent is not None:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        run = self.client.create_run(self.experiment_id, run_name=name, tags=all_tags)
        return str(run.info.run_id)

    def end_abandoned(self) -> int:
        """End the runs whose process is gone; returns how many there were.

        They end as ``KILLED``, but a training whose ``run.json`` is on disk as ``FINISHED``:
        it was killed after its last file was written and before MLflow was told.
        """
        running = self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'")
        abandoned = [
            run
            for run in running
            if not psutil.pid_exists(int(run.data.tags.get(PROCESS_TAG, "-1")))
        ]
        for run in abandoned:
            name = run.data.tags.get(RUN_TAG, "")
            is_complete = bool(name) and self.home.record_of(name).is_file()
            status = "FINISHED" if is_complete else "KILLED"
            self.client.set_terminated(run.info.run_id, status=status)
        return len(abandoned)

    @contextmanager
    def closing(self, run_id: str) -> Iterator[None]:
        """End the run as finished, or as failed when an exception passes through."""
        try:
            yield
        except BaseException:
            self.client.set_terminated(run_id, status="FAILED")
            raise
        self.client.set_terminated(run_id, status="FINISHED")

    def log_params(self, run_id: str, params: Mapping[str, Any]) -> None:
        """Log a nested mapping as flat parameters, ``ranker.learning_rate`` and so on."""
        from mlflow.entities import Param

        flat = [Param(name, str(value)[:PARAM_CHARACTERS]) for name, value in sorted(_flat(params))]
        for start in range(0, len(flat), PARAMS_PER_REQUEST):
            self.client.log_batch(run_id, params=flat[start : start + PARAMS_PER_REQUEST])

    def log_metrics(self, run_id: str, metrics: Iterable[tuple[str, float, int]]) -> None:
        """Log ``(name, value, step)`` triples."""
        from mlflow.entities import Metric

        now = int(time() * 1_000)
        batch = [Metric(name, float(value), now, step) for name, value, step in metrics]
        for start in range(0, len(batch), METRICS_PER_REQUEST):
            self.client.log_batch(run_id, metrics=batch[start : start + METRICS_PER_REQUEST])

    def log_artifacts(self, run_id: str, folder: Path, to: str | None = None) -> None:
        """Copy a file or a folder's content into the run's artifacts."""
        if folder.is_dir():
            self.client.log_artifacts(run_id, str(folder), to)
        else:
            self.client.log_artifact(run_id, str(folder), to)

    def log_table(self, run_id: str, frame: Any, name: str) -> None:
        """Log a small pandas frame as a table that MLflow's page can show."""
        self.client.log_table(run_id, frame, name)

    def run_with_tag(self, tag: str, value: str) -> str | None:
        """The id of the newest run whose ``tag`` has this value; ``None`` without one."""
        runs = self.client.search_runs([self.experiment_id], f"tags.`{tag}` = '{value}'")
        return str(runs[0].info.run_id) if runs else None

    def deliver(self) -> int:
        """Log what waits in the outbox; returns how many calls still wait, MLflow being away."""
        if not isinstance(self.client, SpoolingClient):
            return 0
        return self.client.deliver(EXPERIMENT, self.versions.register_late)

    def log_inputs(self, run_id: str, tables: Iterable[InputTable]) -> None:
        """Link the run to the tables it read, each a Delta table at a version."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        inputs = [
            DatasetInput(
                Dataset(
                    name=table.name,
                    digest=f"v{table.version}",
                    source_type="delta_table",
                    source=json.dumps(
                        {"path": str(table.path), "delta_table_version": table.version}
                    ),
                    profile=json.dumps({"num_rows": table.rows}),
                ),
                [InputTag("mlflow.data.context", "training")],
            )
            for table in tables
        ]
        self.client.log_inputs(run_id, inputs)

    @contextmanager
    def watching_the_machine(self, run_id: str) -> Iterator[None]:
        """Log the machine's load to the run while the block runs: ``system/…`` metrics."""
        if run_id.startswith(PENDING):  # the sampler talks to the server past the outbox
            yield
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, sampling_interval=SECONDS_BETWEEN_SAMPLES)
        monitor.start()
        try:
            yield
        finally:
            monitor.finish()

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        for name, value in tags.items():
            self.client.set_tag(run_id, name, value)

    def describe(self, run_id: str, markdown: str) -> None:
        """The text that MLflow shows on top of the run's page."""
        self.client.set_tag(run_id, NOTE_TAG, markdown)

    def describe_experiment(self, markdown: str) -> None:
        """The text above every table of the experiment; folded, its first line is shown."""
        self.client.set_experiment_tag(self.experiment_id, NOTE_TAG, markdown)

    def save_view(self, view: SavedView) -> None:
        """Keep a table of runs, in the place of an earlier one with its key."""
        self.client.set_experiment_tag(self.experiment_id, *view.tag())

    def runs_page(self, view: str = MODELS_VIEW) -> str:
        """Path of the page that lists the runs, by a saved view where that one is there.

        Without the mode MLflow opens another page; a view that is not there is an error on it.
        """
        page = f"/#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"
        experiment = self.client.get_experiment(self.experiment_id)
        is_there = experiment is not None and view_tag(view) in experiment.tags
        return f"{page}&viewStateShareKey={view}" if is_there else page


def point_mlflow_at(home: Home, uri: str = "") -> None:
    """Have MLflow's own functions, in this process, read the home's store (or the server ``uri``).

    MLflow is not imported for it, which would take seconds: where it is not there yet it reads
    its variables when it comes. The home opened last counts.
    """
    _quieten_mlflow()
    if not uri:
        relocate_if_moved(home)
    address = _without_credentials(uri) or sqlite_address(home.mlflow_database)
    os.environ["MLFLOW_TRACKING_URI"] = os.environ["MLFLOW_REGISTRY_URI"] = address
    if "mlflow" in sys.modules:
        import mlflow

        _forget_earlier_homes()
        mlflow.set_tracking_uri(address)
        mlflow.set_registry_uri(address)


def _quieten_mlflow() -> None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    # Minutes of retries inside MLflow would hide that its server is away.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")


def _forget_earlier_homes() -> None:
    """Empty MLflow's memory of where each run keeps its files.

    It goes by the run's id alone, for the life of the process: after a look at a home, its copy
    would write the files of the same run into the original.
    """
    from mlflow.tracking._tracking_service import utils

    utils._artifact_repos_cache.clear()  # noqa: SLF001  # nothing public empties it


def _without_credentials(uri: str) -> str:
    """A server's address without name and password, which MLflow takes from its variables."""
    if not uri.startswith(("http://", "https://")):
        return uri
    address, user, password = split_credentials(uri)
    if user:
        os.environ["MLFLOW_TRACKING_USERNAME"] = user
        os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    return address


def _create_database(database: Path) -> None:
    """Make MLflow's database under another name, then rename it.

    A database whose migrations were killed half-way can neither be used nor migrated again.
    """
    if database.exists():
        return
    from mlflow import MlflowClient

    draft = database.with_name(f".{database.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    MlflowClient(tracking_uri=sqlite_address(draft)).search_experiments(max_results=1)
    draft.replace(database)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
