r"""Lines of JSON: the text that a delimited file would hold, and each broken line by its number."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import LogError
from data.readers import json_lines, long_lines
from data.readers.files import identify
from data.readers.open_log import Log, open_log

Rows = list[tuple[int, dict[str, str | None]]]


def _open(content: bytes, folder: Path, name: str = "log.jsonl", **options) -> Log:
    path = folder / name
    path.write_bytes(content)
    return open_log(identify(path), **options)


def _read(content: bytes, folder: Path, **options) -> tuple[Rows, list[tuple[int, str]]]:
    rows, broken = [], []
    for chunk in _open(content, folder, **options).chunks():
        rows += zip(chunk.lines.to_list(), chunk.rows.to_dicts(), strict=True)
        broken += chunk.broken.select("source_line", "reasons").rows()
    return rows, sorted(broken)


def _cells(content: str, folder: Path) -> dict[str, str | None]:
    ((_, cells),), broken = _read(content.encode(), folder)
    assert broken == []
    return cells


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('"Zoë \\"x\\""', 'Zoë "x"'),
        ("9007199254740993", "9007199254740993"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("20.00", "20.00"),
        ("1.23457E+15", "1.23457E+15"),
        ("true", "true"),
        ("false", "false"),
        ("null", None),
        ("NaN", "NaN"),
        ('["a", 1, 2.50, null, "é"]', '["a",1,2.50,null,"é"]'),
        ('{"x": {"y": [1.0]}}', '{"x":{"y":[1.0]}}'),
    ],
)
def test_value_becomes_the_text_of_a_delimited_file(tmp_path: Path, value: str, text: str) -> None:
    assert _cells(f'{{"a": {value}, "b": 1}}', tmp_path)["a"] == text


def test_columns_are_the_keys_of_all_lines_and_an_absent_key_is_null(tmp_path: Path) -> None:
    content = b'{"a": 1}\n' * 5000 + b'{"b": "late"}\n'
    log = _open(content, tmp_path)
    assert log.columns == ("a", "b")
    rows = [row for chunk in log.chunks() for row in chunk.rows.rows()]
    assert (rows[0], rows[-1]) == (("1", None), (None, "late"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"broken", "not_json"),
        (b'{"a": 1', "not_json"),
        (b"[1, 2]", "not_json"),
        (b"7", "not_json"),
        (b'{"a": 1, "a": 2}', "not_json"),
        (b'{"a": 1} {"a": 2}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"a": "\xff"}', "not_text"),
        (rb'{"a": "\ud800"}', "not_text"),
    ],
)
def test_broken_line_is_a_broken_row_with_its_number(
    tmp_path: Path, line: bytes, reason: str
) -> None:
    rows, broken = _read(b'{"a": 1}\n' + line + b'\n\n  \n{"a": 2}', tmp_path)
    assert broken == [(2, reason)]
    assert [(number, row["a"]) for number, row in rows] == [(1, "1"), (5, "2")]


def test_lists_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    content = b'{"a": ["x", 7], "b": ["y"]}\n{"a": null}\n{"a": "z"}\n'
    log = _open(content, tmp_path, list_columns=["a"])
    (chunk,) = log.chunks()
    assert chunk.rows["a"].to_list() == [["x", "7"], None, ["z"]]
    assert chunk.rows["b"].to_list() == ['["y"]', None, None]


def test_other_encodings_are_read_and_unknown_bytes_quarantined(tmp_path: Path) -> None:
    text = '{"a": "é"}\r\n{"a": "b"}\r\n'
    assert _read(b"\xef\xbb\xbf" + text.encode(), tmp_path)[0] == [(1, {"a": "é"}), (2, {"a": "b"})]
    assert _read(text.encode("utf-16"), tmp_path)[0][0] == (1, {"a": "é"})
    rows, broken = _read(b'{"a": "\x81"}\n{"a": "b"}\n', tmp_path, encoding="cp1252")
    assert (rows, broken) == ([(2, {"a": "b"})], [(1, "not_text")])


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_packed_lines_are_streamed(tmp_path: Path, pack) -> None:
    log = _open(pack(b'{"a": 1}\n{"a": 2}\n'), tmp_path, "log.jsonl.packed.jsonl")
    assert sum(chunk.row_count for chunk in log.chunks()) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'[{"a": 1}, {"a": 2}]', "one JSON array; write one object per line"),
        (b'{\n "a": 1\n}\n', "no line of it is a JSON object"),
        (b"id_search,label\n1,click\n", "no line of it is a JSON object"),
    ],
)
def test_other_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(LogError, match=message):
        _open(content, tmp_path)


def test_line_that_is_too_long_is_one_broken_row_and_not_held(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(json_lines, "MAX_LINE_BYTES", 300)
    content = b'{"a": 1}\n{"a": "' + b"x" * 5000 + b'"}\n{"a": 2}\n'
    for block in (64, 1 << 20):
        monkeypatch.setattr(json_lines, "BLOCK_BYTES", block)
        rows, broken = _read(content, tmp_path)
        assert broken == [(2, "line_too_long")]
        assert [number for number, _ in rows] == [1, 3]
    assert long_lines.too_long(2, 5010, b"x" * 5000).text.endswith("… (5,010 bytes)")


VALUE = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers())
ROW = st.dictionaries(st.sampled_from("abc"), VALUE, max_size=3)


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=st.lists(ROW, min_size=1, max_size=8), noise=st.binary(max_size=10))
def test_every_line_is_a_row_or_a_broken_row_whatever_the_block(tmp_path, rows, noise):
    noise = noise.replace(b"\n", b"")
    lines = [*(json.dumps(row).encode() for row in rows), noise, b'{"a": 1}']
    content = b"\n".join(lines)
    whole = _read(content, tmp_path)
    numbers = sorted([n for n, _ in whole[0]] + [n for n, _ in whole[1]])
    assert numbers == [n for n, line in enumerate(lines, start=1) if line.strip()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_lines, "BLOCK_BYTES", 7)
        assert _read(content, tmp_path) == whole
