"""A forgotten guest leaves nothing under the home; everybody else, and every model, stays.

Ids are whole numbers, as in real logs: the guest's number is also a listing's, a count and part
of many prices.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data.lake.store import Lake
from data.schema.tables import FEATURES, IMPRESSIONS, RECOMMENDATIONS
from models.baselines.implicit_als import ImplicitALS
from models.two_tower.recommender import TwoTower
from pipelines.config.settings import Settings, load_settings
from pipelines.privacy import Erasure, forget_guest
from pipelines.promotion.select_serving_run import select_serving_run
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
from pipelines.training.run_record import load_models, read_record
from tests.operations.worlds import (
    FIRST_BATCH,
    SMALL,
    TwoWeeks,
    context_in,
    daily,
    deliver,
    published_rows,
)

KEY = "a key of the tests, long enough"
MODELS = ("random", "popularity", "als", "two_tower", "lambdarank", "ranker")


def _numbered(logs: TwoWeeks, folder: Path) -> TwoWeeks:
    """The same logs with whole numbers for guests and listings: both count from 1."""
    folder.mkdir()
    for path in sorted(logs.folder.glob("*.parquet")):
        digits = pl.col("id_user", "id_listing").str.extract(r"(\d+)$").cast(pl.Int64)
        pl.read_parquet(path).with_columns(digits).write_parquet(folder / path.name)
    return TwoWeeks(folder)


def _bytes_of(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def _busiest_guest(context: RunContext) -> str:
    """A guest in the middle of everything, whose number is a listing's too."""
    rows = context.lake.scan(IMPRESSIONS.name).filter(pl.col("stage") > 0)
    listings = context.lake.scan(IMPRESSIONS.name).select("id_listing").unique().collect()
    counted = rows.group_by("id_user").len().sort("len", "id_user", descending=True).collect()
    both = counted.filter(pl.col("id_user").is_in(listings["id_listing"].implode()))
    return str(both["id_user"][0])


@dataclass(frozen=True)
class Forgotten:
    """A home from which a guest was erased, and how it was before."""

    context: RunContext
    guest: str
    erasure: Erasure
    before: dict[str, str]
    others: pl.DataFrame
    own_rows: int
    own_recommendations: int
    nobodys: bool


@pytest.fixture(scope="module")
def forgotten(tmp_path_factory: pytest.TempPathFactory, two_weeks: TwoWeeks) -> Forgotten:
    folder = tmp_path_factory.mktemp("forget")
    logs = _numbered(two_weeks, folder / "logs")
    context = context_in(folder / "home", load_settings(**{**SMALL, "models": MODELS}))
    deliver(context, *logs.first_week(), logs.log(date(2026, 1, 19)))
    daily(context)
    guest = _busiest_guest(context)
    impressions = context.lake.scan(IMPRESSIONS.name).collect()
    recommended = context.lake.scan(RECOMMENDATIONS.name).filter(pl.col("id_user") == guest)
    own = recommended.collect().height
    _plant(context, guest)
    before = _bytes_of(context.home.root)
    is_nobodys = not forget_guest(context, "100100").was_found
    is_nobodys &= _bytes_of(context.home.root) == before
    erasure = forget_guest(context, guest)
    is_own = pl.col("id_user").eq_missing(pl.lit(guest))
    return Forgotten(
        context=context,
        guest=guest,
        erasure=erasure,
        before=before,
        others=impressions.filter(~is_own),
        own_rows=impressions.filter(is_own).height,
        own_recommendations=own,
        nobodys=is_nobodys,
    )


def _plant(context: RunContext, guest: str) -> None:
    """Places that a small world does not reach by itself."""
    inbox = context.home.root / "inbox" / "taken"
    text = f"id_search,id_user,price\nS1,{guest},1\nS2,7777777,{guest}\n"
    (inbox / "raw.csv").write_text(text)
    (inbox / "packed.csv").write_bytes(gzip.compress(text.encode()))
    (inbox / "wide.csv").write_bytes(text.encode("utf-16"))
    (context.home.logs / "notes.log").write_text(f"guest {guest} asked\n{guest} rows\n")
    rows = [{"id_user": guest, "price": "1"}, {"id_user": "7777777", "price": guest}]
    frame = pl.DataFrame(
        {
            "source_id": ["f", "f"],
            "source_line": [2, 3],
            "source_file": ["log.csv", "log.csv"],
            "reasons": ["label_unknown", "label_unknown"],
            "row": [json.dumps(row) for row in rows],
            "ds_ingested": [date(2026, 1, 20), date(2026, 1, 20)],
        }
    )
    context.lake.append("quarantine", frame)
    context.home.prefect.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(context.home.prefect / "prefect.db")) as database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.executemany(
            "INSERT INTO log VALUES (?)", [(f"seen guest {guest}",), (f"{guest} rows",)]
        )
        database.commit()


@pytest.mark.operations
def test_a_number_that_is_nobodys_changes_not_one_byte(forgotten: Forgotten) -> None:
    assert forgotten.nobodys


@pytest.mark.operations
def test_nothing_of_a_forgotten_guest_remains(forgotten: Forgotten) -> None:
    assert forgotten.erasure.not_rewritten == ()
    home, guest = forgotten.context.home, forgotten.guest
    lake = Lake(home.root)
    for table in (IMPRESSIONS, FEATURES, RECOMMENDATIONS):
        users = lake.scan(table.name).select("id_user").collect()["id_user"].drop_nulls()
        assert guest not in users.to_list()
    for path in home.root.glob("inbox/taken/*.parquet"):
        assert int(guest) not in pl.read_parquet(path)["id_user"].to_list()
    raw = "id_search,id_user,price\n" + f"S2,7777777,{guest}\n"
    taken = home.root / "inbox" / "taken"
    assert (taken / "raw.csv").read_text() == raw
    assert gzip.decompress((taken / "packed.csv").read_bytes()).decode() == raw
    assert (taken / "wide.csv").read_bytes() == raw.encode("utf-16")
    assert (home.logs / "notes.log").read_text() == f"{guest} rows\n"
    rejected = lake.scan("quarantine").collect()["row"].to_list()
    assert [json.loads(row)["id_user"] for row in rejected if "7777777" in row] == ["7777777"]
    with closing(sqlite3.connect(home.prefect / "prefect.db")) as database:
        assert database.execute("SELECT * FROM log").fetchall() == [(f"{guest} rows",)]
    for folder in [*home.root.rglob("als"), *home.root.rglob("model")]:
        if (folder / "guests.parquet").exists():
            assert guest not in ImplicitALS.load(folder).guests.to_pylist()
    towers = [path.parent for path in home.root.rglob("events.arrow")]
    assert len(towers) == 3  # the run's, the MLflow run's, the registered version's
    for folder in towers:
        assert guest not in TwoTower.load(folder).events["id_user"].to_pylist()


@pytest.mark.operations
def test_models_trees_and_pictures_keep_every_byte(forgotten: Forgotten) -> None:
    after = _bytes_of(forgotten.context.home.root)
    kept = (".txt", ".png", ".safetensors", ".yaml", ".log")
    names = [
        name
        for name in forgotten.before
        if name.startswith(("runs/", "artifacts/", "reports/")) and name.endswith(kept)
    ]
    changed = [name for name in names if after.get(name) != forgotten.before[name]]
    # a guest's vector leaves ALS with its row; nothing else of a model does
    assert all("vectors.safetensors" in name for name in changed)
    assert len(names) > 30


@pytest.mark.operations
def test_models_still_load_and_score(forgotten: Forgotten) -> None:
    context = forgotten.context
    (run,) = forgotten.erasure.trained_runs
    rows = context.lake.scan(FEATURES.name).head(200).collect().to_arrow()
    for name, model in load_models(context, read_record(context.home, run)).items():
        assert np.isfinite(model.score(rows)).all(), name
    assert select_serving_run(context_in(context.home.root, context.settings)) is not None


@pytest.mark.operations
def test_the_report_says_what_was_removed_and_what_was_learned(forgotten: Forgotten) -> None:
    rows = forgotten.erasure.rows
    assert rows["impressions"] == rows["features"] == forgotten.own_rows
    assert rows["recommendations"] == forgotten.own_recommendations > 0
    assert rows["quarantine"] == 1
    assert len(forgotten.erasure.trained_runs) == 1
    assert {v.split()[0] for v in forgotten.erasure.versions} == {
        "stayrank-ranker",
        "stayrank-two-tower",
    }
    lines = forgotten.erasure.lines(forgotten.guest)
    assert any("trains without the guest at" in line for line in lines)


@pytest.mark.operations
def test_everybody_else_stays_and_what_is_published_is_whole(forgotten: Forgotten) -> None:
    home = forgotten.context.home
    left = Lake(home.root).scan(IMPRESSIONS.name).collect()
    key = ["source_id", "source_line"]
    assert left.sort(key).equals(forgotten.others.sort(key))
    accepted = Lake(home.root).scan("ingests").select(pl.col("rows_accepted").sum()).collect()
    assert accepted.item() == left.height
    published = read_published(home)
    assert published is not None
    assert published_rows(home).height == published.rows


@pytest.mark.operations
def test_the_next_start_goes_on_without_the_guest(forgotten: Forgotten) -> None:
    # The raw files once more: they are known, though they were rewritten.
    taken = forgotten.context.home.root / "inbox" / "taken"
    for path in taken.glob("*.parquet"):
        path.rename(taken.parent / path.name)
    after = context_in(forgotten.context.home.root, forgotten.context.settings)
    assert daily(after, again=True).is_done
    assert after.lake.rows(IMPRESSIONS.name) == forgotten.others.height
    guests = after.lake.scan(RECOMMENDATIONS.name).select("id_user").collect()["id_user"]
    assert forgotten.guest not in set(guests)
    assert not forget_guest(after, forgotten.guest).was_found


@pytest.mark.operations
def test_with_a_key_no_id_is_stored_and_the_guest_can_still_be_forgotten(
    tmp_path: Path, two_weeks: TwoWeeks, small: Settings
) -> None:
    context = context_in(tmp_path / "home", load_settings(**SMALL, pseudonym_key=KEY))
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context, FIRST_BATCH)
    guests = pl.read_parquet(two_weeks.log(date(2026, 1, 19)))["id_user"].drop_nulls().unique()
    before = context.lake.rows(IMPRESSIONS.name)
    guest = str(guests.sort()[0])
    for path in context.home.root.rglob("*"):
        assert not path.is_file() or guest.encode() not in path.read_bytes()
    # without the key nobody can tell which guest that is
    assert not forget_guest(context_in(context.home.root, small), guest).was_found
    assert forget_guest(context, guest).rows["impressions"] > 0
    assert context.lake.rows(IMPRESSIONS.name) < before
