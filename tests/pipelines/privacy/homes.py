"""Small homes that hold guests in every place, and what a home says, to be compared."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from data.ingest import ingest
from data.lake.checksums import damaged_files, remember_files, sha256_of_folder
from data.lake.store import Lake
from data.schema.tables import TABLES
from models.baselines.implicit_als import ImplicitALS, ImplicitALSConfig
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from pipelines.config.console import Console
from pipelines.config.home import Home, write_json
from pipelines.config.settings import Settings
from pipelines.privacy.atomic_rewrite import drafts_left_in
from pipelines.recommendation.published_pointer import Published, read_published, write_published
from pipelines.run_context import RunContext
from pipelines.tracking.model_checksums import write_manifest
from tests.data.conftest import Row, as_csv, sound_row

RUN = "2018-02-06T00-00-00-1"


def context_of(root: Path, settings: Settings | None = None) -> RunContext:
    return RunContext(home=Home(root), settings=settings or Settings(), console=Console())


def rows_of(guests: list[str]) -> list[Row]:
    """A few searches of each guest; the ids stand in other columns of other guests too."""
    rows = []
    for number, guest in enumerate([*guests, *guests], start=1):
        other = guests[number % len(guests)]
        extra = {"listing_total_price": other} if other.isdigit() and other != "0" else {}
        rows.append(sound_row(number, id_user=guest, id_listing=other, label="clicked", **extra))
    return rows


def make_home(root: Path, guests: list[str]) -> RunContext:
    """A home as batches leave it, at the smallest size: lake, raw log, models, MLflow, texts."""
    context = context_of(root)
    taken = root / "inbox" / "taken"
    taken.mkdir(parents=True)
    log = taken / "log.csv"
    rejected = [sound_row(90 + n, id_user=g, label="flown") for n, g in enumerate(guests)]
    log.write_text(as_csv([*rows_of(guests), *rejected]))
    ingest([log], home=root)
    _write_tables(context.lake)
    _write_models(context, guests)
    _write_database(context.home.mlflow_database, context.home)
    _write_texts(context.home, guests)
    for table in TABLES:
        if context.lake.exists(table.name):
            remember_files(context.lake, table.name)
    return context


def _write_tables(lake: Lake) -> None:
    keys = lake.scan("impressions").select("id_search", "id_listing", "market", "ds_search")
    frame = keys.collect()
    lake.append("scores", frame.with_columns(model=pl.lit("m"), split=pl.lit("test"), score=0.5))
    impressions = lake.scan("impressions").select("id_user", "id_search", "id_listing", "market")
    recommended = impressions.collect().with_columns(
        ds=pl.date(2018, 2, 6), rank=pl.lit(1), score=pl.lit(0.5)
    )
    lake.append("recommendations", recommended)
    lake.append("recommendations", recommended.head(0))
    pointer = Published(
        version=1,
        ds="2018-02-06",
        rows=recommended.height,
        ranker_version="1",
        run=RUN,
        batch="b",
        published_at="2018-02-06T04:00:00+00:00",
    )
    write_published(Home(lake.home), pointer)


def _write_models(context: RunContext, guests: list[str]) -> None:
    rows = training_rows(context.lake)
    als = ImplicitALS((ImplicitALSConfig(factors=2, iterations=1),)).fit(rows, rows.slice(0, 0))
    tower = TwoTower(
        TowerConfig(dimension=4, hidden=4, use_guest_id=True), TrainConfig(epochs=1, seed=1)
    ).fit(rows, rows.slice(0, 0))
    models = context.home.runs / RUN / "models"
    for name, model in (("als", als), ("two_tower", tower)):
        for folder in (models / name, context.home.artifacts / name / "artifacts" / "model"):
            model.save(folder)
            write_manifest(folder)
    # A tree whose thresholds are the guests' numbers, and a setting that is.
    ranker = models / "ranker"
    ranker.mkdir()
    (ranker / "booster_0.txt").write_text("threshold=" + " ".join(guests) + "\n")
    write_json(ranker / "ranker.json", {"seed": guests[0], "rounds": guests})
    write_manifest(ranker)
    windows = {"train": (17_567, 17_567), "valid": (17_568, 17_568), "test": (17_569, 17_569)}
    record = {"name": RUN, "parent": "p", "children": {}, "models": ["als", "two_tower"]}
    rest = {"left_out": {}, "windows": windows, "tables": {}, "seed": 1, "tuned": []}
    write_json(context.home.record_of(RUN), record | rest)


def training_rows(lake: Lake) -> pa.Table:
    names = ("id_search", "id_user", "id_listing", "market", "stage", "search_s")
    return lake.scan("impressions").select(names).collect().to_arrow()


def _write_database(path: Path, home: Home) -> None:
    sums = sha256_of_folder(home.runs / RUN / "models" / "two_tower")
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, name TEXT)")
        database.execute(
            "CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT REFERENCES runs(run_uuid))"
        )
        database.execute(
            "CREATE TABLE model_version_tags (key TEXT, value TEXT, name TEXT, version INTEGER)"
        )
        database.execute("INSERT INTO runs VALUES ('r', 'training')")
        tags = {f"sha256.{name}": digest for name, digest in sums.items()} | {"stayrank.run": RUN}
        database.executemany(
            "INSERT INTO model_version_tags VALUES (?, ?, 'stayrank-two-tower', 1)", tags.items()
        )
        database.commit()


def _write_texts(home: Home, guests: list[str]) -> None:
    home.logs.mkdir()
    lines = [f"guest {guest} asked\n{guest} rows, price {guest}\n" for guest in guests]
    (home.logs / "daily.log").write_text("".join(lines))
    journal = {"notes": [f"guest {guest} asked" for guest in guests], "rows": list(range(3))}
    write_json(home.batches / "daily" / "2018-02-06" / "journal.json", journal)
    page = "".join(f"<tr><td>guest {guest}</td></tr>\n" for guest in guests if "<" not in guest)
    home.report.mkdir(parents=True)
    (home.report / "index.html").write_text(f"<table>\n{page}</table>\n")
    with closing(sqlite3.connect(home.mlflow_database)) as database:
        rows = [("note", f"guest {guest} asked") for guest in guests]
        rows += [("learning_rate", guest) for guest in guests if guest.isdigit()]
        database.executemany("INSERT INTO params VALUES (?, ?, 'r')", rows)
        database.commit()


def home_in_words(context: RunContext) -> dict[str, Any]:
    """All that a home says, without times and names of files that no two homes share."""
    root, lake = context.home.root, context.lake
    words: dict[str, Any] = {}
    for table in TABLES:
        if lake.exists(table.name):
            frame = lake.scan(table.name).collect()
            frame = frame.select(sorted(set(frame.columns) - {"ingested_at"}))
            words[table.name] = sorted(frame.rows(), key=str)
            recorded = json.loads((root / "checksums" / f"{table.name}.json").read_text())
            words[f"sums of {table.name}"] = (
                damaged_files(lake, table.name),
                len(recorded) == len(lake.files(table.name)),
            )
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        is_compared = not name.startswith(("lake/", "checksums/", "erasures/"))
        if path.is_file() and is_compared and path.suffix not in (".lock", ".db"):
            words[name] = path.read_bytes()
    with closing(sqlite3.connect(context.home.mlflow_database)) as database:
        for table in ("params", "model_version_tags"):
            rows = database.execute(f"SELECT * FROM {table}")  # noqa: S608  # names of this file
            words[table] = sorted(rows.fetchall())
    words["unfinished"] = [p.name for p in (root / "erasures").glob("unfinished*")]
    published = read_published(context.home)
    assert published is not None
    shown = lake.scan("recommendations", version=published.version).collect()
    words["published"] = (published.rows, shown.height)
    words["drafts"] = sorted(p.name for p in drafts_left_in(root))
    del words["published.json"]
    return words
