"""MLflow: runs, metrics, models and their aliases, all in one SQLite file under the home.

The only module, beside the served model itself, that imports MLflow. Everything here can
be looked at with ``stayrank dashboards``; nothing here decides anything about the models.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import psutil

from pipelines import late_models
from pipelines.home import Home
from pipelines.outbox import PENDING, Outbox
from pipelines.spooling import SpoolingClient

__all__ = [
    "CHAMPION",
    "RANKER_MODEL",
    "RUN_TAG",
    "TOWER_MODEL",
    "InputTable",
    "Registration",
    "Tracking",
]

EXPERIMENT = "stayrank"
RANKER_MODEL = "stayrank-ranker"
TOWER_MODEL = "stayrank-two-tower"
CHAMPION = "champion"
PROCESS_TAG = "stayrank.process"
RUN_TAG = "stayrank.run"

SECONDS_BETWEEN_SAMPLES = 5

# MLflow's own limits: a request over them is refused whole.
METRICS_PER_REQUEST = 1_000
PARAMS_PER_REQUEST = 100
PARAM_CHARACTERS = 6_000


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A model to register.

    Attributes:
        name: of the registered model.
        code: the file that serves it.
        artifacts: name → folder of the model's own files; one of them.
        signature, input_example: as MLflow makes them.
        requirements: pinned packages that serving needs.
        tags: of the new version.
    """

    name: str
    code: Path
    artifacts: Mapping[str, Path]
    signature: Any
    input_example: Any
    requirements: list[str]
    tags: Mapping[str, str]


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
        take wait in the home's outbox (:mod:`pipelines.spooling`).
        """
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("DO_NOT_TRACK", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        # Minutes of retries inside MLflow would hide that its server is away.
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
        import mlflow

        is_served = bool(uri)
        if not is_served:
            _make_whole(home.mlflow_database)
        uri = uri or f"sqlite:///{home.mlflow_database.resolve()}"
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

    def start_run(self, name: str, *, parent: str | None = None, tags: Mapping[str, str]) -> str:
        """Start a run, a child of ``parent`` when given; returns its id."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        all_tags = {**tags, PROCESS_TAG: str(os.getpid())}
        if parent is not None:
            all_tags[MLFLOW_PARENT_RUN_ID] = parent
        run = self.client.create_run(self.experiment_id, run_name=name, tags=all_tags)
        return str(run.info.run_id)

    def end_abandoned(self) -> int:
        """End the runs whose process is gone; returns how many there were.

        They were killed, but for a training whose record is on disk: that one is whole, and
        only this last word was missing.
        """
        running = self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'")
        abandoned = [
            run
            for run in running
            if not psutil.pid_exists(int(run.data.tags.get(PROCESS_TAG, "-1")))
        ]
        for run in abandoned:
            is_whole = self._has_record(run.data.tags.get(RUN_TAG, ""))
            self.client.set_terminated(run.info.run_id, status="FINISHED" if is_whole else "KILLED")
        return len(abandoned)

    def _has_record(self, run: str) -> bool:
        return bool(run) and self.home.record_of(run).is_file()

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

    def register_model(self, run_id: str, given: Registration) -> None:
        """Log a pyfunc made of our code and files, never of a pickle, as a new version.

        Where the server is away the registration waits in the outbox.
        """
        client = self.client
        if isinstance(client, SpoolingClient):
            client.register(
                run_id,
                lambda: self._register_now(run_id, given),
                lambda: late_models.as_json(vars(given), client.keep_files),
            )
        else:
            self._register_now(run_id, given)

    def _register_late(self, run_id: str, **kept: Any) -> None:
        if self.version_of_run(kept["name"], run_id) is None:
            self._register_now(run_id, Registration(**late_models.from_json(kept)))

    def _register_now(self, run_id: str, given: Registration) -> None:
        import mlflow

        with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
            # MLflow's hint on integer columns: every integer is passed as a float here.
            warnings.simplefilter("ignore", UserWarning)
            mlflow.pyfunc.log_model(
                name="served",
                python_model=str(given.code),
                artifacts={key: str(folder) for key, folder in given.artifacts.items()},
                signature=given.signature,
                input_example=given.input_example,
                pip_requirements=given.requirements,
                registered_model_name=given.name,
            )
        made = self.version_of_run(given.name, run_id)
        if made is not None:
            run = self.client.get_run(run_id).data.tags.get(RUN_TAG, "")
            self.set_version_tags(given.name, made, {**given.tags, RUN_TAG: run})

    def version_of_run(self, name: str, run_id: str) -> str | None:
        """The version of a registered model that a run made; ``None`` when it made none."""
        found = self.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        return str(found[0].version) if found else None

    def set_alias(self, name: str, alias: str, model_version: str) -> None:
        """Point an alias, such as ``champion``, at a version."""
        self.client.set_registered_model_alias(name, alias, model_version)

    def set_version_tags(self, name: str, model_version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(name, model_version, key, value)

    def run_with_tag(self, tag: str, value: str) -> str | None:
        """The id of the newest run whose ``tag`` has this value; ``None`` without one."""
        found = self.client.search_runs([self.experiment_id], f"tags.`{tag}` = '{value}'")
        return str(found[0].info.run_id) if found else None

    def deliver(self) -> int:
        """Log what waits in the outbox; how many calls are left because MLflow is away."""
        if not isinstance(self.client, SpoolingClient):
            return 0
        return self.client.deliver(EXPERIMENT, self._register_late)

    def version_at(self, name: str, alias: str) -> str | None:
        """The version that an alias points at; ``None`` when there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(name, alias).version)
        except MlflowException:
            return None

    def delete_alias(self, name: str, alias: str) -> None:
        self.client.delete_registered_model_alias(name, alias)

    def tags_of_version(self, name: str, model_version: str) -> dict[str, str]:
        """The tags of a registered version; empty where there is no such version."""
        from mlflow.exceptions import MlflowException

        try:
            return dict(self.client.get_model_version(name, model_version).tags)
        except MlflowException:
            return {}

    def version_of_pipeline_run(self, name: str, run: str) -> str | None:
        """The latest version whose tag ``stayrank.run`` is this run; ``None`` without one."""
        found = self.client.search_model_versions(
            f"name = '{name}' and tag.`stayrank.run` = '{run}'"
        )
        return str(max(int(v.version) for v in found)) if found else None

    def files_of_version(self, name: str, model_version: str) -> Path:
        """The folder of a version's files, fetched first where the store is not local.

        Raises ``OSError`` when they cannot be had.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{model_version}"))
        except MlflowException as error:
            raise OSError(str(error)) from error

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
        if run_id.startswith(PENDING):  # not worth waiting for
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
        self.client.set_tag(run_id, "mlflow.note.content", markdown)

    def runs_page(self) -> str:
        """Path of the page that lists the runs; without the mode MLflow opens another one."""
        return f"/#/experiments/{self.experiment_id}/runs?workflowType=machine_learning"


def _make_whole(database: Path) -> None:
    """Make the database beside its place and rename it: cut off while its tables are made,
    it could neither be used nor made again."""
    if database.exists():
        return
    from mlflow import MlflowClient

    draft = database.with_name(f".{database.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    MlflowClient(tracking_uri=f"sqlite:///{draft.resolve()}").search_experiments(max_results=1)
    draft.replace(database)


def _flat(params: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
