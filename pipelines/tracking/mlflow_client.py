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


def is_away(error: Exception) -> bool:
    """Whether an error says that the server, or the database behind it, is not there."""
    import requests
    from mlflow.exceptions import MlflowException

    if isinstance(error, requests.exceptions.RequestException | ConnectionError | TimeoutError):
        return True
    if not isinstance(error, MlflowException):
        return False
    # A server whose database is restarting answers with a status of its own fault.
    told = ("API request to", "Max retries exceeded", "Connection refused")
    return error.get_http_status_code() >= 500 or any(words in str(error) for words in told)


@dataclass(frozen=True)
class SpoolingClient:
    """The calls of ``MlflowClient`` that :class:`pipelines.tracking.tracking.Tracking` makes.

    Once something waits, everything waits behind it, so that the order stays. Questions
    are answered as if nothing were there while the server is away.
    """

    client: Any
    outbox: Outbox

    def experiment(self, name: str) -> str:
        """The experiment's id, made at the first use; empty while the server is away."""
        found = self._asked(lambda: self.client.get_experiment_by_name(name))
        if found is not None:
            return str(found.experiment_id)
        return str(self._asked(lambda: self.client.create_experiment(name)) or "")

    def create_run(self, experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Any:
        pending = f"{PENDING}{uuid4().hex}"
        given = {"run_name": run_name, "tags": {**tags, OUTBOX_TAG: pending}}

        def now() -> Any:
            return self.client.create_run(experiment_id, **given)

        made = None
        if experiment_id:
            made = self._now_or_later(now, "create_run", pending=pending, **given)
        else:
            self.outbox.put("create_run", pending=pending, **given)
        return made or SimpleNamespace(info=SimpleNamespace(run_id=pending))

    def log_batch(
        self, run_id: str, metrics: Iterable[Any] = (), params: Iterable[Any] = ()
    ) -> None:
        metrics, params = list(metrics), list(params)
        self._of_run(
            run_id,
            lambda: self.client.log_batch(run_id, metrics=metrics, params=params),
            "log_batch",
            metrics=[[m.key, m.value, m.timestamp, m.step] for m in metrics],
            params=[[p.key, p.value] for p in params],
        )

    def log_artifact(self, run_id: str, path: str, to: str | None = None) -> None:
        self._files("log_artifact", run_id, path, to)

    def log_artifacts(self, run_id: str, path: str, to: str | None = None) -> None:
        self._files("log_artifacts", run_id, path, to)

    def log_table(self, run_id: str, data: Any, artifact_file: str) -> None:
        self._of_run(
            run_id,
            lambda: self.client.log_table(run_id, data, artifact_file),
            "log_table",
            data=data.to_json(orient="split", index=False),
            artifact_file=artifact_file,
        )

    def log_inputs(self, run_id: str, inputs: Iterable[Any]) -> None:
        inputs = list(inputs)
        self._of_run(
            run_id,
            lambda: self.client.log_inputs(run_id, inputs),
            "log_inputs",
            inputs=[given.to_dictionary() for given in inputs],
        )

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        self._of_run(
            run_id,
            lambda: self.client.set_tag(run_id, key, value),
            "set_tag",
            key=key,
            value=str(value),
        )

    def set_terminated(self, run_id: str, status: str) -> None:
        self._of_run(
            run_id,
            lambda: self.client.set_terminated(run_id, status=status),
            "set_terminated",
            status=status,
        )

    def register(
        self, run_id: str, now: Callable[[], None], later: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Log a model with ``now``, or keep what ``later`` gives."""
        if not self._must_wait(run_id):
            try:
                now()
            except Exception as error:
                if not is_away(error):
                    raise
            else:
                return
        self.outbox.put("register_model", run_id=run_id, **later())

    def keep_files(self, path: Path) -> str:
        return self.outbox.keep_files(path)

    def search_runs(self, *given: Any, **named: Any) -> list[Any]:
        return list(self._asked(lambda: self.client.search_runs(*given, **named)) or ())

    def search_model_versions(self, *given: Any, **named: Any) -> list[Any]:
        return list(self._asked(lambda: self.client.search_model_versions(*given, **named)) or ())

    def __getattr__(self, name: str) -> Any:
        # What decides (aliases, versions) is never made later: it fails while MLflow is away.
        return getattr(self.client, name)

    def deliver(self, experiment: str, register: Callable[..., None]) -> int:
        """Make the waiting calls; returns how many are left."""
        experiment_id = self.experiment(experiment) if self.outbox.waiting() else ""
        if not experiment_id:
            return len(self.outbox.waiting())

        def make(call: str, given: Mapping[str, Any]) -> None:
            try:
                self._make(call, dict(given), experiment_id, register)
            except Exception as error:
                if is_away(error):
                    raise ConnectionError(str(error)) from error
                raise

        return self.outbox.deliver(make)

    def _make(
        self, call: str, given: dict[str, Any], experiment_id: str, register: Callable[..., None]
    ) -> None:
        if call == "create_run":
            self._create_late(given, experiment_id)
            return
        run_id = self.outbox.real_id(given.pop("run_id"))
        if call == "register_model":
            register(run_id, **given)
        elif call == "log_batch":
            self._log_late(run_id, given)
        elif call == "log_inputs":
            self.client.log_inputs(run_id, [_dataset(kept) for kept in given["inputs"]])
        elif call == "log_table":
            import pandas as pd

            data = pd.read_json(StringIO(given["data"]), orient="split")
            self.client.log_table(run_id, data, given["artifact_file"])
        else:
            getattr(self.client, call)(run_id, **given)

    def _create_late(self, given: dict[str, Any], experiment_id: str) -> None:
        pending = given.pop("pending")
        wanted = f"tags.`{OUTBOX_TAG}` = '{pending}'"
        found = self.client.search_runs([experiment_id], wanted)
        parent = given["tags"].get("mlflow.parentRunId")
        if parent:
            given["tags"]["mlflow.parentRunId"] = self.outbox.real_id(parent)
        run = found[0] if found else self.client.create_run(experiment_id, **given)
        self.outbox.learn_id(pending, run.info.run_id)

    def _log_late(self, run_id: str, given: dict[str, Any]) -> None:
        from mlflow.entities import Metric, Param

        self.client.log_batch(
            run_id,
            metrics=[Metric(*metric) for metric in given["metrics"]],
            params=[Param(*param) for param in given["params"]],
        )

    def _files(self, call: str, run_id: str, path: str, to: str | None) -> None:
        if not self._must_wait(run_id):
            try:
                getattr(self.client, call)(run_id, path, to)
            except Exception as error:
                if not is_away(error):
                    raise
            else:
                return
        kept = self.outbox.keep_files(Path(path))
        name = "local_dir" if call == "log_artifacts" else "local_path"
        self.outbox.put(call, run_id=run_id, **{name: kept}, artifact_path=to)

    def _of_run(self, run_id: str, now: Callable[[], Any], call: str, **later: Any) -> None:
        if self._must_wait(run_id):
            self.outbox.put(call, run_id=run_id, **later)
        else:
            self._now_or_later(now, call, run_id=run_id, **later)

    def _must_wait(self, run_id: str) -> bool:
        return run_id.startswith(PENDING) or bool(self.outbox.waiting())

    def _now_or_later(self, now: Callable[[], Any], call: str, **later: Any) -> Any:
        if not self.outbox.waiting():
            try:
                return now()
            except Exception as error:
                if not is_away(error):
                    raise
        self.outbox.put(call, **later)
        return None

    def _asked(self, ask: Callable[[], Any]) -> Any:
        try:
            return ask()
        except Exception as error:
            if is_away(error):
                return None
            raise


def _dataset(kept: Mapping[str, Any]) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    tags = [InputTag(key, value) for key, value in kept["tags"].items()]
    return DatasetInput(Dataset(**kept["dataset"]), tags)
