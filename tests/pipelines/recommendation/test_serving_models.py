"""Which run's models recommend, and whether an approximate index may be used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from data.errors import DataError
from data.schema.tables import IMPRESSIONS
from pipelines.config.home import Home
from pipelines.recommendation.candidate_rows import candidate_source
from pipelines.recommendation.serving_models import latest_run_with, serving_models_of
from pipelines.run_context import RunContext

Finished = tuple[RunContext, str]


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


def test_the_recall_of_an_index_is_logged(finished: Finished) -> None:
    context, run = finished
    impressions = context.lake.scan(IMPRESSIONS.name)
    day = impressions.select(pl.col("search_day").max()).collect().item() + 1
    source = candidate_source(impressions, day)
    serving_models_of(indexed(context), run, impressions, source)
    child = json.loads((context.home.runs / run / "run.json").read_text())["children"]["two_tower"]
    metrics = context.tracking.client.get_run(child).data.metrics
    for market in ("rio_de_janeiro", "sao_paulo"):
        assert metrics[f"index.recall_at_20.{market}"] >= 0.99


def test_an_index_that_finds_too_little_recommends_nothing(finished: Finished) -> None:
    context, run = finished
    impressions = context.lake.scan(IMPRESSIONS.name)
    day = impressions.select(pl.col("search_day").max()).collect().item() + 1
    careless = indexed(context, efforts=(1,), clusters=40, widest=1, k=2)
    with pytest.raises(DataError, match=r"finds 0\.\d+ of what exact search finds"):
        serving_models_of(careless, run, impressions, candidate_source(impressions, day))
