"""A forgotten guest leaves no byte under the home; everybody else stays."""

from __future__ import annotations

import gzip
import sqlite3
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from pyarrow import feather

from data.contract import IMPRESSIONS, RECOMMENDATIONS
from data.store import Lake
from pipelines.champion import choose
from pipelines.erasing import forget_guest
from pipelines.published import published_rows, read_published
from pipelines.settings import Settings, SettingsError, load_settings
from pipelines.steps.context import RunContext
from tests.operations.worlds import FIRST_BATCH, SMALL, TwoWeeks, context_in, daily, deliver

KEY = "a key of the tests, long enough"


def _places_of(root: Path, word: str) -> list[str]:
    """Files under ``root`` that hold the word: as bytes, packed, or in a column."""
    found = []
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        raw = path.read_bytes()
        texts = [gzip.decompress(raw)] if path.suffix == ".gz" else [raw]
        if path.suffix == ".parquet":
            texts.append(str(pl.read_parquet(path).to_dicts()).encode())
        if path.suffix == ".arrow":
            texts.append(str(feather.read_table(path).to_pydict()).encode())
        if any(word.encode() in text for text in texts):
            found.append(path.relative_to(root).as_posix())
    return found


def _busiest_guest(context: RunContext) -> str:
    """A guest in the middle of everything: recommended to, trained on, in the events."""
    rows = context.lake.scan(IMPRESSIONS.name).filter(pl.col("stage") > 0)
    counted = rows.group_by("id_user").len().sort("len", "id_user", descending=True).collect()
    return str(counted["id_user"][0])


@pytest.fixture
def world(tmp_path: Path, two_weeks: TwoWeeks, small: Settings) -> RunContext:
    """A home after a day, with the guest in a raw CSV, the quarantine and Prefect's place."""
    context = context_in(tmp_path / "home", small)
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context)
    return context


@pytest.mark.operations
def test_no_byte_of_a_forgotten_guest_remains_and_everybody_else_stays(world: RunContext) -> None:
    guest, root = _busiest_guest(world), world.home.root
    _plant(world, guest)
    others = world.lake.rows(IMPRESSIONS.name)
    own = world.lake.scan(IMPRESSIONS.name).filter(pl.col("id_user") == guest).collect().height
    before = _places_of(root, guest)
    assert {place.split("/")[0] for place in before} >= {"lake", "runs", "artifacts", "inbox"}

    erasure = forget_guest(world, guest)

    assert _places_of(root, guest) == []
    assert erasure.left == ()
    assert erasure.rows["impressions"] == own
    assert erasure.rows["recommendations"] > 0
    assert erasure.rows["quarantine"] == 1
    assert len(erasure.trained) == 1
    assert erasure.retrained_at > "2026"
    lake = Lake(root)
    assert lake.rows(IMPRESSIONS.name) == others - own
    assert published_rows(world.home).collect().height == read_published(world.home).rows
    assert choose(context_in(root, world.settings)) is not None


def _plant(world: RunContext, guest: str) -> None:
    """Places that a small world does not reach by itself."""
    inbox = world.home.root / "inbox" / "taken"
    text = f"id_search,id_user\nS1,{guest}\nS2,{guest}x\n"
    (inbox / "raw.csv").write_text(text)
    (inbox / "raw.csv.gz").write_bytes(gzip.compress(text.encode()))
    (world.home.logs / "notes.log").write_text(f"guest {guest} asked\n")
    row = pl.DataFrame(
        {
            "source_id": ["f"],
            "source_line": [2],
            "source_file": ["log.csv"],
            "reasons": ["label_unknown"],
            "row": [f'{{"id_user":"{guest}"}}'],
            "ds_ingested": [date(2026, 1, 20)],
        }
    )
    world.lake.append("quarantine", row)
    prefect = world.home.prefect / "prefect.db"
    prefect.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(prefect) as database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.execute("INSERT INTO log VALUES (?)", (f"seen {guest} and {guest}9",))
    database.close()


@pytest.mark.operations
def test_rows_that_only_begin_like_the_id_stay(world: RunContext) -> None:
    guest = _busiest_guest(world)
    _plant(world, guest)
    forget_guest(world, guest)
    raw = (world.home.root / "inbox" / "taken" / "raw.csv").read_text()
    assert raw == f"id_search,id_user\nS2,{guest}x\n"
    with sqlite3.connect(world.home.prefect / "prefect.db") as database:
        assert database.execute("SELECT message FROM log").fetchall() == [
            (f"seen erased and {guest}9",)
        ]
    database.close()


@pytest.mark.operations
def test_the_day_after_goes_on_without_the_guest(world: RunContext, two_weeks: TwoWeeks) -> None:
    guest = _busiest_guest(world)
    forget_guest(world, guest)
    # The same raw files again: they are known, though they were rewritten.
    taken = world.home.root / "inbox" / "taken"
    for path in taken.iterdir():
        path.rename(taken.parent / path.name)
    after = context_in(world.home.root, world.settings)
    rows = after.lake.rows(IMPRESSIONS.name)
    batch = daily(after, again=True)
    assert batch.is_done
    assert after.lake.rows(IMPRESSIONS.name) == rows
    recommended = after.lake.scan(RECOMMENDATIONS.name).collect()
    assert guest not in set(recommended["id_user"])


def test_an_id_that_could_be_anything_is_refused(tmp_path: Path, small: Settings) -> None:
    with pytest.raises(SettingsError, match="too short"):
        forget_guest(context_in(tmp_path, small), "U")


@pytest.mark.operations
def test_with_a_key_no_id_is_stored_and_the_guest_can_still_be_forgotten(
    tmp_path: Path, two_weeks: TwoWeeks
) -> None:
    context = context_in(tmp_path / "home", load_settings(**SMALL, pseudonym_key=KEY))
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context, FIRST_BATCH)
    guests = pl.read_parquet(two_weeks.log(date(2026, 1, 19)))["id_user"].drop_nulls().unique()
    assert all(not _places_of(context.home.root, guest) for guest in guests.sort()[:2])
    before = context.lake.rows(IMPRESSIONS.name)
    assert forget_guest(context, guests.sort()[0]).rows["impressions"] > 0
    assert context.lake.rows(IMPRESSIONS.name) < before
