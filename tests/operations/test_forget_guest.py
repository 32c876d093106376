"""A forgotten guest leaves no byte under the home; everybody else stays."""

from __future__ import annotations

import gzip
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather

from data.erasure.find_guest import token_of
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.settings import Settings, SettingsError, load_settings
from pipelines.privacy import Erasure, forget_guest
from pipelines.privacy.erase_files import Guest, erase_from_file
from pipelines.promotion.select_serving_run import select_serving_run
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
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


@dataclass(frozen=True)
class Forgotten:
    """A home from which a guest was erased, and how it was before."""

    context: RunContext
    guest: str
    erasure: Erasure
    places: list[str]
    rows: int
    own_rows: int
    own_recommendations: int


@pytest.fixture(scope="module")
def forgotten(
    tmp_path_factory: pytest.TempPathFactory, two_weeks: TwoWeeks, small: Settings
) -> Forgotten:
    context = context_in(tmp_path_factory.mktemp("forget") / "home", small)
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context)
    guest, rows = _busiest_guest(context), context.lake.rows(IMPRESSIONS.name)
    own, recommended = (
        context.lake.scan(table.name).filter(pl.col("id_user") == guest).collect().height
        for table in (IMPRESSIONS, RECOMMENDATIONS)
    )
    _plant(context, guest)
    places = _places_of(context.home.root, guest)
    erasure = forget_guest(context, guest)
    return Forgotten(context, guest, erasure, places, rows, own, recommended)


def _plant(context: RunContext, guest: str) -> None:
    """Places that a small world does not reach by itself."""
    inbox = context.home.root / "inbox" / "taken"
    text = f"id_search,id_user\nS1,{guest}\nS2,other\n"
    (inbox / "raw.csv").write_text(text)
    (inbox / "raw.csv.gz").write_bytes(gzip.compress(text.encode()))
    (context.home.logs / "notes.log").write_text(f"guest {guest} asked\n")
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
    context.lake.append("quarantine", row)
    context.home.prefect.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(context.home.prefect / "prefect.db")) as database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.execute("INSERT INTO log VALUES (?)", (f"seen {guest}",))
        database.commit()


@pytest.mark.operations
def test_no_byte_of_a_forgotten_guest_remains(forgotten: Forgotten) -> None:
    tops = {place.split("/")[0] for place in forgotten.places}
    assert tops >= {"lake", "runs", "artifacts", "inbox", "logs", "prefect"}
    assert _places_of(forgotten.context.home.root, forgotten.guest) == []
    assert forgotten.erasure.not_rewritten == ()


@pytest.mark.operations
def test_the_report_says_what_was_removed_and_what_was_learned(forgotten: Forgotten) -> None:
    rows = forgotten.erasure.rows
    assert rows["impressions"] == rows["features"] == forgotten.own_rows
    assert rows["recommendations"] == forgotten.own_recommendations > 0
    assert rows["quarantine"] == 1
    assert len(forgotten.erasure.trained_runs) == 1
    assert any(
        "trains without the guest at" in line for line in forgotten.erasure.lines(forgotten.guest)
    )


@pytest.mark.operations
def test_everybody_else_stays_and_what_is_published_is_whole(forgotten: Forgotten) -> None:
    home = forgotten.context.home
    assert Lake(home.root).rows(IMPRESSIONS.name) == forgotten.rows - forgotten.own_rows
    accepted = Lake(home.root).scan("ingests").select(pl.col("rows_accepted").sum()).collect()
    assert accepted.item() == forgotten.rows - forgotten.own_rows
    published = read_published(home)
    assert published is not None
    assert published_rows(home).height == published.rows
    assert select_serving_run(context_in(home.root, forgotten.context.settings)) is not None


@pytest.mark.operations
def test_the_next_start_goes_on_without_the_guest(forgotten: Forgotten) -> None:
    # The raw files once more: they are known, though they were rewritten.
    taken = forgotten.context.home.root / "inbox" / "taken"
    for path in taken.glob("*.parquet"):
        path.rename(taken.parent / path.name)
    after = context_in(forgotten.context.home.root, forgotten.context.settings)
    assert daily(after, again=True).is_done
    assert after.lake.rows(IMPRESSIONS.name) == forgotten.rows - forgotten.own_rows
    guests = after.lake.scan(RECOMMENDATIONS.name).select("id_user").collect()["id_user"]
    assert forgotten.guest not in set(guests)


def test_rows_and_words_that_only_begin_like_the_id_stay(tmp_path: Path) -> None:
    guest = Guest(ids=frozenset({"U12"}), searches=frozenset({"S1"}), token=token_of({"U12"}))
    log, words = tmp_path / "raw.csv", tmp_path / "page.html"
    log.write_text("id_search,id_user\nS1,U12\nS2,U123\nS3,xU12\n")
    words.write_text("<p>U12, U123 and U12.</p>")
    assert erase_from_file(log, guest, is_model=False) == 1
    assert erase_from_file(words, guest, is_model=False) == 2
    assert log.read_text() == "id_search,id_user\nS2,U123\nS3,xU12\n"
    assert words.read_text() == "<p>erased, U123 and erased.</p>"


def test_a_truth_known_only_by_its_searches_is_dropped(tmp_path: Path) -> None:
    guest = Guest(ids=frozenset({"U12"}), searches=frozenset({"S1"}), token=token_of({"U12"}))
    truth = tmp_path / "truth.parquet"
    pl.DataFrame({"id_search": ["S1", "S2"], "p_click_taste": [0.1, 0.2]}).write_parquet(truth)
    assert erase_from_file(truth, guest, is_model=False) == 1
    assert pl.read_parquet(truth)["id_search"].to_list() == ["S2"]


def test_places_in_a_model_stay_where_they_are(tmp_path: Path) -> None:
    guest = Guest(ids=frozenset({"U12"}), searches=frozenset(), token=token_of({"U12"}))
    words = tmp_path / "guests.arrow"
    feather.write_feather(pa.table({"id": ["U11", "U12", "U13"]}), words)
    assert erase_from_file(words, guest, is_model=True) == 1
    assert feather.read_table(words)["id"].to_pylist() == ["U11", "erased 3", "U13"]


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
