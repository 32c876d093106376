"""A table that was written and is gone is refused, never begun anew."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.errors import HomeError
from data.lake.store import Lake


def _row(clicks: int = 1) -> pl.DataFrame:
    schema = {"market": pl.String, "ds_search": pl.Date, "clicks": pl.Int64}
    return pl.DataFrame([("rio", date(2018, 2, 5), clicks)], schema=schema, orient="row")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "a home")
    for table in ("impressions", "features"):
        lake.append(table, _row())
    return lake


@pytest.mark.parametrize("gone", ["_delta_log", "."])
def test_a_lost_table_is_neither_read_nor_begun_anew(lake: Lake, gone: str) -> None:
    shutil.rmtree((lake.path("impressions") / gone).resolve())
    for use in (
        lambda: lake.exists("impressions"),
        lambda: lake.rows("impressions"),
        lambda: lake.scan("impressions"),
        lambda: lake.append("impressions", _row()),
        lambda: lake.replace_all("impressions", _row()),
    ):
        with pytest.raises(HomeError, match=r"impressions/_delta_log: is missing.*back-up"):
            use()
    assert not (lake.path("impressions") / "_delta_log").exists()


def test_a_table_that_can_be_made_again_is(lake: Lake) -> None:
    shutil.rmtree(lake.path("features") / "_delta_log")
    assert not lake.exists("features")
    lake.replace_all("features", _row(2))
    assert lake.rows("features") == 1


def test_a_lake_that_is_gone_whole_can_be_begun_anew(lake: Lake) -> None:
    shutil.rmtree(lake.home / "lake")
    lake.append("impressions", _row())
    assert lake.rows("impressions") == 1


def test_a_damaged_list_is_named(lake: Lake) -> None:
    (lake.home / "lake" / "tables.json").write_text("{broken")
    shutil.rmtree(lake.path("impressions"))
    with pytest.raises(HomeError, match=r"lake/tables\.json: cannot be read"):
        lake.exists("impressions")
