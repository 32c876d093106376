"""The files that paths name: folders with all below them, each file once, nothing in silence."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from data.errors import LogError
from data.readers.folders import find_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv.gz", "c.parquet", "notes.md", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "deeper" / "still").mkdir(parents=True)
    (tmp_path / "deeper" / "d.csv.zst").write_text("x")
    (tmp_path / "deeper" / "still" / "e.jsonl").write_text("x")
    return tmp_path


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_folder_gives_its_logs_and_those_below_it_sorted(folder: Path) -> None:
    found = find_files([folder])
    names = ["a.csv.gz", "b.csv", "c.parquet", "d.csv.zst", "e.jsonl"]
    assert _names(found.files) == names
    assert _names(found.left_aside) == ["notes.md"]


def test_file_named_twice_is_found_once_in_its_first_place(folder: Path) -> None:
    (folder / "link.csv").symlink_to(folder / "b.csv")
    found = find_files([folder / "b.csv", folder / "link.csv", str(folder / "*.csv*")])
    assert _names(found.files) == ["b.csv", "a.csv.gz"]


def test_folder_without_logs_is_refused_and_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_text("x")
    with pytest.raises(LogError, match=r"the folder holds no log \(\.csv.* It holds table\.xlsx"):
        find_files([tmp_path])


@pytest.mark.parametrize(
    "name",
    [
        *("a.csv", "A.CSV", "a.tsv.gz", "a.txt", "a.psv", "a.pq", "a.ndjson.bz2", "a.jsonl.xz"),
        *("a.csv.lz4", "a.gz", "part-00000", "part-00000-5e3c.json", "000000_0", "000000_0.gz"),
        "part-00000-5e3c.snappy.parquet",
    ],
)
def test_names_that_are_taken_for_logs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("x")
    assert _names(find_files([tmp_path]).files) == [name]


@pytest.mark.parametrize(
    "name",
    [
        *("schema.json", "README.txt", "readme.txt.gz", "a.csv.part", "a.csv.tmp", "a.xlsx"),
        *("a.tar.gz", "a.zip", "LICENSE", "a.csv.1"),
    ],
)
def test_what_a_folder_holds_beside_logs_is_left_aside_and_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / name).write_text("x")
    found = find_files([tmp_path])
    assert (_names(found.files), _names(found.left_aside)) == (["a.csv"], [name])


@pytest.mark.parametrize(
    "name", ["_SUCCESS", "_committed_12", ".part-0.csv.crc", "a.csv.crc", ".x"]
)
def test_marks_of_spark_and_hidden_files_are_passed_over(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / name).write_text("x")
    found = find_files([tmp_path, str(tmp_path / "*")])
    assert _names(found.files) in (["a.csv"], ["a.csv", "a.csv.crc"])
    assert found.left_aside == []


def test_folder_of_an_unfinished_write_is_named_and_not_read(tmp_path: Path) -> None:
    (tmp_path / "_temporary" / "0").mkdir(parents=True)
    (tmp_path / "_temporary" / "0" / "part-0.csv").write_text("x")
    (tmp_path / "a.csv").write_text("x")
    found = find_files([tmp_path])
    assert (_names(found.files), _names(found.left_aside)) == (["a.csv"], ["_temporary"])


def test_glob_takes_folders_and_goes_below_them(folder: Path) -> None:
    assert _names(find_files([folder / "deep*"]).files) == ["d.csv.zst", "e.jsonl"]
    assert _names(find_files([folder / "**" / "*.jsonl"]).files) == ["e.jsonl"]


def test_links_to_folders_are_followed_and_a_circle_ends(folder: Path, tmp_path: Path) -> None:
    (folder / "deeper" / "back").symlink_to(folder)
    outside = tmp_path / "outside.d"
    outside.mkdir()
    (outside / "f.csv").write_text("x")
    (folder / "deeper" / "still" / "link").symlink_to(outside)
    assert "f.csv" in _names(find_files([folder / "deeper"]).files)
    assert len(find_files([folder]).files) == 6


@pytest.mark.parametrize("mark", ["_delta_log", ".hoodie"])
def test_folder_of_a_table_is_refused_since_it_holds_deleted_rows(
    tmp_path: Path, mark: str
) -> None:
    (tmp_path / "t" / mark).mkdir(parents=True)
    (tmp_path / "t" / "part-0.parquet").write_text("x")
    with pytest.raises(LogError, match=r"t: is the folder of a .* table.* deleted or replaced"):
        find_files([tmp_path])


def test_parts_without_a_byte_are_named_beside_full_ones_and_found_when_alone(
    tmp_path: Path,
) -> None:
    (tmp_path / "part-0.csv").write_text("a,b")
    (tmp_path / "part-1.csv").write_text("")
    (tmp_path / "part-2.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "other.csv").write_text("")
    found = find_files([tmp_path])
    assert _names(found.files) == ["other.csv", "part-0.csv"]
    assert _names(found.empty) == ["part-1.csv", "part-2.csv.gz"]
    assert _names(find_files([tmp_path / "part-1.csv"]).files) == ["part-1.csv"]
