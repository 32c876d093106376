"""Train the models, each saved whole and logged as a child of one MLflow run."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from data.contract import FEATURES, IMPRESSIONS
from data.errors import DataError
from data.feature_set import FeatureSet
from data.split import Windows
from models.ranker import Ranker
from models.recommender import Recommender
from models.two_tower.recommender import TwoTower
from pipelines.console import ProgressCall
from pipelines.home import Home, write_json
from pipelines.model_logging import log_trained
from pipelines.steps.context import RunContext
from pipelines.steps.featuring import feature_set_of
from pipelines.steps.model_zoo import (
    load_recommender,
    make_recommender,
    names_of,
    tuned_names,
)
from pipelines.steps.rows import attribute_columns, training_rows, windows_of
from pipelines.tracking import facts_of_this_program

__all__ = ["RunRecord", "load_models", "read_record", "train"]

NEEDED_COLUMN = {"cheapest": "listing_total_price", "best_rated": "listing_review_rating"}


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
        return home.runs / self.name / "models" / model


@dataclass(frozen=True)
class TrainingRows:
    """What the models learn from: the features' description, training and validation rows."""

    features: FeatureSet
    train: pa.Table
    valid: pa.Table


def train(context: RunContext, names: Sequence[str] | None = None) -> str:
    """Train these models (default: those of the settings); returns the run's name.

    Models learn from the training window, tune on the validation window, and never see
    the test window. The run becomes the home's latest only when all of it is on disk.
    """
    if not context.lake.exists(FEATURES.name):
        raise DataError(
            f"{context.home.root} holds no features. Build them first: "
            f"stayrank features --home {context.home.root}"
        )
    windows = windows_of(context)
    with context.console.step("loading the training rows"):
        rows = TrainingRows(feature_set_of(context), *training_rows(context, windows))
    chosen, left_out = _trainable(names or names_of(["all"], context.settings), rows.train)
    tables = {t.name: context.version(t.name) for t in (IMPRESSIONS, FEATURES)}
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}-{os.getpid()}"
    described = {
        "windows": windows.describe(),
        "tables": tables,
        "settings": context.settings.model_dump(),
        "rows": {"train": rows.train.num_rows, "valid": rows.valid.num_rows},
    }
    context.tracking.end_abandoned()
    parent = context.tracking.start_run(
        _title(rows.train, windows),
        tags=facts_of_this_program(Path(__file__).parents[2]) | {"stayrank.run": name},
    )
    with context.tracking.closing(parent):
        context.tracking.log_params(parent, described)
        children = {m: _train_one(context, m, rows, name, parent) for m in chosen}
    record = RunRecord(
        name=name,
        parent=parent,
        children=children,
        models=tuple(chosen),
        left_out=left_out,
        windows={"train": windows.train, "valid": windows.valid, "test": windows.test},
        tables=tables,
        seed=context.settings.seed,
        tuned=tuned_names(chosen, context.settings),
    )
    write_json(context.home.runs / name / "run.json", record.__dict__)
    context.home.set_latest_run(name)
    return name


def read_record(home: Home, name: str) -> RunRecord:
    """The record of a run; raises ``DataError`` when it is missing or broken."""
    path = home.runs / name / "run.json"
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
    folder = record.folder_of(context.home, model)
    try:
        return load_recommender(model, folder)
    except (ValueError, OSError) as error:
        raise DataError(f"model {model} in {folder} cannot be loaded: {error}") from error


def _trainable(names: Sequence[str], train: pa.Table) -> tuple[tuple[str, ...], dict[str, str]]:
    """The models that this log can train, and why the others are left out."""
    guests = train["id_user"]
    lacking = {"als": "guests"} if guests.null_count == len(guests) else {}
    lacking |= {n: c for n, c in NEEDED_COLUMN.items() if c not in train.column_names}
    left_out = {name: f"the log names no {lacking[name]}" for name in names if name in lacking}
    return tuple(name for name in names if name not in left_out), left_out


def _train_one(
    context: RunContext, model_name: str, rows: TrainingRows, run: str, parent: str
) -> str:
    """Fit, save and log one model; returns the id of its MLflow run."""
    folder = context.home.runs / run / "models" / model_name
    model = make_recommender(model_name, rows.features, context.settings)
    child = context.tracking.start_run(model_name, parent=parent, tags={"stayrank.run": run})
    with context.tracking.closing(child), context.console.step(f"training {model_name}") as moved:
        try:
            _fit(model, rows, moved)
        except ValueError as error:
            raise DataError(f"model {model_name} cannot be trained on this log: {error}") from error
        shutil.rmtree(folder, ignore_errors=True)
        model.save(folder)
        log_trained(context.tracking, child, model, folder, rows.valid)
    return child


def _fit(model: Recommender, rows: TrainingRows, moved: ProgressCall) -> None:
    if isinstance(model, TwoTower):
        # It sorts and copies what it is given, so it is given what it reads.
        read = [c for c in attribute_columns(rows.features) if c in rows.train.column_names]
        model.fit(rows.train.select(read), rows.valid.select(read), progress=moved)
    elif isinstance(model, Ranker):
        model.fit(rows.train, rows.valid, progress=moved)
    else:
        model.fit(rows.train, rows.valid)


def _title(train: pa.Table, windows: Windows) -> str:
    markets = "+".join(sorted(pc.unique(train["market"]).to_pylist())[:3])
    return f"{markets} {windows.describe()['test'].split('..')[-1]}"
