"""MLflow's registry: the versions of the two registered models, their aliases, tags and files.

A version is named by a string of digits, as MLflow does (``"3"``).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

from pipelines.tracking.about_models import about_model, about_registered
from pipelines.tracking.mlflow_client import SpoolingClient

__all__ = ["CHAMPION", "RANKER_MODEL", "RUN_TAG", "TOWER_MODEL", "ModelVersions", "Registration"]

RANKER_MODEL = "stayrank-ranker"
TOWER_MODEL = "stayrank-two-tower"
CHAMPION = "champion"
RUN_TAG = "stayrank.run"
PYFUNC_MODEL = Path(__file__).with_name("pyfunc_model.py")
"""The code that serves a registered model; MLflow copies the file beside the model."""


@dataclass(frozen=True, kw_only=True)
class Registration:
    """A model to register.

    Attributes:
        name: of the registered model.
        artifacts: name → folder of the model's own files; one of them.
        signature, input_example: as MLflow makes them.
        requirements: pinned packages that serving needs.
        tags: of the new version.
        code: the file that serves it.
        config: what that file is handed: the columns that the model reads.
    """

    name: str
    artifacts: Mapping[str, Path]
    signature: Any
    input_example: Any
    requirements: list[str]
    tags: Mapping[str, str]
    code: Path = PYFUNC_MODEL
    config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The model's name in its run, such as ``ranker``."""
        return next(iter(self.artifacts))


@dataclass(frozen=True)
class ModelVersions:
    """The registered models of one store; :attr:`pipelines.tracking.tracking.Tracking.versions`."""

    client: Any

    def register(self, run_id: str, registration: Registration) -> None:
        """Log a pyfunc made of our code and files, never of a pickle, as a new version.

        Where the server is away the registration waits in the outbox.
        """
        client = self.client
        if isinstance(client, SpoolingClient):
            client.register(
                run_id,
                lambda: self._register_now(run_id, registration),
                lambda: _as_json(registration, client.keep_files),
            )
        else:
            self._register_now(run_id, registration)

    def register_late(self, run_id: str, **arguments: Any) -> None:
        """Register a model that had to wait, unless an earlier delivery has done so."""
        if self.of_run(arguments["name"], run_id) is None:
            self._register_now(run_id, _from_json(arguments))

    def _register_now(self, run_id: str, registration: Registration) -> None:
        import mlflow

        with mlflow.start_run(run_id=run_id), warnings.catch_warnings():
            # MLflow's hint on integer columns: every integer is passed as a float here.
            warnings.simplefilter("ignore", UserWarning)
            mlflow.pyfunc.log_model(
                name=registration.model,
                python_model=str(registration.code),
                artifacts={key: str(folder) for key, folder in registration.artifacts.items()},
                model_config=dict(registration.config) or None,
                signature=registration.signature,
                input_example=registration.input_example,
                pip_requirements=registration.requirements,
                registered_model_name=registration.name,
            )
        version = self.of_run(registration.name, run_id)
        if version is not None:
            run = self.client.get_run(run_id).data.tags.get(RUN_TAG, "")
            self.set_tags(registration.name, version, {**registration.tags, RUN_TAG: run})
            trained = f" Trained in run {run}." if run else ""
            self.describe(registration.name, version, about_model(registration.model) + trained)
        self.client.update_registered_model(registration.name, about_registered(registration.model))

    def of_run(self, name: str, run_id: str) -> str | None:
        """The version of a registered model that a run made; ``None`` when it made none."""
        versions = self.client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
        return str(versions[0].version) if versions else None

    def set_alias(self, name: str, alias: str, model_version: str) -> None:
        """Point an alias, such as ``champion``, at a version."""
        self.client.set_registered_model_alias(name, alias, model_version)

    def set_tags(self, name: str, model_version: str, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(name, model_version, key, value)

    def describe(self, name: str, model_version: str, text: str) -> None:
        """The text on top of a version's page."""
        self.client.update_model_version(name, model_version, text)

    def at(self, name: str, alias: str) -> str | None:
        """The version that an alias points at; ``None`` when there is none."""
        from mlflow.exceptions import MlflowException

        try:
            return str(self.client.get_model_version_by_alias(name, alias).version)
        except MlflowException:
            return None

    def delete_alias(self, name: str, alias: str) -> None:
        self.client.delete_registered_model_alias(name, alias)

    def tags(self, name: str, model_version: str) -> dict[str, str]:
        """The tags of a registered version; empty where there is no such version."""
        from mlflow.exceptions import MlflowException

        try:
            return dict(self.client.get_model_version(name, model_version).tags)
        except MlflowException:
            return {}

    def of_pipeline_run(self, name: str, run: str) -> str | None:
        """The latest version whose tag ``stayrank.run`` is this run; ``None`` without one."""
        versions = self.client.search_model_versions(
            f"name = '{name}' and tag.`stayrank.run` = '{run}'"
        )
        return str(max(int(v.version) for v in versions)) if versions else None

    def files(self, name: str, model_version: str) -> Path:
        """The folder of a version's files, fetched first where the store is not local.

        Raises ``OSError`` when they cannot be had.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        try:
            return Path(mlflow.artifacts.download_artifacts(f"models:/{name}/{model_version}"))
        except MlflowException as error:
            raise OSError(str(error)) from error


def _as_json(registration: Registration, keep_files: Callable[[Path], str]) -> dict[str, Any]:
    """A registration that has to wait, as JSON; ``keep_files`` copies a folder."""
    example = registration.input_example
    return {
        **vars(registration),
        "code": str(registration.code),
        "artifacts": {name: keep_files(folder) for name, folder in registration.artifacts.items()},
        "signature": registration.signature.to_dict(),
        "input_example": example.to_json(orient="split", index=False),
    }


def _from_json(content: Mapping[str, Any]) -> Registration:
    """What :func:`_as_json` wrote, as a registration again."""
    import pandas as pd
    from mlflow.models import ModelSignature

    example = pd.read_json(StringIO(content["input_example"]), orient="split", dtype=False)
    # It may have waited while the checkout moved, or the file in it.
    code = Path(content["code"])
    return Registration(
        **{
            **content,
            "code": code if code.is_file() else PYFUNC_MODEL,
            "artifacts": {name: Path(folder) for name, folder in content["artifacts"].items()},
            "signature": ModelSignature.from_dict(content["signature"]),
            "input_example": example,
        }
    )
