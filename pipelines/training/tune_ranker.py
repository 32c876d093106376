"""Search the ranker's settings: a resumable Optuna study, each trial a run in MLflow.

Validation respects time: each fold trains on the days before a day, with the labels that were
known on it, and is judged on that day; the test window is never read. The judged day does
nothing else: a fifth of the guests of the training days say when to stop. The figure is value
DCG@10, by which models are compared (:mod:`models.evaluation.value_dcg`).

    fold    learns from          stops by             judged on
    1       days 1-4, 4 of 5     days 1-4, 1 of 5     day 5
    2       days 1-5, 4 of 5     days 1-5, 1 of 5     day 6
            guests               guests
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import optuna
import pyarrow as pa

from data.errors import DataError
from data.paths import sqlite_address
from data.schema.tables import FEATURES
from data.time_split import Windows
from features.labels import lower_labels
from models.arrow_columns import guest_keys
from models.evaluation.validation_metric import validation_value
from models.funnel.funnel_model import FunnelConfig, FunnelModel
from models.ranking_order import hashed_ids
from pipelines.config.home import write_atomically
from pipelines.config.home_use import uses_home
from pipelines.feature_table.build_table import feature_set_of
from pipelines.feature_table.judged_rows import with_click_worth
from pipelines.feature_table.ranker_rows import with_order_shown
from pipelines.feature_table.training_rows import load_rows, windows_of
from pipelines.run_context import RunContext
from pipelines.tracking.tracking import NOTE_TAG
from pipelines.training.model_factory import ranker_config

__all__ = ["SEARCHED", "Tuned", "tune"]

FOLDS = 2
K = 10
# Of the guests of a fold's training days one in so many stops the training.
STOPPING = 5
ABOUT_TUNING = (
    "A search for better settings of the ranker, on days before the test window. A child is a "
    f"trial, `best` the highest mean of its value DCG@{K} over the folds."
)
ABOUT_TRIAL = f"The ranker with other settings; value_dcg_at_{K} is its figure on each fold."


@dataclass(frozen=True)
class Tuned:
    """The result of a study.

    Attributes:
        study: its name; another log or other features start another study.
        best: the settings of the best trial that differ from ``start``.
        value, start_value: the best trial's figure, and that of the settings as they were.
        trials, pruned: finished ones, and those given up after a fold.
        table: one row per trial, best first: number, value, state, settings.
    """

    study: str
    best: dict[str, Any]
    value: float
    start_value: float
    trials: int
    pruned: int
    table: list[dict[str, Any]]


def _searched(trial: optuna.Trial) -> dict[str, Any]:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 63, log=True),
        "min_rows_per_leaf": trial.suggest_int("min_rows_per_leaf", 50, 3_000, log=True),
        "lambda_l2": trial.suggest_float("lambda_l2", 0.5, 200, log=True),
        "feature_share": trial.suggest_float("feature_share", 0.1, 1.0),
        "unclicked_share": trial.suggest_float("unclicked_share", 0.1, 1.0),
        "extra_trees": trial.suggest_categorical("extra_trees", [True, False]),
    }


SEARCHED = (
    "learning_rate",
    "num_leaves",
    "min_rows_per_leaf",
    "lambda_l2",
    "feature_share",
    "unclicked_share",
    "extra_trees",
)


@uses_home
def tune(context: RunContext, *, budget_s: float, most_trials: int | None = None) -> Tuned:
    """Search until the budget is spent; the next call goes on where this one stopped.

    The settings as they are make the first trial. Writes ``tuned.toml`` into the home, to
    be given as ``--settings``. Raises ``DataError`` where the log has too few days or no
    features, or no search of a fold has an action.
    """
    deadline = time.monotonic() + budget_s
    start = ranker_config(context.settings)
    with context.console.step("loading the folds"):
        folds = list(_folds(context))
    study = _study(context)
    with _parent(context, study.study_name, budget_s) as parent:
        objective = _Objective(context, start, folds, parent)
        with context.console.step(f"tuning for {budget_s:,.0f} s") as report_progress:
            while time.monotonic() < deadline and _goes_on(study, start, most_trials):
                study.optimize(objective, n_trials=1, catch=(ValueError,))
                report_progress(int(budget_s - max(deadline - time.monotonic(), 0)), int(budget_s))
        tuned = _outcome(study, start)
        context.tracking.log_metrics(parent, [("best", tuned.value, 0)])
    _write(context, tuned)
    return tuned


class _Objective:
    """The mean figure over the folds of a ranker with a trial's settings."""

    def __init__(
        self, context: RunContext, start: FunnelConfig, folds: list[_Fold], parent: str
    ) -> None:
        self.context, self.start, self.folds, self.parent = context, start, folds, parent
        self.features = feature_set_of(context)

    def __call__(self, trial: optuna.Trial) -> float:
        config = replace(self.start, **_searched(trial))
        tags = {"stayrank.study": trial.study.study_name, NOTE_TAG: ABOUT_TRIAL}
        child = self.context.tracking.start_run(
            f"trial {trial.number}", parent=self.parent, tags=tags
        )
        with self.context.tracking.closing(child):
            self.context.tracking.log_params(child, {"config": asdict(config)})
            return self._mean_value(trial, config, child)

    def _mean_value(self, trial: optuna.Trial, config: FunnelConfig, child: str) -> float:
        values: list[float] = []
        for step, fold in enumerate(self.folds):
            rows = with_order_shown(self.context, config, fold.train, fold.stopping)
            ranker = FunnelModel(self.features, config).fit(*rows)
            values.append(validation_value(fold.judged, ranker.score(fold.judged), k=K))
            self.context.tracking.log_metrics(child, [("value_dcg_at_10", values[-1], step)])
            trial.report(float(np.mean(values)), step)
            if step + 1 < len(self.folds) and trial.should_prune():
                self.context.tracking.set_tags(child, {"stayrank.pruned": "true"})
                raise optuna.TrialPruned
        return float(np.mean(values))


@dataclass(frozen=True, kw_only=True)
class _Fold:
    """Rows to learn from, to stop by and to judge on; no two share a row."""

    train: pa.Table
    stopping: pa.Table
    judged: pa.Table


def _folds(context: RunContext) -> Iterator[_Fold]:
    """Expanding windows: each of the last days before the test, and all days before it."""
    context.refuse_without(FEATURES.name, "features")
    windows: Windows = windows_of(context)
    first, last = windows.train[0], windows.valid[1]
    days = [day for day in range(last - FOLDS + 1, last + 1) if day > first]
    for day in days:
        before = lower_labels(load_rows(context, (first, day - 1)), day)
        judged = lower_labels(load_rows(context, (day, day)), windows.label_cutoff_day)
        if before.num_rows and judged.num_rows:
            stops = hashed_ids(guest_keys(before)) % STOPPING == 0
            fold = Windows(train=(first, day - 1), valid=(day, day), test=windows.test)
            yield _Fold(
                train=before.filter(pa.array(~stops)),
                stopping=before.filter(pa.array(stops)),
                judged=with_click_worth(context, before, judged, fold),
            )


def _study(context: RunContext) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # By the model and the metric too: trials of others are not to be compared with.
    table = f"{feature_set_of(context).fingerprint}-{context.version(FEATURES.name)}"
    name = f"funnel-value-{table}"
    storage = sqlite_address(context.home.root / "tuning.db")
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
    )
    # Another seed after each resumption: the same one would draw the same trials again.
    study.sampler = optuna.samplers.TPESampler(seed=context.settings.seed + len(study.trials))
    return study


def _goes_on(study: optuna.Study, start: FunnelConfig, most_trials: int | None) -> bool:
    if not study.trials:
        as_they_are = asdict(start)
        study.enqueue_trial({name: as_they_are[name] for name in SEARCHED})
        return True
    ended = sum(trial.state.is_finished() for trial in study.trials)
    return most_trials is None or ended < most_trials


@contextmanager
def _parent(context: RunContext, study: str, budget_s: float) -> Iterator[str]:
    run = context.tracking.start_run(
        "tuning", tags={"stayrank.study": study, NOTE_TAG: ABOUT_TUNING}
    )
    with context.tracking.closing(run):
        context.tracking.log_params(run, {"budget_s": budget_s, "folds": FOLDS})
        yield run


def _outcome(study: optuna.Study, start: FunnelConfig) -> Tuned:
    states = optuna.trial.TrialState
    done = [t for t in study.trials if t.state == states.COMPLETE and t.value is not None]
    if not done:
        raise DataError("no trial was finished: give a larger budget, or a log with more actions")
    done.sort(key=lambda trial: -float(trial.value or 0.0))
    before = asdict(start)
    return Tuned(
        study=study.study_name,
        best={n: v for n, v in done[0].params.items() if before[n] != v},
        value=float(done[0].value or 0.0),
        start_value=next(
            float(t.value or 0.0) for t in done if t.number == min(d.number for d in done)
        ),
        trials=len(done),
        pruned=sum(t.state == states.PRUNED for t in study.trials),
        table=[{"trial": t.number, "value": t.value, **t.params} for t in done],
    )


def _write(context: RunContext, tuned: Tuned) -> None:
    lines = [f"{name} = {_toml(value)}" for name, value in sorted(tuned.best.items())]
    write_atomically(context.home.root / "tuned.toml", "\n".join(["[ranker]", *lines, ""]))


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else f"{value:.6g}"
