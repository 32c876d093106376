"""Checksums: a changed or missing file of a table is named, an untouched table is sound."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

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


def test_a_table_whose_log_is_gone_is_a_damage(lake: Lake) -> None:
    remember_files(lake, "features")
    shutil.rmtree(lake.path("features") / "_delta_log")
    (problem,) = damaged_files(lake, "features")
    assert problem.endswith("_delta_log: is missing; the table had 1 files when last checked")


@pytest.mark.parametrize("later", [0, 1, 2])
def test_a_table_begun_anew_lacks_what_its_checksums_know(lake: Lake, later: int) -> None:
    """Beside the old files, with as many commits as before, or with more."""
    lake.append("features", _rows("rio", TUESDAY))
    remember_files(lake, "features")
    shutil.rmtree(lake.path("features") / "_delta_log")
    for _ in range(later + 1):
        lake.append("features", _rows("rio", TUESDAY))
    assert any(
        "commits are missing" in problem or "the table was begun anew" in problem
        for problem in damaged_files(lake, "features")
    )


def test_lost_commits_are_noticed(lake: Lake) -> None:
    lake.append("features", _rows("rio", TUESDAY))
    remember_files(lake, "features")
    (lake.path("features") / "_delta_log" / "00000000000000000001.json").unlink()
    (problem,) = damaged_files(lake, "features")
    assert "is at version 0 and was at 1" in problem


def test_files_that_later_commits_replaced_are_no_damage(lake: Lake) -> None:
    remember_files(lake, "features")
    lake.replace_all("features", _rows("rio", TUESDAY))
    assert damaged_files(lake, "features") == []


def test_a_version_whose_history_was_ended_is_not_held_against_the_table(lake: Lake) -> None:
    """As after the erasure of a guest that was killed before the checksums were recorded."""
    remember_files(lake, "features")
    lake.replace_all("features", _rows("rio", TUESDAY))
    opened = DeltaTable(lake.path("features"))
    opened.create_checkpoint()
    (lake.path("features") / "_delta_log" / "00000000000000000000.json").unlink()
    assert damaged_files(lake, "features") == []


def test_a_removed_or_changed_record_is_noticed_and_can_be_made_anew(lake: Lake) -> None:
    record = lake.home / "checksums" / "features.json"
    remember_files(lake, "features")
    text = record.read_text()
    record.write_text("{}")
    (changed,) = damaged_files(lake, "features")
    record.unlink()
    (missing,) = damaged_files(lake, "features")
    assert (f"{record}: is not the file" in changed, f"{record}: is missing" in missing) == (
        True,
        True,
    )
    (lake.home / "lake" / "checksums.json").unlink()
    assert damaged_files(lake, "features") == []
    remember_files(lake, "features")
    assert record.read_text() == text


def test_killed_while_it_records_the_next_check_accepts_either_record(lake: Lake) -> None:
    remember_files(lake, "features")
    record = lake.home / "checksums" / "features.json"
    before = record.read_text()
    lake.append("features", _rows("rio", TUESDAY))
    remember_files(lake, "features")
    record.write_text(before)  # the second step was not reached
    assert damaged_files(lake, "features") == []


def test_an_earlier_versions_record_is_taken_as_it_is(lake: Lake) -> None:
    """From before the lake remembered its records: a home that is upgraded is not damaged."""
    remember_files(lake, "features")
    (lake.home / "lake" / "checksums.json").unlink()
    assert damaged_files(lake, "features") == []
