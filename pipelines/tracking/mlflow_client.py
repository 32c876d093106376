"""An MLflow client whose server may go away: what cannot be sent goes to the outbox."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from pipelines.tracking.outbox import OUTBOX_TAG, PENDING, Outbox

__all__ = ["SpoolingClient", "is_away"]

CONNECTION_FAILURES = ("API request to", "Max retries exceeded", "Connection refused")


def is_away(error: Exception) -> bool:
    """Whether an error says that the server, or the database behind it, is not there."""
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, requests.exceptions.RequestException | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, MlflowException):
        return False
    # A server whose database is restarting answers with a status of its own fault.
    is_server_fault = error.get_http_status_code() >= 500
    return is_server_fault or any(words in str(error) for words in CONNECTION_FAILURES)


@dataclass(frozen=True)
class SpoolingClient:
    """The calls of ``MlflowClient`` that :class:`pipelines.tracking.tracking.Tracking` makes.

    Calls that write are sent, or put into the outbox while the server is away. Once one call
    waits, every later one waits behind it: MLflow must get a run before its metrics, and its
    metrics before its end. Calls that read are answered as if the store were empty while the
    server is away.
    """

    client: Any
    outbox: Outbox

    def experiment(self, name: str) -> str:
        """The experiment's id, made at the first use; empty while the server is away."""
        experiment = self._read(lambda: self.client.get_experiment_by_name(name))
        if experiment is not None:
            return str(experiment.experiment_id)
        return str(self._read(lambda: self.client.create_experiment(name)) or "")

    def create_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Any:
        """The new run, or a stand-in with a pending id that :meth:`deliver` makes real."""
        pending = f"{PENDING}{uuid4().hex}"
        arguments = {"run_name": run_name, "tags": {**tags, OUTBOX_TAG: pending}}

        def send() -> Any:
            return self.client.create_run(experiment_id, **arguments)

        run = None
        if experiment_id:
            run = self._send("create_run", send, lambda: {"pending": pending, **arguments})
        else:  # the server was away already when the experiment was looked up
            self.outbox.put("create_run", pending=pending, **arguments)
        return run or SimpleNamespace(info=SimpleNamespace(run_id=pending))

    def log_batch(
        self, run_id: str, metrics: Iterable[Any] = (), params: Iterable[Any] = ()
    ) -> None:
        metrics, params = list(metrics), list(params)
        self._send_of_run(
            "log_batch",
            run_id,
            lambda: self.client.log_batch(run_id, metrics=metrics, params=params),
            lambda: {
                "metrics": [[m.key, m.value, m.timestamp, m.step] for m in metrics],
                "params": [[p.key, p.value] for p in params],
            },
        )

    def log_artifact(self, run_id: str, path: str, to: str | None = None) -> None:
        self._send_of_run(
            "log_artifact",
            run_id,
            lambda: self.client.log_artifact(run_id, path, to),
            lambda: {"local_path": self.outbox.keep_files(Path(path)), "artifact_path": to},
        )

    def log_artifacts(self, run_id: str, path: str, to: str | None = None) -> None:
        self._send_of_run(
            "log_artifacts",
            run_id,
            lambda: self.client.log_artifacts(run_id, path, to),
            lambda: {"local_dir": self.outbox.keep_files(Path(path)), "artifact_path": to},
        )

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        self._send_of_run(
            "log_table",
            run_id,
            lambda: self.client.log_table(run_id, data, artifact_file),
            lambda: {
                "data": data.to_json(orient="split", index=False),
                "artifact_file": artifact_file,
            },
        )

    def log_inputs(self, run_id: str, inputs: Iterable[Any]) -> None:
        inputs = list(inputs)
        self._send_of_run(
            "log_inputs",
            run_id,
            lambda: self.client.log_inputs(run_id, inputs),
            lambda: {"inputs": [dataset.to_dictionary() for dataset in inputs]},
        )

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._send_of_run(
            "set_tag",
            run_id,
            lambda: self.client.set_tag(run_id, key, value),
            lambda: {"key": key, "value": str(value)},
        )

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """A tag of the experiment; runs that are pending may be named in it."""
        arguments = {"key": key, "value": value}

        def send() -> None:
            self.client.set_experiment_tag(experiment_id, key, self.outbox.with_real_ids(value))

        if experiment_id:
            self._send("set_experiment_tag", send, lambda: arguments)
        else:  # the server was away already when the experiment was looked up
            self.outbox.put("set_experiment_tag", **arguments)

    def set_terminated(self, run_id: str, status: str) -> None:
        self._send_of_run(
            "set_terminated",
            run_id,
            lambda: self.client.set_terminated(run_id, status=status),
            lambda: {"status": status},
        )

    def register(
        self, run_id: str, send: Callable[[], None], arguments: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Register a model with ``send``; where it has to wait, keep ``arguments()``."""
        self._send_of_run("register_model", run_id, send, arguments)

    def keep_files(self, path: Path) -> str:
        return self.outbox.keep_files(path)

    def get_experiment(self, experiment_id: str) -> Any:
        """The experiment; ``None`` while the server is away."""
        return self._read(lambda: self.client.get_experiment(experiment_id))

    def search_runs(self, *args: Any, **kwargs: Any) -> list[Any]:
        return list(self._read(lambda: self.client.search_runs(*args, **kwargs)) or ())

    def search_model_versions(self, *args: Any, **kwargs: Any) -> list[Any]:
        return list(self._read(lambda: self.client.search_model_versions(*args, **kwargs)) or ())

    def __getattr__(self, name: str) -> Any:
        # What decides (aliases, versions) is never made later: it fails while MLflow is away.
        return getattr(self.client, name)

    def deliver(self, experiment: str, register: Callable[..., None]) -> int:
        """Make the waiting calls; returns how many are left.

        ``register(run_id, **arguments)`` registers a model that had to wait.
        """
        experiment_id = self.experiment(experiment) if self.outbox.waiting() else ""
        if not experiment_id:
            return len(self.outbox.waiting())

        def make(call: str, arguments: Mapping[str, Any]) -> None:
            try:
                self._replay(call, dict(arguments), experiment_id, register)
            except Exception as error:
                # MLflow's many ways to say so become the one that stops a delivery.
                if is_away(error):
                    raise ConnectionError(str(error)) from error
                raise

        return self.outbox.deliver(make)

    def _replay(
        self,
        call: str,
        arguments: dict[str, Any],
        experiment_id: str,
        register: Callable[..., None],
    ) -> None:
        """Make one waiting call, its JSON arguments turned back into MLflow's entities."""
        if call == "create_run":
            self._create_late(arguments, experiment_id)
            return
        if call == "set_experiment_tag":
            value = self.outbox.with_real_ids(arguments["value"])
            self.client.set_experiment_tag(experiment_id, arguments["key"], value)
            return
        run_id = self.outbox.real_id(arguments.pop("run_id"))
        if call == "register_model":
            register(run_id, **arguments)
        elif call == "log_batch":
            self._log_batch_late(run_id, arguments)
        elif call == "log_inputs":
            self.client.log_inputs(run_id, [_dataset(item) for item in arguments["inputs"]])
        elif call == "log_table":
            import pandas as pd

            data = pd.read_json(StringIO(arguments["data"]), orient="split")
            self.client.log_table(run_id, data, arguments["artifact_file"])
        else:
            getattr(self.client, call)(run_id, **arguments)

    def _create_late(self, arguments: dict[str, Any], experiment_id: str) -> None:
        # Killed between MLflow's answer and the next line, an earlier delivery has made this
        # run already: it is found by its tag, not made twice.
        pending = arguments.pop("pending")
        runs = self.client.search_runs([experiment_id], f"tags.`{OUTBOX_TAG}` = '{pending}'")
        parent = arguments["tags"].get("mlflow.parentRunId")
        if parent:
            # The parent may have been pending too; it was delivered before its children.
            arguments["tags"]["mlflow.parentRunId"] = self.outbox.real_id(parent)
        run = runs[0] if runs else self.client.create_run(experiment_id, **arguments)
        self.outbox.learn_id(pending, run.info.run_id)

    def _log_batch_late(self, run_id: str, arguments: dict[str, Any]) -> None:
        from mlflow.entities import Metric, Param

        self.client.log_batch(
            run_id,
            metrics=[Metric(*metric) for metric in arguments["metrics"]],
            params=[Param(*param) for param in arguments["params"]],
        )

    def _send_of_run(
        self,
        call: str,
        run_id: str,
        send: Callable[[], Any],
        arguments: Callable[[], Mapping[str, Any]],
    ) -> None:
        if run_id.startswith(PENDING):  # MLflow has not heard of the run yet
            self.outbox.put(call, run_id=run_id, **arguments())
        else:
            self._send(call, send, lambda: {"run_id": run_id, **arguments()})

    def _send(
        self, call: str, send: Callable[[], Any], arguments: Callable[[], Mapping[str, Any]]
    ) -> Any:
        """The answer of ``send``; ``None`` where the call went to the outbox instead.

        ``arguments()`` is what the outbox keeps. It is a function because making them costs:
        files are copied, tables become JSON.
        """
        if not self.outbox.waiting():
            try:
                return send()
            except Exception as error:
                if not is_away(error):
                    raise
        self.outbox.put(call, **arguments())
        return None

    def _read(self, ask: Callable[[], Any]) -> Any:
        """The answer of ``ask``; ``None`` while the server is away."""
        try:
            return ask()
        except Exception as error:
            if is_away(error):
                return None
            raise


def _dataset(item: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tags = [InputTag(key, value) for key, value in item["tags"].items()]
    return DatasetInput(Dataset(**item["dataset"]), tags)
