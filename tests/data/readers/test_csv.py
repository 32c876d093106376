"""The reader against Python's own csv module, against noise, and over block boundaries."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.readers import csv as csv_reader
from data.readers.files import identify
from data.readers.open_log import open_log

HEADER = ("a", "b", "c")
ANY_CASE = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
PIECE = st.sampled_from([*'ab1 .é"\n,;', "\r\n"]) | st.characters(
    codec="utf-8", exclude_characters="\x00\r"
)
FIELD = st.lists(PIECE, max_size=8).map("".join)


def _read(content: bytes, folder: Path) -> tuple[list[tuple[int, tuple]], list[tuple[int, str]]]:
    path = folder / "log.csv"
    path.write_bytes(content)
    rows, broken = [], []
    for chunk in open_log(identify(path)).chunks():
        rows += zip(chunk.lines.to_list(), chunk.rows.rows(), strict=True)
        broken += chunk.broken.select("source_line", "reasons").rows()
    return sorted(rows), sorted(broken)


@pytest.fixture(params=[1 << 24, 7, 64], ids=["one block", "7 bytes", "64 bytes"])
def block_bytes(request, monkeypatch):
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", request.param)


@ANY_CASE
@given(rows=st.lists(st.tuples(FIELD, FIELD, FIELD.filter(str.strip)), max_size=12))
def test_sound_text_is_read_as_the_csv_module_reads_it(tmp_path, block_bytes, rows):
    rows = [row for row in rows if row != HEADER]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([HEADER, *rows])
    read, broken = _read(text.getvalue().encode(), tmp_path)
    assert broken == []
    assert [tuple(value or "" for value in row) for _, row in read] == rows


@ANY_CASE
@given(noise=st.binary(max_size=80) | st.text('ab,"\n', max_size=60).map(str.encode))
def test_noise_never_raises_and_every_line_is_accounted_for(tmp_path, noise):
    content = b"a,b,c\n1,2,3\n" + noise + b"\n4,5,6\n"
    rows, broken = _read(content, tmp_path)
    numbers = [line for line, _ in rows] + [line for line, _ in broken]
    assert len(numbers) == len(set(numbers))
    lines = content.split(b"\n")[1:-1]
    spanned = [line for number, line in enumerate(lines, start=2) if number not in set(numbers)]
    # a line that is no row of its own is blank, or inside a quoted field
    assert all(not line.strip() or b'"' in content for line in spanned)
    assert (2, ("1", "2", "3")) in rows


@ANY_CASE
@given(noise=st.text('ab,"\n', max_size=60))
def test_block_boundaries_change_nothing(tmp_path, noise):
    content = f'a,b,c\n1,2,3\n{noise}\n4,"5\n5",6\n7,8,9\n'.encode()
    whole = _read(content, tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_reader, "BLOCK_BYTES", 16)
        assert _read(content, tmp_path) == whole


def test_stray_quote_costs_one_line_and_not_the_rest(tmp_path):
    lines = [f"{n},x,y" for n in range(1000)]
    lines[500] = '500,"x,y'
    rows, broken = _read("\n".join(["a,b,c", *lines]).encode(), tmp_path)
    assert len(rows) == 999
    assert broken == [(502, "wrong_field_count")]


def test_many_stray_quotes_cost_their_own_lines_only(tmp_path):
    lines = [f'{n},"x,y' if n % 2 else f'{n},"x",y' for n in range(200)]
    rows, broken = _read("\n".join(["a,b,c", *lines]).encode(), tmp_path)
    assert len(broken) == 100
    assert {row[1] for _, row in rows} == {"x"}


def test_quoted_line_end_keeps_the_number_of_its_first_line(tmp_path):
    rows, _ = _read(b'a,b,c\n1,"x\ny",2\n3,4,5\n', tmp_path)
    assert [line for line, _ in rows] == [2, 4]
    assert rows[0][1][1] == "x\ny"


def test_quote_that_never_closes_does_not_gather_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("data.readers.csv_records.MAX_RECORD_BYTES", 200)
    monkeypatch.setattr(csv_reader, "BLOCK_BYTES", 256)
    content = 'a,b,c\n0,"x,y\n' + "".join(f"{n},x,y\n" for n in range(1, 200))
    rows, broken = _read(content.encode(), tmp_path)
    assert len(rows) == 199
    assert broken == [(2, "wrong_field_count")]


def test_record_that_the_parser_sees_otherwise_is_read_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader.pl, "read_csv", lambda *_, **__: csv_reader.pl.DataFrame())
    rows, broken = _read(b'a,b,c\n1,"x\ny",2\n3,4,5\n6,7\n', tmp_path)
    assert rows == [(2, ("1", "x\ny", "2")), (4, ("3", "4", "5"))]
    assert broken == [(5, "wrong_field_count")]


SPARK = [
    # the cells as Spark writes them, and what they mean
    (r'"The \"Blue\" flat, 2 rooms"', 'The "Blue" flat, 2 rooms'),
    (r'"The \"Blue\" flat"', 'The "Blue" flat'),
    (r'"say \"hi\""', 'say "hi"'),
    (r'"\"Blue\""', '"Blue"'),
    (r'"5\", wide"', '5", wide'),
    (r'"a\",\"b"', 'a","b'),
    ('"line \\"one\\"\nline two"', 'line "one"\nline two'),
    (r'"C:\dir, \"x\""', 'C:\\dir, "x"'),
]


@pytest.mark.parametrize(("cell", "meaning"), SPARK)
def test_quotes_escaped_by_a_backslash_are_quotes(tmp_path, block_bytes, cell, meaning):
    rows, broken = _read(f"a,b,c\n1,{cell},x\n2,y,z\n".encode(), tmp_path)
    assert broken == []
    assert [row for _, row in rows] == [("1", meaning, "x"), ("2", "y", "z")]


def test_log_of_spark_is_read_whole(tmp_path):
    cells = [cell for cell, _ in SPARK] * 20
    content = "a,b,c\n" + "".join(f"{n},{cell},x\n" for n, cell in enumerate(cells))
    rows, broken = _read(content.encode(), tmp_path)
    assert broken == []
    assert [row[1] for _, row in rows] == [meaning for _, meaning in SPARK] * 20


def test_path_that_ends_in_a_backslash_stays_one_in_a_log_that_is_sound_without(tmp_path):
    content = 'a,b,c\n1,"C:\\photos\\","x"\n2,"D:\\","say ""hi"""\n'
    rows, broken = _read(content.encode(), tmp_path)
    assert broken == []
    assert [row for _, row in rows] == [("1", "C:\\photos\\", "x"), ("2", "D:\\", 'say "hi"')]


def test_one_stray_quote_does_not_make_spark_of_a_log_with_backslashes(tmp_path):
    lines = [f'{n},"C:\\photos\\","x"' for n in range(50)]
    lines[7] = '7,"x" y,"z"'
    rows, broken = _read(("a,b,c\n" + "\n".join(lines)).encode(), tmp_path)
    assert broken == []
    assert {row[1] for _, row in rows} == {"C:\\photos\\", "x y"}


def test_inch_sign_behind_a_backslash_outside_quotes_is_text(tmp_path):
    rows, broken = _read(b'a,b,c\n1,5\\" tv,x\n2,"say \\"hi\\"",y\n', tmp_path)
    assert broken == []
    assert sorted(row[1] for _, row in rows) == ['5" tv', 'say "hi"']


def test_line_that_is_too_long_is_one_broken_row_and_not_held(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_reader, "MAX_LINE_BYTES", 300)
    monkeypatch.setattr("data.readers.csv_records.MAX_LINE_BYTES", 300)
    content = b"a,b,c\n1,2,3\n4," + b"x" * 5000 + b",6\n7,8,9\n" + b"y" * 400 + b"\nz,z,z"
    for newline in (b"\n", b"\r\n", b"\r"):
        for block in (64, 1 << 20):
            monkeypatch.setattr(csv_reader, "BLOCK_BYTES", block)
            rows, broken = _read(content.replace(b"\n", newline), tmp_path)
            assert broken == [(3, "line_too_long"), (5, "line_too_long")]
            assert [line for line, _ in rows] == [2, 4, 6]
