"""A guest leaves the tables and their history, also when the erasure is cut off and repeated."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import data.erasure.erase_guest
from data.erasure.erase_guest import end_history, erase_rows
from data.erasure.find_guest import find_traces, rows_of_guest
from data.erasure.guest import Guest
from data.erasure.named_in_text import NamedInText
from data.erasure.quoted_in_report import reports_guest, without_guest
from data.ingest import ingest
from data.lake.checksums import damaged_files, remember_files
from data.lake.store import Lake
from data.schema.tables import TABLES
from data.sources.column_rules import Rule
from tests.data.conftest import as_csv, sound_row

NAME = "730"
GUEST = Guest(ids=frozenset({NAME}))


class CutOffError(Exception):
    """Stands for a kill."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three guests' searches, and scores, which know a guest only by the search.

    The id of the guest is also a listing, a price and the beginning of another id.
    """
    log = tmp_path / "log.csv"
    rows = [
        sound_row(1, id_listing=NAME),
        sound_row(2, id_user=NAME),
        sound_row(3, id_user=f"{NAME}1", listing_total_price=NAME),
    ]
    rejected = [
        sound_row(4, id_user=NAME, label="flown"),
        sound_row(5, id_listing=NAME, label="flown", listing_total_price=NAME),
    ]
    log.write_text(as_csv([*rows, *rejected]))
    lake = Lake(tmp_path / "home")
    ingest([log], home=lake.home)
    keys = lake.scan("impressions").select("id_search", "id_listing", "market", "ds_search")
    scores = keys.with_columns(model=pl.lit("m"), split=pl.lit("test"), score=pl.lit(0.5))
    lake.replace_partitions("scores", scores.collect())
    for table in TABLES:
        if lake.exists(table.name):
            remember_files(lake, table.name)
    return lake


def erase_from_lake(lake: Lake, guest: Guest) -> dict[str, int]:
    """Both halves, as ``forget-user`` does them."""
    whole = Guest(ids=guest.ids, searches=find_traces(lake, guest).searches)
    rows = erase_rows(lake, whole)
    end_history(lake, find_traces(lake, whole).tables)
    return rows


def _searches(lake: Lake, table: str) -> list[str]:
    return sorted(lake.scan(table).select("id_search").collect()["id_search"].to_list())


def test_only_the_guest_leaves_and_history_goes_too(lake: Lake) -> None:
    removed = erase_from_lake(lake, GUEST)
    assert removed == {"impressions": 1, "quarantine": 1, "scores": 1}
    assert _searches(lake, "impressions") == _searches(lake, "scores") == ["S1", "S3"]
    rejected = lake.scan("quarantine").collect()["row"].to_list()
    assert [json.loads(row)["id_search"] for row in rejected] == ["S5"]
    assert not find_traces(lake, GUEST).is_known


def test_the_history_of_a_table_that_never_named_the_guest_stays(lake: Lake) -> None:
    lake.append("scores", lake.scan("scores").filter(pl.col("id_search") == "S1").collect())
    only_quarantined = Guest(ids=frozenset({"U5"}))
    erase_from_lake(lake, only_quarantined)
    assert not find_traces(lake, only_quarantined).is_known
    assert lake.scan("scores", version=0).collect().height == 3
    assert len(list(lake.path("quarantine").glob("_delta_log/*.json"))) == 1


def test_a_stranger_has_no_traces_and_neither_has_a_number_of_something_else(lake: Lake) -> None:
    for name in ("nobody", "73", "450.5", "7301x", "L1", "S1", "2"):
        assert not find_traces(lake, Guest(ids=frozenset({name}))).is_known
    traces = find_traces(lake, GUEST)
    assert traces.tables == {"impressions", "quarantine", "scores"}
    assert traces.searches == {"S2"}
    assert traces.days == {17_567}  # 2018-02-05


def test_a_search_that_another_guest_shares_is_not_taken_along(lake: Lake) -> None:
    held = lake.scan("impressions").collect()
    shared = held.with_columns(id_search=pl.lit("S"))
    lake.replace_partitions("impressions", shared)
    scores = lake.scan("scores").collect().with_columns(id_search=pl.lit("S"))
    lake.replace_partitions("scores", scores)
    erase_from_lake(lake, GUEST)
    assert lake.rows("scores") == 3
    assert lake.rows("impressions") == 2


def test_a_guest_only_in_the_quarantine_is_known(lake: Lake) -> None:
    lake.replace_partitions(
        "impressions", lake.scan("impressions").filter(pl.col("id_user") != NAME).collect()
    )
    end_history(lake, ["impressions"])
    traces = find_traces(lake, GUEST)
    assert traces.is_known
    assert traces.searches == frozenset()


def test_a_report_that_quotes_the_id_as_an_example_is_corrected(lake: Lake) -> None:
    ingests = lake.scan("ingests").collect()
    quoted = {"column": "id_user", "reason": "too long", "count": 1, "line": 2, "value": NAME}
    of_a_price = quoted | {"column": "listing_total_price"}
    report = json.dumps({"nulled": [quoted, of_a_price]})
    lake.replace_all("ingests", ingests.with_columns(report=pl.lit(report)))
    erase_from_lake(lake, GUEST)
    left = json.loads(lake.scan("ingests").collect()["report"][0])["nulled"]
    assert [entry["value"] for entry in left] == ["(erased)", NAME]
    assert not find_traces(lake, GUEST).is_known


def test_sums_are_those_of_what_is_there_and_a_damaged_table_is_not_rewritten(lake: Lake) -> None:
    erase_from_lake(lake, GUEST)
    for table in TABLES:
        if lake.exists(table.name):
            recorded = json.loads((lake.home / "checksums" / f"{table.name}.json").read_text())
            assert len(recorded) == len(lake.files(table.name))
            assert damaged_files(lake, table.name) == []
    path = Path(lake.files("scores")[0].address.removeprefix("file://"))
    path.write_bytes(path.read_bytes() + b" ")
    rows = erase_rows(lake, Guest(ids=frozenset({"U1"}), searches=frozenset({"S1"})))
    assert "scores" not in rows
    assert "SHA-256 differs" in rows.problems[0]
    assert damaged_files(lake, "scores") != []


def _failing_at(call: int, work: Callable[..., object]) -> Callable[..., object]:
    calls = []

    def failing(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == call:
            raise CutOffError
        return work(*arguments)

    return failing


@pytest.mark.parametrize(
    ("step", "call"),
    [
        *[("_erase", call) for call in range(1, 4)],
        ("_correct_ingests", 1),
        *[("remember_files", call) for call in range(1, 4)],
        *[("_forget_history", call) for call in range(1, 4)],
    ],
)
def test_an_erasure_cut_off_anywhere_is_finished_by_the_next(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, step: str, call: int
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            data.erasure.erase_guest,
            step,
            _failing_at(call, getattr(data.erasure.erase_guest, step)),
        )
        with pytest.raises(CutOffError):
            erase_from_lake(lake, GUEST)
    assert find_traces(lake, GUEST).is_known
    erase_from_lake(lake, GUEST)
    assert _searches(lake, "scores") == ["S1", "S3"]
    for table in ("impressions", "quarantine", "scores"):
        assert len(list(lake.path(table).glob("_delta_log/*.json"))) == 1
        recorded = json.loads((lake.home / "checksums" / f"{table}.json").read_text())
        assert len(recorded) == len(lake.files(table))
    assert not find_traces(lake, GUEST).is_known


def test_a_half_written_file_of_a_killed_writer_is_no_obstacle(lake: Lake) -> None:
    (lake.path("scores") / "half.parquet").write_bytes(b"PAR1 and then nothing")
    assert not find_traces(lake, Guest(ids=frozenset({"nobody"}))).is_known


def test_a_rejected_row_is_the_guests_by_the_rule_of_the_mapping() -> None:
    joined = Guest(ids=frozenset({"s/730"}), rules=(Rule(join=("site", "id_user")),))
    at_end = Guest(ids=frozenset({NAME}), rules=(Rule(column="page", after_last="/"),))
    row = '{"site": "s", "id_user": 730, "page": "/u/730", "price": "730"}'
    other = '{"site": "t", "id_user": "730", "page": "/730/u", "price": "730"}'
    frame = pl.DataFrame({"row": [row, other], "reasons": ["label_unknown"] * 2})
    for guest in (joined, replace(at_end, columns=frozenset({"visitor"}))):
        assert rows_of_guest(frame, guest).to_list() == [True, False]


def test_a_rejected_line_of_another_encoding_is_the_guests() -> None:
    line = "S1,josé-1,9".encode("cp1252").decode("utf-8", errors="backslashreplace")
    frame = pl.DataFrame({"row": [json.dumps({"line": line})], "reasons": ["not_text"]})
    assert rows_of_guest(frame, Guest(ids=frozenset({"josé-1"}))).to_list() == [True]
    assert rows_of_guest(frame, Guest(ids=frozenset({"jos-1"}))).to_list() == [False]


def test_a_report_withholds_values_and_warnings_that_name_the_guest() -> None:
    nulled = [
        {"column": "id_user", "value": NAME},
        {"column": "listing_total_price", "value": NAME},
    ]
    warnings = ["2 of its 9 rows were quarantined", "first in line 3: id_user '730'"]
    report = json.dumps({"file": "a.csv", "nulled": nulled, "warnings": warnings})
    assert reports_guest(report, GUEST)
    left = json.loads(without_guest(report, GUEST, NamedInText(GUEST), "(erased)"))
    assert [entry["value"] for entry in left["nulled"]] == ["(erased)", NAME]
    assert left["warnings"] == [warnings[0], "(erased)"]
    assert not reports_guest(json.dumps(left), GUEST)
