"""Old versions go, the last one and the kept ones stay readable."""

from __future__ import annotations

import os
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from data.lake import retention
from data.lake.retention import drop_old_versions, merge_small_files
from data.lake.store import Lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Versions 0, 1 and 2 of one partition, each of one file with one row."""
    lake = Lake(tmp_path)
    schema = {"market": pl.String, "ds_search": pl.Date, "clicks": pl.Int64}
    for clicks in (10, 11, 12):
        row = pl.DataFrame([("rio", date(2018, 2, 5), clicks)], schema=schema, orient="row")
        lake.replace_partitions("features", row)
    return lake


def _clicks(lake: Lake, version: int | None = None) -> list[int]:
    return lake.scan("features", version=version).collect()["clicks"].to_list()


def _files(lake: Lake) -> int:
    return len(list(lake.path("features").glob("market=*/**/*.parquet")))


def test_files_of_old_versions_are_deleted_and_the_last_version_stays(lake: Lake) -> None:
    assert drop_old_versions(lake, "features", keep_days=0) == 2
    assert _files(lake) == 1
    assert _clicks(lake) == [12]


def test_kept_version_stays_readable_however_old(lake: Lake) -> None:
    assert drop_old_versions(lake, "features", keep_days=0, keep_versions=(0,)) == 1
    assert (_clicks(lake, version=0), _clicks(lake)) == ([10], [12])
    with pytest.raises((OSError, pl.exceptions.PolarsError)):
        _clicks(lake, version=1)


def test_versions_of_the_last_days_stay(lake: Lake) -> None:
    assert drop_old_versions(lake, "features", keep_days=1) == 0
    assert [_clicks(lake, version=v) for v in (0, 1, 2)] == [[10], [11], [12]]


def test_table_that_was_never_written_has_nothing_to_drop(tmp_path: Path) -> None:
    assert drop_old_versions(Lake(tmp_path), "features", keep_days=0) == 0


def test_many_small_files_are_merged_and_the_rows_and_the_last_job_stay(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for number in range(5):
        lake.append("ingests", pl.DataFrame({"source_id": [str(number)]}), job=number)
    before = lake.scan("ingests", version=4).collect().sort("source_id")
    assert merge_small_files(lake, "ingests", from_files=6) == 0
    assert merge_small_files(lake, "ingests", from_files=5) == 5
    assert len(lake.files("ingests")) == 1
    assert lake.scan("ingests").collect().sort("source_id").equals(before)
    assert lake.last_job("ingests") == 4
    assert merge_small_files(lake, "ingests", from_files=5) == 0


def _old_log_entries(lake: Lake) -> list[str]:
    """The log's entries after a version was dropped, the first two made forty days old before."""
    log = lake.path("features") / "_delta_log"
    for version in (0, 1):
        at = time.time() - 40 * 86_400
        os.utime(log / f"{version:020d}.json", (at, at))
    drop_old_versions(lake, "features", keep_days=1, keep_versions=(2,))
    return sorted(path.name[:20] for path in log.glob("*.json"))


def test_log_of_a_table_with_a_young_kept_version_is_shortened(lake: Lake) -> None:
    assert _old_log_entries(lake)[0] == "0" * 19 + "2"
    assert (_clicks(lake, version=2), _clicks(lake)) == ([12], [12])


def test_log_of_a_table_whose_kept_version_is_old_stays(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_YOUNG", timedelta(0))
    assert _old_log_entries(lake)[0] == "0" * 20
