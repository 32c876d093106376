"""A guest leaves the tables and their history, also when the erasure is cut off and repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

import data.erasure.erase_guest
from data.erasure.erase_guest import erase_from_lake
from data.erasure.find_guest import find_traces
from data.ingest import ingest
from data.lake.store import Lake
from data.schema.tables import TABLES
from tests.data.conftest import as_csv, sound_row

GUEST = "guest-of-the-test"


class CutOffError(Exception):
    """Stands for a kill."""


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three guests' searches, and scores, which know a guest only by the search."""
    log = tmp_path / "log.csv"
    rows = [sound_row(n, id_user=GUEST if n == 2 else f"U{n}") for n in range(1, 4)]
    rejected = sound_row(4, id_user=GUEST, label="flown")
    log.write_text(as_csv([*rows, rejected]))
    lake = Lake(tmp_path / "home")
    ingest([log], home=lake.home)
    keys = lake.scan("impressions").select("id_search", "id_listing", "market", "ds_search")
    scores = keys.with_columns(model=pl.lit("m"), split=pl.lit("test"), score=pl.lit(0.5))
    lake.replace_partitions("scores", scores.collect())
    return lake


def _searches(lake: Lake, table: str) -> list[str]:
    return sorted(lake.scan(table).select("id_search").collect()["id_search"].to_list())


def test_only_the_guest_leaves_and_history_goes_too(lake: Lake) -> None:
    removed = erase_from_lake(lake, {GUEST})
    assert removed == {"impressions": 1, "quarantine": 1, "ingests": 0, "scores": 1}
    assert _searches(lake, "impressions") == _searches(lake, "scores") == ["S1", "S3"]
    assert not find_traces(lake, {GUEST}).is_known


def test_a_stranger_has_no_traces_and_part_of_an_id_is_none(lake: Lake) -> None:
    assert not find_traces(lake, {"nobody"}).is_known
    assert not find_traces(lake, {"guest-of"}).is_known
    traces = find_traces(lake, {GUEST})
    assert traces.is_known
    assert traces.searches == {"S2"}
    assert traces.days == {17_567}  # 2018-02-05


def test_a_guest_only_in_the_quarantine_is_known(lake: Lake) -> None:
    lake.replace_partitions(
        "impressions",
        lake.scan("impressions").filter(pl.col("id_user") != GUEST).collect(),
    )
    data.erasure.erase_guest._forget_history(lake.path("impressions"))
    traces = find_traces(lake, {GUEST})
    assert traces.is_known
    assert traces.searches == frozenset()


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
        *[("_erase", call) for call in range(1, 5)],
        ("_correct_ingests", 1),
        *[("_forget_history", call) for call in range(1, 5)],
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
            erase_from_lake(lake, {GUEST})
    assert find_traces(lake, {GUEST}).is_known
    erase_from_lake(lake, {GUEST})
    assert _searches(lake, "scores") == ["S1", "S3"]
    for table in TABLES:
        if lake.exists(table.name):
            assert len(list(lake.path(table.name).glob("_delta_log/*.json"))) == 1
    assert not find_traces(lake, {GUEST}).is_known


def test_a_half_written_file_of_a_killed_writer_is_no_obstacle(lake: Lake) -> None:
    (lake.path("scores") / "half.parquet").write_bytes(b"PAR1 and then nothing")
    assert not find_traces(lake, {"nobody"}).is_known
