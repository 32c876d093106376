"""Which run's models recommend, and whether an approximate index may be used."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import CLICKED
from models.two_tower.retrieval.retriever import Retriever
from pipelines.candidates.candidate_rows import candidate_source
from pipelines.config.home import Home
from pipelines.recommendation.candidate_retrieval import retriever_of
from pipelines.recommendation.serving_models import latest_run_with, serving_models_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from pipelines.training.train_availability import FOLDER
from tests.pipelines.recommendation.worlds import RIO, SAO, Trained


def write_record(home: Home, name: str, models: tuple[str, ...]) -> None:
    """A run's record as ``train`` writes it."""
    folder = home.runs / name
    folder.mkdir(parents=True)
    content = {
        "name": name,
        "parent": "p",
        "children": dict.fromkeys(models, "c"),
        "models": models,
        "left_out": {},
        "windows": {"train": (1, 2), "valid": (3, 3), "test": (4, 4)},
        "tables": {},
        "seed": 0,
        "tuned": (),
    }
    (folder / "run.json").write_text(json.dumps(content))


def test_models_trained_apart_recommend_together(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_record(home, "2026-01-01", ("two_tower", "ranker"))
    write_record(home, "2026-01-02", ("two_tower",))
    write_record(home, "2026-01-03", ("ranker",))
    write_record(home, "2026-01-04", ("two_tower", "ranker"))
    assert latest_run_with(home, "2026-01-03", "two_tower").name == "2026-01-02"
    assert latest_run_with(home, "2026-01-03", "ranker").name == "2026-01-03"
    assert latest_run_with(home, "2026-01-02", "ranker").name == "2026-01-01"


def test_a_model_that_no_run_has_is_named_with_its_command(tmp_path: Path) -> None:
    home = Home(tmp_path)
    write_record(home, "2026-01-01", ("ranker",))
    with pytest.raises(DataError, match="stayrank train two-tower"):
        latest_run_with(home, "2026-01-01", "two_tower")


def indexed(context: RunContext, **index: object) -> RunContext:
    """The same home with an index forced on every market."""
    changed = {"index": {"at_listings": 1, "k": 20, "kind": "ivf", **index}}
    settings = context.settings.model_copy(update={"retrieval": changed})
    return replace(context, settings=settings)


def index_of(context: RunContext, trained: Trained) -> Retriever:
    log = trained.impressions.lazy()
    source = candidate_source(log, trained.morning)
    serving = serving_models_of(context, trained.run, log)
    return retriever_of(context, source, serving, np.zeros(source.catalogue.height))


def test_the_recall_of_an_index_is_logged(trained: Trained) -> None:
    context, run = trained.context, trained.run
    index_of(indexed(context), trained)
    child = read_record(context.home, run).children["two_tower"]
    metrics = context.tracking.client.get_run(child).data.metrics
    for market in (RIO, SAO):
        assert metrics[f"index.recall_at_20.{market}"] >= 0.99


def test_an_index_that_finds_too_little_recommends_nothing(trained: Trained) -> None:
    careless = indexed(trained.context, efforts=(1,), clusters=40, widest=1, k=2)
    with pytest.raises(DataError, match=r"finds 0\.\d+ of what exact search finds"):
        index_of(careless, trained)


def test_the_guests_latest_events_are_known_to_the_tower(trained: Trained) -> None:
    """Of the days after those that it was saved with, and before the day to recommend for."""
    last = read_record(trained.context.home, trained.run).windows["valid"][1]
    log = trained.impressions.lazy()
    clicks = []
    for day in (last + 1, trained.morning):
        known = log.filter(pl.col("search_day") < day)
        tower = serving_models_of(trained.context, trained.run, known).tower
        clicks.append(tower.events["event_stage"].to_pylist().count(int(CLICKED)))
    later = trained.impressions.filter(pl.col("search_day") > last, pl.col("stage") > 0)
    assert clicks[1] - clicks[0] == later.height > 0


def test_a_run_without_an_availability_model_recommends_without_one(
    trained: Trained, tmp_path: Path
) -> None:
    context = with_own_runs(trained, tmp_path)
    shutil.rmtree(context.home.runs / trained.run / FOLDER)
    assert serving_models_of(context, trained.run, trained.impressions.lazy()).availability is None


@pytest.mark.parametrize("content", ["", "{}", '{"model": "availability"}'])
def test_a_damaged_availability_model_is_named_not_traced(
    trained: Trained, tmp_path: Path, content: str
) -> None:
    context = with_own_runs(trained, tmp_path)
    (context.home.runs / trained.run / FOLDER / "availability.json").write_text(content)
    with pytest.raises(DataError, match=r"availability model in .* cannot be loaded"):
        serving_models_of(context, trained.run, trained.impressions.lazy())


def test_a_ranker_of_an_earlier_version_asks_to_train_again(
    trained: Trained, tmp_path: Path
) -> None:
    """Such a lambdarank was saved as ``ranker.json``."""
    context = with_own_runs(trained, tmp_path)
    folder = read_record(context.home, trained.run).folder_of(context.home, "ranker")
    (folder / "funnel.json").rename(folder / "ranker.json")
    with pytest.raises(DataError, match=r"gives no probabilities.*Train again: stayrank train"):
        serving_models_of(context, trained.run, trained.impressions.lazy())


def with_own_runs(trained: Trained, root: Path) -> RunContext:
    """The home with a copy of its runs, to be damaged."""
    context = trained.with_log(root / "home", trained.impressions)
    context.home.runs.unlink()
    shutil.copytree(trained.context.home.runs, context.home.runs)
    return context
