"""The header: over several lines, behind Excel's ``sep=``, in another case than the mapping's."""

from __future__ import annotations

from pathlib import Path

import pytest

from data.errors import LogError
from data.readers import csv as csv_reader
from data.readers.files import identify
from data.readers.open_log import Log, open_log


@pytest.fixture(params=[1 << 24, 7], ids=["one block", "7 bytes"])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", request.param)


def _open(content: bytes | str, folder: Path, **options) -> Log:
    path = folder / "log.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return open_log(identify(path), **options)


def _rows(log: Log) -> list[tuple]:
    return [
        (line, *row)
        for chunk in log.chunks()
        for line, row in zip(chunk.lines.to_list(), chunk.rows.rows(), strict=True)
    ]


@pytest.mark.parametrize(
    ("content", "columns", "rows"),
    [
        ("sep=;\na;b,c\n1;2,3\n", ("a", "b,c"), [(3, "1", "2,3")]),
        ("SEP=,\r\na,b\r\n1,2\r\n", ("a", "b"), [(3, "1", "2")]),
        ('"sep=\t"\na\tb\n1\t2\n', ("a", "b"), [(3, "1", "2")]),
        ("sep=;\ra;b\r1;2\r", ("a", "b"), [(3, "1", "2")]),
        ('a,"b\n(x)",c\n1,2,3\n', ("a", "b (x)", "c"), [(3, "1", "2", "3")]),
        ('"a\r\n\r\nA",b\r\n1,"2\r\n2"\r\n', ("a A", "b"), [(4, "1", "2\r\n2")]),
        ('sep=|\na|"b\nc"\n1|2\n', ("a", "b c"), [(4, "1", "2")]),
        ('a,b"\n1,2\n3,4"\n', ("a", 'b"'), [(2, "1", "2"), (3, "3", '4"')]),
        ('a,"b"\n1,"2"\n', ("a", "b"), [(2, "1", "2")]),
    ],
)
def test_header_ends_where_its_record_ends(tmp_path, block_bytes, content, columns, rows):
    log = _open(content, tmp_path)
    assert log.columns == columns
    assert _rows(log) == rows


def test_header_of_transcoded_text_may_be_longer_than_its_bytes(tmp_path: Path) -> None:
    log = _open('東京,"b\nc"\n1,大阪\n'.encode("utf-16"), tmp_path)
    assert (log.columns, _rows(log)) == (("東京", "b c"), [(3, "1", "大阪")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sep=^\na^b\n1^2\n", "line 1: says that columns are separated by '\\^'"),
        ("sep=;\n\n1;2\n", "line 2: the first line is blank"),
        ("sep=;\na;a\n1;2\n", "line 2: the header names a column twice: a"),
        ('{"id_search": 1}\n', "this is JSON .* name the file .jsonl"),
        ('"a\nb,c\nd,e\n', "one column"),
    ],
)
def test_header_that_is_none_is_refused_with_its_line(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(LogError, match=message):
        _open(content, tmp_path)


def test_columns_in_another_case_are_read_under_the_names_that_are_wanted(tmp_path: Path) -> None:
    log = _open("ID_SEARCH,Label,other\n1,2,3\n", tmp_path, wanted=["id_search", "label", "gone"])
    assert log.columns == ("id_search", "label", "other")
    assert log.spelled == {"id_search": "ID_SEARCH", "label": "Label"}
    assert next(log.chunks()).rows.columns == ["id_search", "label", "other"]


def test_two_columns_that_differ_in_case_alone_stay_as_they_are(tmp_path: Path) -> None:
    log = _open("Label,LABEL,ID\n1,2,3\n", tmp_path, wanted=["label", "id", "ID"])
    assert (log.columns, log.spelled) == (("Label", "LABEL", "ID"), {})
