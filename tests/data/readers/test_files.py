"""Files found by path, folder or glob, each once; told apart by content, not by name."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from data.errors import LogError
from data.readers.files import find_files, identify, open_text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.csv.gz", "c.parquet", "notes.md", ".hidden.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.csv").write_text("x")
    return tmp_path


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_folder_gives_its_logs_sorted_and_not_those_below_it(folder: Path) -> None:
    assert _names(find_files([folder])) == ["a.csv.gz", "b.csv", "c.parquet"]


def test_file_named_twice_is_found_once_in_its_first_place(folder: Path) -> None:
    (folder / "link.csv").symlink_to(folder / "b.csv")
    found = find_files([folder / "b.csv", folder / "link.csv", str(folder / "*.csv*")])
    assert _names(found) == ["b.csv", "a.csv.gz"]


def test_folder_without_logs_is_refused(folder: Path) -> None:
    (folder / "deeper" / "d.csv").unlink()
    with pytest.raises(LogError, match=r"deeper: the folder holds no log \(\.csv, \.csv\.gz"):
        find_files([folder / "deeper"])


def test_kind_and_source_id_come_from_the_content(tmp_path: Path) -> None:
    path = tmp_path / "named.csv"
    path.write_bytes(b"PAR1 and more")
    assert identify(path).kind == "parquet"
    path.write_bytes(b"abc")
    file = identify(path)
    # SHA-256 of "abc" (FIPS 180-2) begins so
    assert (file.kind, file.source_id) == ("text", "ba7816bf8f01cfea")


def test_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,2\n")
    file = identify(path)
    file.check_unchanged()
    os.utime(path, ns=(0, 0))
    with pytest.raises(LogError, match="changed while it was read"):
        file.check_unchanged()


@pytest.mark.parametrize(
    ("content", "encoding", "text"),
    [
        ("é,b\n".encode(), None, "é,b\n"),
        (b"\xef\xbb\xbf" + "é,b\n".encode(), None, "é,b\n"),
        ("é,b\n".encode("utf-16"), None, "é,b\n"),
        (gzip.compress("é,b\n".encode("latin-1"), mtime=0), "latin-1", "é,b\n"),
        (b"\x81,b\n", "cp1252", "\ufffd,b\n"),
    ],
)
def test_text_is_unpacked_and_given_as_utf8(
    tmp_path: Path, content: bytes, encoding: str | None, text: str
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    pieces = []
    with open_text(identify(path), encoding) as opened:
        # one byte at a time: a character that is cut must wait for its rest
        while piece := opened.stream.read(1):
            pieces.append(piece)
    assert b"".join(pieces).decode() == text
