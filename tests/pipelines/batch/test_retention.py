"""What a maintenance drops of each kind, and what stays however old it is."""

from __future__ import annotations

import json
import os
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from data.schema.time import DAY_S
from pipelines.batch.history import drop_old_history
from pipelines.batch.journal import Batch
from pipelines.batch.retention import drop_old_files, runs_to_keep
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import SettingsError, load_settings
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import CHAMPION, RANKER_MODEL
from pipelines.tracking.prune_mlflow import prune_mlflow
from pipelines.tracking.tracking import Tracking

DAY = date(2026, 3, 1)


def context_in(root: Path, **keep: int) -> RunContext:
    home = Home(root).prepare()
    return RunContext(home=home, settings=load_settings(keep=keep), console=Console())


def batch_in(root: Path, **keep: int) -> Batch:
    return Batch(context=context_in(root, **keep), kind="daily", day=DAY, id="own")


def write(path: Path, *, days_old: float, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    at = time.time() - days_old * DAY_S
    os.utime(path, (at, at))
    os.utime(path.parent, (at, at))
    return path


@pytest.mark.parametrize(
    ("kind", "place", "setting"),
    [
        ("reports", "reports/{}/index.html", "reports_days"),
        ("logs", "logs/daily-{}-abc.log", "logs_days"),
        ("batches", "batches/weekly/{}/journal.json", "batches_days"),
        ("taken", "inbox/taken/{}.csv", "taken_days"),
        ("refused", "inbox/refused/{}.csv", "refused_days"),
    ],
)
def test_files_of_a_kind_go_at_their_own_age(
    tmp_path: Path, kind: str, place: str, setting: str
) -> None:
    old = write(tmp_path / place.format("2026-01-01"), days_old=11)
    young = write(tmp_path / place.format("2026-02-01"), days_old=9)
    assert drop_old_files(batch_in(tmp_path, **{setting: 10}))[kind] == 1
    assert (old.exists(), young.exists()) == (False, True)
    assert sum(drop_old_files(batch_in(tmp_path, **{setting: 10})).values()) == 0


def test_what_is_in_use_stays_however_old(tmp_path: Path) -> None:
    kept = [
        write(tmp_path / "reports" / "latest" / "index.html", days_old=1000),
        write(tmp_path / "batches" / "daily" / DAY.isoformat() / "journal.json", days_old=1000),
        write(tmp_path / "inbox" / "waiting.csv", days_old=1000),
        write(tmp_path / "inbox" / "claimed" / "log.csv", days_old=1000),
    ]
    kept[1].write_text("{}")
    drop_old_files(batch_in(tmp_path))
    assert all(path.exists() for path in kept)


def test_a_link_among_the_refused_files_goes_alone(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.csv", days_old=1000)
    home = tmp_path / "home"
    (home / "inbox" / "refused").mkdir(parents=True)
    link = home / "inbox" / "refused" / "link.csv"
    link.symlink_to(outside)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert drop_old_files(batch_in(home))["refused"] == 1
    assert (link.is_symlink(), outside.exists()) == (False, True)


def test_the_log_of_a_server_is_cut_to_its_end(tmp_path: Path) -> None:
    log = write(tmp_path / "logs" / "mlflow.log", days_old=0, text="a" * (11 << 20) + "the end")
    with log.open("a") as server:
        drop_old_files(batch_in(tmp_path))
        server.write(", and more")
    assert log.stat().st_size == (1 << 20) + len(", and more")
    assert log.read_text().endswith("the end, and more")


def _run(home: Home, name: str, *, models: tuple[str, ...] = ("ranker", "two_tower")) -> None:
    record = {
        "name": name,
        "parent": "",
        "children": {},
        "left_out": {},
        "windows": {},
        "tables": {},
        "seed": 0,
        "tuned": [],
        "models": models,
    }
    write(home.record_of(name), days_old=0, text=json.dumps(record))
    for model in models:
        write(home.runs / name / "models" / model / "model.txt", days_old=0)


def test_runs_in_force_stay_with_those_whose_models_they_use(tmp_path: Path) -> None:
    home = Home(tmp_path)
    _run(home, "2026-01", models=("two_tower",))  # the retriever of the next
    _run(home, "2026-02", models=("ranker",))
    for name in ("2026-03", "2026-04", "2026-05", "2026-06", "2026-07"):
        _run(home, name)
    write(
        home.root / "champion.json", days_old=0, text='{"runs": ["2026-04", "2026-02", "2026-03"]}'
    )
    home.set_latest_run("2026-06")
    kept = runs_to_keep(home, newest=1)
    assert kept == {"2026-01", "2026-02", "2026-04", "2026-06", "2026-07"}
    assert drop_old_files(batch_in(tmp_path, runs=1))["runs"] == 2
    assert {path.name for path in home.runs.iterdir() if path.is_dir()} == kept


def test_the_folder_of_a_killed_training_goes_when_nothing_changes_in_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    dead = write(home.runs / "dead" / "models" / "als" / "x.txt", days_old=3)
    for folder in (dead.parents[1], dead.parents[2]):
        os.utime(folder, (0, 0))
    running = write(home.runs / "running" / "models" / "als" / "x.txt", days_old=1)
    drop_old_files(batch_in(tmp_path, killed_days=2))
    assert (dead.parents[2].exists(), running.exists()) == (False, True)


def test_mlflow_loses_old_batches_and_dropped_trainings_with_their_files(tmp_path: Path) -> None:
    tracking = Tracking.open(Home(tmp_path).prepare())
    file = write(tmp_path / "file.txt", days_old=0)

    def run(tags: dict[str, str]) -> str:
        made = tracking.start_run("a run", tags=tags)
        tracking.log_artifacts(made, file)
        tracking.log_metrics(made, [("m", 1.0, 0)])
        return made

    batch, gone = run({"stayrank.batch": "daily 2026-01-01"}), run({"stayrank.run": "gone"})
    kept, own = run({"stayrank.run": "kept"}), run({"somebody": "else"})
    champion = run({"stayrank.run": "gone too"})
    tracking.client.create_registered_model(RANKER_MODEL)
    for made in (gone, champion):
        version = tracking.client.create_model_version(RANKER_MODEL, f"runs:/{made}/x", made)
    tracking.client.set_registered_model_alias(RANKER_MODEL, CHAMPION, version.version)

    assert prune_mlflow(tracking, {"kept"}, before_s=time.time() - DAY_S) == 0
    assert prune_mlflow(tracking, {"kept"}, before_s=time.time() + DAY_S) == 2
    left = tracking.client.search_runs([tracking.experiment_id], run_view_type=3)
    assert {found.info.run_id for found in left} == {kept, own, champion}
    folders = {path.name for path in tracking.home.artifacts.iterdir()}
    assert folders == {kept, own, champion}
    assert batch not in folders
    versions = tracking.client.search_model_versions(f"name = '{RANKER_MODEL}'")
    assert [found.run_id for found in versions] == [champion]


def test_only_the_last_measure_of_a_day_stays_in_mlflow(tmp_path: Path) -> None:
    tracking = Tracking.open(Home(tmp_path).prepare())
    run = tracking.start_run("a run", tags={"stayrank.run": "kept"})
    for value in (1.0, 2.0):
        tracking.log_metrics(run, [("quality.flagged", value + step, step) for step in (0, 1)])
        tracking.log_metrics(run, [("loss", value, 0)])
        time.sleep(0.01)  # MLflow's times are in milliseconds
    prune_mlflow(tracking, {"kept"}, before_s=0)
    quality = tracking.client.get_metric_history(run, "quality.flagged")
    assert sorted((metric.step, metric.value) for metric in quality) == [(0, 2.0), (1, 3.0)]
    assert len(tracking.client.get_metric_history(run, "loss")) == 2


def _days(context: RunContext, table: str, column: str, days: int) -> None:
    rows = pl.DataFrame({"market": ["rio"] * days, "n": range(days)}).with_columns(
        (pl.lit(DAY) - pl.duration(days=pl.col("n"))).cast(pl.Date).alias(column)
    )
    context.lake.replace_partitions(table, rows)


@pytest.mark.parametrize(("days", "left"), [(109, 109), (110, 110), (111, 100)])
def test_the_horizon_moves_when_a_tenth_of_it_is_overdue(
    tmp_path: Path, days: int, left: int
) -> None:
    context = context_in(tmp_path, history_days=100)
    for table in ("impressions", "features", "scores"):
        _days(context, table, "ds_search", days)
    made_of = {f"rio/{day}": "hash" for _, day in context.lake.market_days()}
    context.home.features_record.write_text(json.dumps({"code": "c", "partitions": made_of}))
    drop_old_history(context, DAY)
    for table in ("impressions", "features", "scores"):
        assert context.lake.rows(table) == left
    record = json.loads(context.home.features_record.read_text())
    assert {f"rio/{day}" for _, day in context.lake.market_days()} == set(record["partitions"])


def test_without_a_horizon_all_of_the_log_stays(tmp_path: Path) -> None:
    context = context_in(tmp_path, history_days=0)
    _days(context, "impressions", "ds_search", 1200)
    drop_old_history(context, DAY)
    assert context.lake.rows("impressions") == 1200


def test_old_recommendations_go_and_the_published_ones_stay(tmp_path: Path) -> None:
    context = context_in(tmp_path, recommendations_days=10)
    _days(context, "recommendations", "ds", 30)
    facts = {"version": 0, "rows": 1, "run": "a", "ranker_version": "", "published_at": ""}
    in_force = (DAY - timedelta(days=20)).isoformat()
    (tmp_path / "published.json").write_text(json.dumps({**facts, "ds": in_force, "batch": ""}))
    drop_old_history(context, DAY)
    days = sorted(day for _, day in context.lake.market_days("recommendations"))
    assert (len(days), days[0].isoformat()) == (12, in_force)


def test_a_misspelt_kind_is_refused_by_name() -> None:
    with pytest.raises(SettingsError, match=r"keep\.report_days is not known"):
        load_settings(keep={"report_days": 3})
