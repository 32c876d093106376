"""Tables in odd folders: the same rows, files and sums as anywhere, and none of a sibling's."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.erasure.erase_guest import end_history, erase_rows
from data.erasure.find_guest import find_traces
from data.erasure.guest import Guest
from data.ingest import ingest
from data.lake.checksums import damaged_files, remember_files
from data.lake.retention import drop_old_versions
from data.lake.store import Lake
from features.on_spark.pieces import pieces_of
from tests.data.conftest import as_csv, sound_row
from tests.odd_paths import ODD_NAMES

MONDAY, TUESDAY = date(2018, 2, 5), date(2018, 2, 6)


def _frame(*rows: tuple[str, date, int]) -> pl.DataFrame:
    schema = {"market": pl.String, "ds_search": pl.Date, "clicks": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


ROWS = _frame(("rio", MONDAY, 1), ("rio", TUESDAY, 2), ("são p", MONDAY, 3), ("東京", MONDAY, 4))


@pytest.fixture(params=ODD_NAMES)
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / request.param / "home")
    lake.append("features", ROWS)
    return lake


def _sorted(frame: pl.LazyFrame) -> pl.DataFrame:
    return frame.select(ROWS.columns).sort("clicks").collect()


def test_rows_are_read_back_whole_and_filtered(lake: Lake) -> None:
    scan = lake.scan("features")
    assert _sorted(scan).equals(ROWS)
    assert scan.collect_schema() == ROWS.schema
    assert _sorted(scan.filter(pl.col("market") == "東京"))["clicks"].to_list() == [4]
    in_both = (pl.col("ds_search") == MONDAY) & (pl.col("clicks") > 1)
    assert _sorted(scan.filter(in_both))["clicks"].to_list() == [3, 4]
    assert scan.select(pl.len()).collect().item() == lake.rows("features") == 4


def test_versions_and_new_columns_are_read(lake: Lake) -> None:
    lake.append("features", _frame(("rio", MONDAY, 5)).with_columns(new=pl.lit(0.5)))
    assert _sorted(lake.scan("features", version=0)).equals(ROWS)
    latest = lake.scan("features").sort("clicks").collect()
    assert latest["new"].to_list() == [None, None, None, None, 0.5]
    lake.replace_all("features", ROWS.clear())
    assert lake.scan("features").collect().is_empty()


def test_files_are_named_by_paths_that_open(lake: Lake) -> None:
    files = lake.files("features")
    assert {Path(file.address) for file in files} == set(lake.home.resolve().rglob("part-*"))
    parts = [(file.address, file.rows, file.partition) for file in files]
    pieces = pieces_of(parts, lake.scan("features").collect_schema())
    read = pl.concat(piece.read(ROWS.columns) for piece in pieces)
    assert _sorted(read.lazy()).equals(ROWS)


def test_checksums_and_retention_find_every_file(lake: Lake) -> None:
    assert remember_files(lake, "features") == 4
    assert damaged_files(lake, "features") == []
    lake.replace_all("features", ROWS.head(1))
    assert drop_old_versions(lake, "features", keep_days=0) == 4
    (file,) = lake.files("features")
    remember_files(lake, "features")
    Path(file.address).write_bytes(b"damage")
    assert len(damaged_files(lake, "features")) == 1


def test_a_pattern_in_the_name_reads_no_sibling(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "x y?z*")
    lake.append("features", ROWS)
    shutil.copytree(lake.home, tmp_path / "x yazb")
    assert _sorted(lake.scan("features")).equals(ROWS)


@pytest.mark.parametrize("name", ["odd dir é#%?&'", "st*r {a,b}", "market=zz"])
def test_a_log_is_ingested_and_a_guest_erased(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    log = folder / f"{name.strip()}.csv"
    log.write_text(as_csv([sound_row(n) for n in range(1, 4)]), encoding="utf-8")
    lake = Lake(folder / "home")
    report = ingest([log], home=lake.home)
    assert (report.rows_accepted, lake.rows("impressions")) == (3, 3)
    assert ingest([log], home=lake.home).files[0].status == "already ingested"
    guest = Guest(ids=frozenset({"U2"}))
    found = find_traces(lake, guest)
    assert (found.is_known, found.unreadable) == (True, ())
    assert erase_rows(lake, guest)["impressions"] == 1
    end_history(lake, found.tables)
    assert not find_traces(lake, guest).is_known
    assert sorted(lake.scan("impressions").collect()["id_user"]) == ["U1", "U3"]
