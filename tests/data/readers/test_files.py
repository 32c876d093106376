"""Files told apart by content, not by name."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from data.errors import LogError
from data.readers.files import identify, open_text


def test_kind_and_source_id_come_from_the_content(tmp_path: Path) -> None:
    path = tmp_path / "named.csv"
    path.write_bytes(b"PAR1 and more")
    assert identify(path).kind == "parquet"
    path.write_bytes(b"abc")
    file = identify(path)
    # SHA-256 of "abc" (FIPS 180-2) begins so
    assert (file.kind, file.source_id) == ("text", "ba7816bf8f01cfea")


def test_lines_of_json_are_told_by_their_name_packed_or_not(tmp_path: Path) -> None:
    kinds = {}
    for name in ("a.jsonl", "a.NDJSON.gz", "a.json.zst", "a.csv", "json"):
        (tmp_path / name).write_text("{}")
        kinds[name] = identify(tmp_path / name).kind
    assert [name for name, kind in kinds.items() if kind == "json_lines"] == [*kinds][:3]


def test_same_bytes_in_two_partitions_are_two_contents(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n")
    plain = identify(path)
    ids = {identify(path, (("market", value),)).source_id for value in ("Rio", "Lisbon", None)}
    assert len(ids | {plain.source_id}) == 4


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
