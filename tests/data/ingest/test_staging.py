"""The staging folder: who owns it, what its plan says, what is left of it and when."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.errors import HomeError
from data.ingest.commit import recover
from data.ingest.staging import IngestPlan, Staging, abandoned, abandoned_exist
from data.lake.store import Lake

RECORD = {
    "source_id": "0123456789abcdef",
    "source_file": "log.csv",
    "source": "airbnb",
    "is_simulated": False,
    "rows_in": 1,
    "rows_accepted": 1,
    "rows_quarantined": 0,
    "ingested_at": "2026-01-19 10:00:00.000001",
    "report": "{}",
}
# plan.json as the first version of the program wrote it
FIRST_VERSION = (
    '{"job": 3, "ledger": [' + json.dumps(RECORD) + "], "
    '"market_days": [["rio_de_janeiro", "2018-02-05"]], "rewrites": false}'
)
PLAN = IngestPlan(
    job=3,
    ingest_records=[RECORD],
    market_days=[("rio_de_janeiro", date(2018, 2, 5))],
    rewrites=False,
)


def _leave(staging: Staging) -> None:
    """Give up the lock as the kernel does for a killed process: nothing is cleaned up."""
    os.close(staging._handle)


def test_plan_is_written_and_read_as_by_the_first_version() -> None:
    assert PLAN.to_json() == FIRST_VERSION
    assert IngestPlan.from_json(FIRST_VERSION) == PLAN


def test_folder_without_a_plan_is_removed_and_one_with_a_plan_stays(tmp_path: Path) -> None:
    undecided, decided = Staging.create(tmp_path), Staging.create(tmp_path)
    decided.declare_ready(PLAN)
    undecided.close()
    decided.close()
    assert list((tmp_path / "staging").iterdir()) == [decided.folder]
    assert decided.plan() == PLAN


def test_only_folders_of_dead_owners_are_abandoned(tmp_path: Path) -> None:
    assert not abandoned_exist(tmp_path)
    dead, living = Staging.create(tmp_path), Staging.create(tmp_path)
    _leave(dead)
    assert abandoned_exist(tmp_path)
    (taken,) = abandoned(tmp_path)
    assert taken.folder == dead.folder
    # now it has an owner again
    assert abandoned(tmp_path) == []
    taken.close()
    living.close()
    assert not abandoned_exist(tmp_path)


def test_folder_killed_before_its_lock_existed_is_removed(tmp_path: Path) -> None:
    (tmp_path / "staging" / "half").mkdir(parents=True)
    assert abandoned(tmp_path) == []
    assert not abandoned_exist(tmp_path)


def test_parts_come_by_file_and_then_in_order(tmp_path: Path) -> None:
    staging = Staging.create(tmp_path)
    frame = pl.DataFrame({"a": [1]})
    for source_id, number in (("b", 0), ("a", 10), ("a", 9)):
        staging.write(source_id, "accepted", number, frame)
    staging.write("a", "rejected", 0, frame)
    names = [str(part.relative_to(staging.folder)) for part in staging.parts("accepted")]
    assert names == [
        "a/accepted-000009.parquet",
        "a/accepted-000010.parquet",
        "b/accepted-000000.parquet",
    ]
    staging.drop("a")
    assert len(staging.parts("accepted")) == 1
    assert staging.parts("rejected") == []
    staging.close()


def test_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeError, match="home: cannot be written to: Not a directory"):
        Staging.create(tmp_path / "home")


def test_staging_that_the_first_version_left_is_committed(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    staging = Staging.create(tmp_path)
    impression = {
        "id_search": "S1",
        "id_listing": "L1",
        "market": "rio_de_janeiro",
        "ds_search": date(2018, 2, 5),
        "source_id": RECORD["source_id"],
        "source_line": 2,
    }
    staging.write(str(RECORD["source_id"]), "accepted", 1, pl.DataFrame([impression]))
    lineage = pl.DataFrame(schema={"source_id": pl.String, "source_line": pl.Int64})
    for name in ("lost-new.parquet", "lost-held.parquet"):
        lineage.write_parquet(staging.folder / name)
    (staging.folder / "plan.json").write_text(FIRST_VERSION)
    _leave(staging)
    assert recover(lake) == 1
    assert lake.scan("impressions").collect().to_dicts() == [impression]
    (record,) = lake.scan("ingests").collect().to_dicts()
    assert {name: record[name] for name in RECORD if name != "ingested_at"} == {
        name: value for name, value in RECORD.items() if name != "ingested_at"
    }
    assert str(record["ingested_at"]) == RECORD["ingested_at"]
    assert [lake.last_job(table) for table in ("impressions", "quarantine", "ingests")] == [3] * 3
    assert not abandoned_exist(tmp_path)
