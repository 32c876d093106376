"""The tuning study: goes on where it stopped, respects time, leaves its trials in MLflow."""

from __future__ import annotations

import tomllib

import pytest
import typer

from models.funnel.config import FunnelConfig
from pipelines.cli.tuning_commands import budget_in_seconds
from pipelines.config.settings import Settings, load_settings
from pipelines.feature_table.training_rows import windows_of
from pipelines.run_context import RunContext
from pipelines.training.tune_ranker import SEARCHED, _folds, tune

Finished = tuple[RunContext, str]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1_200), ("1h", 3_600), ("1h30m", 5_400), ("2H", 7_200)],
)
def test_budget_is_read_as_time(text: str, seconds: float) -> None:
    assert budget_in_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "20", "m", "-5s", "0s", "5 apples", "5d"])
def test_budget_that_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a time"):
        budget_in_seconds(text)


def test_folds_are_judged_on_days_after_those_they_train_on(finished: Finished) -> None:
    context, _ = finished
    test_day = windows_of(context).test[0]
    folds = list(_folds(context))

    assert len(folds) == 2
    for fold in folds:
        judged = fold.judged["search_day"].to_numpy()
        assert judged.min() == judged.max() < test_day
        for part in (fold.train, fold.stopping):
            assert part["search_day"].to_numpy().max() < judged.min()
            booked = part.filter(part["stage"].to_numpy() == 3)
            assert booked.num_rows
            assert booked["book_day"].to_numpy().max() < judged.min()


def test_what_stops_the_training_neither_teaches_nor_judges(finished: Finished) -> None:
    for fold in _folds(finished[0]):
        train, stopping, judged = (
            set(part["id_search"].to_pylist()) for part in (fold.train, fold.stopping, fold.judged)
        )
        assert train
        assert stopping
        assert not stopping & train
        assert not stopping & judged
        guests = [set(part["id_user"].to_pylist()) for part in (fold.train, fold.stopping)]
        assert guests[0] & guests[1] <= {None}


def test_study_goes_on_where_it_stopped_and_its_best_settings_are_settings(
    finished: Finished,
) -> None:
    context, _ = finished
    first = tune(context, budget_s=60, most_trials=1)
    second = tune(context, budget_s=60, most_trials=2)
    written = (context.home.root / "tuned.toml").read_text()

    assert (first.trials, first.best) == (1, {})
    assert second.study == first.study
    assert second.trials + second.pruned == 2
    assert second.start_value == first.value
    assert second.value >= first.value
    FunnelConfig(**{**context.settings.ranker, **tomllib.loads(written)["ranker"]})


def test_every_trial_is_a_child_run_in_mlflow(finished: Finished) -> None:
    context, _ = finished
    tuned = tune(context, budget_s=60, most_trials=1)
    runs = context.tracking.client.search_runs(
        [context.tracking.experiment_id], f"tags.`stayrank.study` = '{tuned.study}'"
    )
    trials = [run for run in runs if run.info.run_name.startswith("trial")]

    assert len(trials) >= tuned.trials
    assert all("mlflow.parentRunId" in run.data.tags for run in trials)
    assert all("value_dcg_at_10" in run.data.metrics for run in trials)
    assert {f"config.{name}" for name in SEARCHED} <= set(trials[0].data.params)


def test_settings_know_the_tuned_file(finished: Finished) -> None:
    context, _ = finished
    tune(context, budget_s=60, most_trials=1)

    assert isinstance(load_settings(context.home.root / "tuned.toml"), Settings)
