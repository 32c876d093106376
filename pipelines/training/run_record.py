"""What a training run was made of, and its models as they were saved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import DataError
from pipelines.config.home import Home
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import check_manifest

if TYPE_CHECKING:
    from models.recommender import Recommender

__all__ = ["RunRecord", "load_models", "load_one", "read_record"]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What a training run was made of; ``run.json`` in its folder.

    Attributes:
        name: the run's name, also that of its folder.
        parent: MLflow id of the pipeline run.
        children: model name → MLflow id of its run.
        models: names of the models trained.
        left_out: model name → why it was not trained.
        windows: split name → first and last day, days since 1970.
        tables: table name → version read.
        seed: of every model.
        tuned: models whose settings were searched on the validation window.
    """

    name: str
    parent: str
    children: dict[str, str]
    models: tuple[str, ...]
    left_out: dict[str, str]
    windows: dict[str, tuple[int, int]]
    tables: dict[str, int]
    seed: int
    tuned: tuple[str, ...]

    def folder_of(self, home: Home, model: str) -> Path:
        return home.run_folder(self.name) / "models" / model


def read_record(home: Home, name: str) -> RunRecord:
    """The record of a run; raises ``DataError`` when it is missing or broken."""
    path = home.record_of(name)
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        content["windows"] = {k: (v[0], v[1]) for k, v in content["windows"].items()}
        names = {key: tuple(content[key]) for key in ("models", "tuned")}
        return RunRecord(**{**content, **names})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not the record of a whole run ({error}). Train again.") from error


def load_models(context: RunContext, record: RunRecord) -> dict[str, Recommender]:
    """The run's models as they were saved, by name."""
    return {m: load_one(context, record, m) for m in record.models}


def load_one(context: RunContext, record: RunRecord, model: str) -> Recommender:
    """One model of the run; raises ``DataError`` naming the folder when it is damaged."""
    # Every model's library: seconds, for which no reader of a record should wait.
    from pipelines.training.model_factory import load_recommender

    folder = record.folder_of(context.home, model)
    check_manifest(folder)
    try:
        return load_recommender(model, folder)
    except (ValueError, OSError, KeyError, TypeError) as error:
        # The last two: written whole by another version, whose settings had other names.
        raise DataError(
            f"model {model} in {folder} cannot be loaded: {error}. Train again: "
            f"stayrank train {model.replace('_', '-')}"
        ) from error
