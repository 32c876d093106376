"""Records cut from bytes: offsets, lines and states that can be counted by hand."""

from __future__ import annotations

import pytest

from data.readers import csv_records
from data.readers.csv_records import GOOD, LITERAL, NOT_TEXT, WRONG_FIELDS, split_records

COMMA = ord(",")


def _records(data: bytes, *, is_last: bool = True) -> list[tuple[bytes, int, int]]:
    """Text, line and state of each record of a log of two columns."""
    cut = split_records(data, separator=COMMA, fields=2, is_last=is_last)
    spans = zip(cut.starts.tolist(), cut.ends.tolist(), strict=True)
    texts = [data[start:end] for start, end in spans]
    return list(zip(texts, cut.lines.tolist(), cut.state.tolist(), strict=True))


@pytest.mark.parametrize(
    ("data", "records"),
    [
        (b"", []),
        (b"1,a\n2,b\n", [(b"1,a", 0, GOOD), (b"2,b", 1, GOOD)]),
        (b"1,a\r\n2,b", [(b"1,a", 0, GOOD), (b"2,b", 1, GOOD)]),
        (b"1,a\n\n2\n", [(b"1,a", 0, GOOD), (b"", 1, WRONG_FIELDS), (b"2", 2, WRONG_FIELDS)]),
        # a quoted newline and a quoted separator are text; a doubled quote changes nothing
        (b'1,"a\nb"\n2,"c,d"\n', [(b'1,"a\nb"', 0, GOOD), (b'2,"c,d"', 2, GOOD)]),
        (b'1,"a""\n""b"\n2,c\n', [(b'1,"a""\n""b"', 0, GOOD), (b"2,c", 2, GOOD)]),
        # stray: opened in the middle of a field, closed before its end, never closed
        (b'1,a"b\n2,c\n', [(b'1,a"b', 0, LITERAL), (b"2,c", 1, GOOD)]),
        (b'1,"a"b\n2,c\n', [(b'1,"a"b', 0, LITERAL), (b"2,c", 1, GOOD)]),
        (b'1,"a\n2,b\n3,c\n', [(b'1,"a', 0, LITERAL), (b"2,b", 1, GOOD), (b"3,c", 2, GOOD)]),
        # two lines that open a quote look like one record of two lines and three fields
        (
            b'1,"a\n2,"b\n3,c\n',
            [(b'1,"a', 0, LITERAL), (b'2,"b', 1, LITERAL), (b"3,c", 2, GOOD)],
        ),
        # a stray quote does not take a quoted newline after it with it
        (b'1,a"b\n2,"c\nd"\n', [(b'1,a"b', 0, LITERAL), (b'2,"c\nd"', 1, GOOD)]),
        # bytes that are no text, in their own record only
        (b"1,\x00\n2,b\n", [(b"1,\x00", 0, NOT_TEXT), (b"2,b", 1, GOOD)]),
        (
            b"1,\xff\n2,\xc3\xa9\n3,\xc3\n",
            [(b"1,\xff", 0, NOT_TEXT), (b"2,\xc3\xa9", 1, GOOD), (b"3,\xc3", 2, NOT_TEXT)],
        ),
    ],
)
def test_records_of_a_whole_text(data, records):
    assert _records(data) == records


@pytest.mark.parametrize(
    ("data", "consumed", "lines_consumed"),
    [
        (b"1,a\n2,b", 4, 1),  # no line end yet
        (b'1,a\n2,"b\nc', 4, 1),  # a quote that the next block may close
        (b'1,a\n2,"b\nc"', 4, 1),  # closed, without a line end
        (b'1,a\n2,"b\nc"\n', 12, 3),
        (b'"a', 0, 0),
    ],
)
def test_unfinished_record_at_a_block_boundary_is_left_over(data, consumed, lines_consumed):
    cut = split_records(data, separator=COMMA, fields=2, is_last=False)
    assert (cut.consumed, cut.lines_consumed) == (consumed, lines_consumed)


def test_open_quote_is_given_up_when_its_record_is_too_long(monkeypatch):
    monkeypatch.setattr(csv_records, "MAX_RECORD_BYTES", 10)
    open_quote = b'1,"a\n2,b\n'
    assert _records(open_quote, is_last=False) == []
    assert _records(open_quote + b"3,c\n", is_last=False) == [
        (b'1,"a', 0, LITERAL),
        (b"2,b", 1, GOOD),
        (b"3,c", 2, GOOD),
    ]


def test_after_too_many_stray_quotes_each_line_with_a_quote_is_taken_by_itself(monkeypatch):
    monkeypatch.setattr(csv_records, "MAX_REPAIRS", 2)
    lines = [b'1,a"', b'2,b"', b'3,c"', b'4,"d"', b"5,e"]
    states = [LITERAL, LITERAL, LITERAL, LITERAL, GOOD]
    expected = [(line, number, states[number]) for number, line in enumerate(lines)]
    assert _records(b"\n".join(lines)) == expected
