"""Ids as people give them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from pydantic import SecretStr

from data.errors import DataError
from data.ingest.pseudonyms import pseudonym
from data.schema.tables import IMPRESSIONS
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.look_up.ids import known_guest, known_listing, known_search
from pipelines.run_context import RunContext
from tests.pipelines.look_up.logs import log_of, shown

KEY = "a key of some length"


def home_with(root: Path, log: pl.LazyFrame, key: str = "") -> RunContext:
    settings = load_settings().model_copy(update={"pseudonym_key": SecretStr(key)})
    context = RunContext(home=Home(root), settings=settings, console=Console())
    ds_search = pl.col("search_day").cast(pl.Date)
    context.lake.replace_all(IMPRESSIONS.name, log.with_columns(ds_search=ds_search))
    return context


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    log = log_of(*(shown(f"s{n}", f"L{n}", 0, id_user=f"U10{n}") for n in range(8)))
    return home_with(tmp_path / "home", log)


def test_a_known_id_is_itself_trimmed_and_as_the_reader_reads_it(
    context: RunContext, tmp_path: Path
) -> None:
    assert known_guest(context, " U103 ") == "U103"
    assert known_listing(context, "L3") == "L3"
    assert known_search(context, "s3") == "s3"
    numbers = home_with(tmp_path / "numbers", log_of(shown("1", "2", 0, id_user="219")))
    assert known_guest(numbers, "219.0") == "219"


def test_an_unknown_id_is_one_sentence_with_the_nearest(context: RunContext) -> None:
    with pytest.raises(DataError, match=r"no guest 'U130'; nearest are U10\d") as raised:
        known_guest(context, "U130")
    assert "\n" not in str(raised.value)
    with pytest.raises(DataError, match="nearest are U100, U101, U102"):
        known_guest(context, "U10")
    with pytest.raises(DataError, match="no listing 'zzzzzzzz'; ids look like L0"):
        known_listing(context, "zzzzzzzz")


def test_an_id_of_another_kind_is_told_so(context: RunContext) -> None:
    with pytest.raises(DataError, match=r"L3 is a listing, no guest.*stayrank show listing L3"):
        known_guest(context, "L3")
    with pytest.raises(DataError, match=r"U101 is a guest, no search.*stayrank show guest U101"):
        known_search(context, "U101")


def test_a_guest_is_found_by_the_id_that_a_pseudonym_replaced(tmp_path: Path) -> None:
    replaced = pseudonym(KEY, "ann")
    context = home_with(tmp_path / "home", log_of(shown("s", "a", 0, id_user=replaced)), KEY)
    assert known_guest(context, "ann") == replaced
    assert known_guest(context, replaced) == replaced
    with pytest.raises(DataError, match="no guest 'bob'"):
        known_guest(context, "bob")


def test_of_very_many_ids_the_neighbours_in_the_alphabet_are_near(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.look_up.ids._COMPARED", 4)
    log = log_of(*(shown(f"s{n}", "a", 0, id_user=f"U{n:03d}") for n in range(50)))
    context = home_with(tmp_path / "home", log)
    for given, near in (("U0255", "U025"), ("U000x", "U000"), ("U04999", "U049")):
        with pytest.raises(DataError, match=near):
            known_guest(context, given)


def test_without_guests_or_without_a_log_it_is_said(tmp_path: Path) -> None:
    no_guests = home_with(tmp_path / "home", log_of(shown("s", "a", 0)).drop("id_user"))
    with pytest.raises(DataError, match=r"has no ids of guests.*show search ID"):
        known_guest(no_guests, "ann")
    empty = RunContext(home=Home(tmp_path / "none"), settings=load_settings(), console=Console())
    with pytest.raises(DataError, match=r"holds no impressions. Make them first: stayrank ingest"):
        known_listing(empty, "a")
