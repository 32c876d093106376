"""Checksums: a changed or missing file of a table is named, an untouched table is sound."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from data.errors import HomeError
from data.lake.checksums import damaged_files, remember_files, sha256_of, sha256_of_folder
from data.lake.store import Lake

MONDAY, TUESDAY = date(2018, 2, 5), date(2018, 2, 6)


def _rows(market: str, day: date) -> pl.DataFrame:
    schema = {"market": pl.String, "ds_search": pl.Date, "clicks": pl.Int64}
    return pl.DataFrame([(market, day, 1)], schema=schema, orient="row")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """One file of one partition; the home's path has a space, which URIs encode."""
    lake = Lake(tmp_path / "a home")
    lake.append("features", _rows("rio", MONDAY))
    return lake


def _file(lake: Lake) -> Path:
    (path,) = lake.path("features").rglob("*.parquet")
    return path


def test_checksum_of_the_bytes_abc_is_the_published_one(tmp_path: Path) -> None:
    """FIPS 180-2, appendix B.1."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "abc").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_of(tmp_path / "sub" / "abc") == expected
    assert sha256_of_folder(tmp_path) == {"sub/abc": expected}


def test_new_files_are_recorded_once_and_removed_ones_dropped(lake: Lake) -> None:
    record = lake.home / "checksums" / "features.json"
    first = _file(lake).relative_to(lake.path("features")).as_posix()
    assert remember_files(lake, "features") == 1
    assert json.loads(record.read_text()) == {first: sha256_of(_file(lake))}
    assert remember_files(lake, "features") == 0
    lake.replace_all("features", _rows("rio", TUESDAY))
    assert remember_files(lake, "features") == 1
    (second,) = json.loads(record.read_text())
    assert second.startswith("market=rio/ds_search=2018-02-06/")


def test_changed_file_is_named_and_an_untouched_one_is_not(lake: Lake) -> None:
    remember_files(lake, "features")
    assert damaged_files(lake, "features") == []
    path = _file(lake)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert damaged_files(lake, "features") == [
        f"{path}: is not the file that was written (its SHA-256 differs)"
    ]


def test_missing_file_is_named_even_without_a_checksum(lake: Lake) -> None:
    path = _file(lake)
    path.unlink()
    assert damaged_files(lake, "features") == [f"{path}: is missing"]


def test_file_without_a_checksum_counts_as_sound(lake: Lake) -> None:
    remember_files(lake, "features")
    lake.append("features", _rows("rio", TUESDAY))
    (new,) = lake.path("features").glob("market=rio/ds_search=2018-02-06/*.parquet")
    new.write_bytes(b"damaged before its checksum was recorded")
    assert damaged_files(lake, "features") == []


def test_table_that_was_never_written_has_no_files(tmp_path: Path) -> None:
    assert damaged_files(Lake(tmp_path), "features") == []
    assert remember_files(Lake(tmp_path), "features") == 0


def test_log_that_cannot_be_read_is_a_damage(lake: Lake) -> None:
    for entry in (lake.path("features") / "_delta_log").glob("*.json"):
        entry.write_text("{broken")
    with pytest.raises(HomeError, match="the table cannot be read"):
        lake.rows("features")
    (problem,) = damaged_files(lake, "features")
    assert problem.startswith(f"{lake.path('features') / '_delta_log'}: the table's log cannot be")


def test_record_that_cannot_be_read_says_what_to_do(lake: Lake) -> None:
    remember_files(lake, "features")
    (lake.home / "checksums" / "features.json").write_text("{broken")
    with pytest.raises(HomeError, match=r"features\.json.*remove it to start anew"):
        damaged_files(lake, "features")
