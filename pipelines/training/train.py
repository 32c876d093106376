"""Train the models, each saved whole and logged as a child of one MLflow run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.compute as pc

from data.errors import DataError
from data.schema.tables import FEATURES, IMPRESSIONS
from data.time_split import Windows
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank
from models.lightgbm_core.dask_trainer import DaskTrainer
from models.row_source import Rows, by_batches, narrowed, read, read_all
from pipelines.config.home import write_json
from pipelines.config.home_use import uses_home
from pipelines.config.memory import release_memory
from pipelines.config.settings import SettingsError
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.judged_rows import with_click_worth
from pipelines.feature_table.training_rows import training_windows, windows_of
from pipelines.run_context import RunContext
from pipelines.tracking.about_models import about_model
from pipelines.tracking.model_checksums import write_manifest
from pipelines.tracking.model_logging import log_trained
from pipelines.tracking.ranker_charts import first_searches
from pipelines.tracking.run_environment import run_environment
from pipelines.tracking.tracking import NOTE_TAG, InputTable
from pipelines.training.exposure_policy import EXPOSURE_COLUMNS, choose_exposure, log_scores
from pipelines.training.fit_model import TrainingRows, fit_model
from pipelines.training.model_factory import (
    check_settings,
    make_recommender,
    names_of,
    tuned_names,
)
from pipelines.training.run_record import RunRecord
from pipelines.training.train_availability import train_availability

__all__ = ["train"]

NEEDED_COLUMN = {"cheapest": "listing_total_price", "best_rated": "listing_review_rating"}


@dataclass(frozen=True, kw_only=True)
class _Destination:
    """Where a trained model goes (run, MLflow parent), and the cluster that trains it, if any."""

    run: str
    parent: str
    dask: str | None


@uses_home
def train(
    context: RunContext, names: Sequence[str] | None = None, *, dask: str | None = None
) -> str:
    """Train these models (default: those of the settings); returns the run's name.

    ``dask`` is the address of a scheduler on whose workers lambdarank is trained.
    Models learn from the training window, tune on the validation window, and never see
    the test window. What was tuned is fitted again on both windows by the baselines, ALS,
    lambdarank and the ranker: their scores of the validation window judge nothing, and what is
    chosen there goes by scores that did not learn from it. The run becomes the home's latest only
    when all of it is on disk. Raises ``SettingsError`` for a model that is not known, or a
    cluster that has nothing to train.
    """
    check_settings(context.settings)
    wanted = tuple(names or names_of(["all"], context.settings))
    if dask and LambdaRank.name not in wanted:
        raise SettingsError(
            f"a Dask cluster trains lambdarank alone, which is not among {', '.join(wanted)}. "
            f"Write: stayrank train lambdarank --dask {dask}"
        )
    windows = _windows(context)
    rows = TrainingRows(feature_set_of(context), *training_windows(context, windows))
    with context.console.step("valuing clicks"):
        rows = replace(rows, valid=with_click_worth(context, rows.train, rows.valid, windows))
    chosen, left_out = _trainable(wanted, rows.train)
    tables = {t.name: context.version(t.name) for t in (IMPRESSIONS, FEATURES)}
    name = f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}-{os.getpid()}"
    parent = _start_parent(context, rows, windows, name, tables)
    watching = context.tracking.watching_the_machine(parent)
    with context.tracking.closing(parent), watching:
        destination = _Destination(run=name, parent=parent, dask=dask)
        children = {m: _train_one(context, m, rows, destination) for m in chosen}
        if "ranker" in chosen:
            with context.console.step("learning which nights are free"):
                train_availability(context, name, end_day=windows.test[0])
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
        # Before MLflow calls it finished: with its record on disk a run is whole, and whoever
        # comes after a kill closes it in MLflow. The other way round it would be trained
        # again beside a finished run that nobody has.
        write_json(context.home.record_of(name), asdict(record))
        context.home.set_latest_run(name)
    return name


def _windows(context: RunContext) -> Windows:
    context.refuse_without(FEATURES.name, "features")
    return windows_of(context)


def _start_parent(
    context: RunContext, rows: TrainingRows, windows: Windows, name: str, tables: dict[str, int]
) -> str:
    """The MLflow run of the whole pipeline run, with what it read and what made it."""
    tracking = context.tracking
    tracking.end_abandoned()
    tags = run_environment(Path(__file__).parents[2]) | {"stayrank.run": name}
    days = windows.describe()
    words = {window: text.replace("..", " to ") for window, text in days.items()}
    about = (
        f"Models trained on {words['train']}, tuned on {words['valid']}, to be judged on "
        f"{words['test']}: not evaluated yet."
    )
    parent = tracking.start_run(_title(rows.train, windows), tags=tags | {NOTE_TAG: about})
    params = {
        "windows": days,
        "tables": tables,
        "settings": context.settings.model_dump(),
        "rows": {"train": rows.train.num_rows, "valid": rows.valid.num_rows},
    }
    tracking.log_params(parent, params)
    tracking.log_inputs(parent, [_input(context, *table) for table in tables.items()])
    return parent


def _input(context: RunContext, name: str, version: int) -> InputTable:
    lake = context.lake
    rows = lake.rows(name, version=version)
    return InputTable(name=name, path=lake.path(name).resolve(), version=version, rows=rows)


def _trainable(names: Sequence[str], train: Rows) -> tuple[tuple[str, ...], dict[str, str]]:
    """The models that this log can train, and why the others are left out."""
    guests = read(train, ["id_user"])["id_user"]
    lacking = {"als": "guests"} if guests.null_count == len(guests) else {}
    lacking |= {n: c for n, c in NEEDED_COLUMN.items() if c not in train.schema.names}
    left_out = {name: f"the log names no {lacking[name]}" for name in names if name in lacking}
    return tuple(name for name in names if name not in left_out), left_out


def _train_one(
    context: RunContext, model_name: str, rows: TrainingRows, destination: _Destination
) -> str:
    """Fit, save and log one model; returns the id of its MLflow run."""
    folder = context.home.runs / destination.run / "models" / model_name
    model = make_recommender(model_name, rows.features, context.settings)
    if isinstance(model, LambdaRank) and destination.dask:
        model.trainer = DaskTrainer(destination.dask)
    tags = {"stayrank.run": destination.run, NOTE_TAG: about_model(model_name)}
    child = context.tracking.start_run(model_name, parent=destination.parent, tags=tags)
    with (
        context.tracking.closing(child),
        context.console.step(f"training {model_name}") as report_progress,
    ):
        try:
            curves = fit_model(context, model, rows, report_progress)
        except (ValueError, OSError) as error:
            raise DataError(f"model {model_name} cannot be trained: {error}") from error
        shutil.rmtree(folder, ignore_errors=True)
        model.save(folder)
        write_manifest(folder)
        log_trained(context.tracking, child, model, folder, first_searches(rows.valid), curves)
        if isinstance(model, FunnelModel):
            _choose_exposure(context, model, rows.valid, destination.run, child)
    # The next model makes tables of its own.
    del model
    release_memory()
    return child


def _choose_exposure(
    context: RunContext, model: FunnelModel, valid: Rows, run: str, child: str
) -> None:
    scores = log_scores(by_batches(valid, valid.schema.names, model.score_held_out))
    most_loss = context.settings.recommendation.most_loss
    judged = read_all(narrowed(valid, EXPOSURE_COLUMNS))
    curve = choose_exposure(scores, judged, context.home.runs / run, most_loss=most_loss)
    if curve.num_rows:
        context.tracking.log_table(child, curve.to_pandas(), "exposure_curve.json")


def _title(train: Rows, windows: Windows) -> str:
    markets = "+".join(sorted(pc.unique(read(train, ["market"])["market"]).to_pylist())[:3])
    return f"{markets} {windows.describe()['test'].split('..')[-1]}"
