r"""Where each record of a delimited text begins and ends, found without trusting the text.

A block of bytes is cut into records by counting quote characters: a newline with an even
number of quotes before it ends a record, one with an odd number lies inside a quoted field.
The count needs no knowledge of fields, so a whole block is cut with a few array operations;
a doubled quote (``""`` for a quote inside a quoted field) adds two and changes nothing.

The price of counting is that one stray quote turns "even" into "odd" for the rest of the
block. So each cut is checked. The line of the first quote that breaks the rules is set aside
(``LITERAL``: its quotes are taken as plain characters) and the block is cut again. One bad
line costs one line.

Five lines of a two-column log; the block ends in the middle of the last:

====  ==========  ======================  =============================================
line  bytes       quotes up to line end   what becomes of it
====  ==========  ======================  =============================================
0     ``1,a``     0, even                 a record
1     ``2,"b``    1, odd                  its newline is text of the second field …
2     ``b"``      2, even                 … and the record ends here
3     ``3,c"d``   3, odd                  the quote opens in the middle of a field: stray,
                                          taken as a character; recounted as 2, even
4     ``4,"e``    3, odd                  no line end yet: left for the next block
====  ==========  ======================  =============================================

>>> data = b'1,a\n2,"b\nb"\n3,c"d\n4,"e'
>>> first = split_records(data, separator=ord(","), fields=2, is_last=False)
>>> [data[start:end] for start, end in zip(first.starts, first.ends)]
[b'1,a', b'2,"b\nb"', b'3,c"d']
>>> first.lines.tolist(), first.state.tolist() == [GOOD, GOOD, LITERAL]
([0, 1, 3], True)

The next block starts with what was left over:

>>> data = data[first.consumed :] + b'\ne"\n5,f\n'
>>> second = split_records(data, separator=ord(","), fields=2, is_last=True)
>>> [data[start:end] for start, end in zip(second.starts, second.ends)]
[b'4,"e\ne"', b'5,f']
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.readers.long_lines import MAX_LINE_BYTES

__all__ = [
    "GOOD",
    "LITERAL",
    "NOT_TEXT",
    "TOO_LONG",
    "WRONG_FIELDS",
    "Records",
    "split_records",
    "with_doubled_quotes",
]

Positions = np.ndarray[Any, np.dtype[np.int64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
# A quote still open after so many bytes is stray. Without this limit, one that never closes
# would gather the rest of the file in memory before anybody could say so.
MAX_RECORD_BYTES = 1 << 20
# Each cut reads the whole block again. After so many of them every line with a quote is
# taken by itself, so that a file full of stray quotes takes bounded time.
MAX_REPAIRS = 16

# A quote behind an odd number of backslashes.
_ESCAPED_QUOTE = re.compile(rb'(?<!\\)((?:\\\\)*)\\"')

GOOD, WRONG_FIELDS, LITERAL, NOT_TEXT, TOO_LONG = range(5)


@dataclass(frozen=True, kw_only=True)
class Records:
    """The whole records of a block, in order; arrays of shape ``(records,)``.

    Attributes:
        starts, ends: byte offsets; the end excludes the line end.
        lines: physical line of the record's first byte, from 0 at the block's start.
        state: ``GOOD``, ``WRONG_FIELDS``, ``LITERAL`` (its quotes break the rules, to be
            read alone), ``NOT_TEXT`` (a zero byte, or not UTF-8) or ``TOO_LONG`` (more than
            ``MAX_LINE_BYTES``).
        consumed, lines_consumed: bytes and lines that the records cover; what follows is
            the beginning of a record that the next block ends.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    state: np.ndarray[Any, np.dtype[np.int8]]
    consumed: int
    lines_consumed: int


@dataclass(frozen=True, kw_only=True)
class _Block:
    """The bytes to cut, and what a record of them looks like.

    ``newlines`` are the offsets of the line ends; in the last block ``len(data)`` stands
    for a line end that is missing.
    """

    data: Bytes
    newlines: Positions
    separator: int
    fields: int
    is_last: bool


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One attempt to cut a block.

    Attributes:
        quotes: offsets of the quotes that were counted.
        is_end: per newline, whether it ends a record.
        separators: offsets of the separators outside quotes.
    """

    quotes: Positions
    is_end: Flags
    separators: Positions


def split_records(data: bytes, *, separator: int, fields: int, is_last: bool) -> Records:
    """Cut ``data`` into records of ``fields`` fields.

    ``data`` begins at the start of a record. With ``is_last`` the text ends there, with or
    without a line end; otherwise an unfinished record at the end is left over.
    """
    array = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(array == _NEWLINE)
    if is_last and len(array) and array[-1] != _NEWLINE:
        newlines = np.append(newlines, len(array))
    block = _Block(
        data=array, newlines=newlines, separator=separator, fields=fields, is_last=is_last
    )
    cut, literal_lines = _cut_until_sound(block)
    last_lines = np.flatnonzero(cut.is_end)
    ends = newlines[last_lines]
    starts = np.r_[0, ends[:-1] + 1] if len(ends) else ends
    lines = _first_lines(last_lines)
    has_all_fields = _field_counts(cut.separators, ends) == fields
    state = np.where(has_all_fields, GOOD, WRONG_FIELDS).astype(np.int8)
    if literal_lines:
        state[np.isin(lines, np.fromiter(literal_lines, dtype=np.int64))] = LITERAL
    consumed = min(int(ends[-1]) + 1, len(array)) if len(ends) else 0
    _mark_not_text(data, array, starts, ends, state, consumed)
    state[ends - starts > MAX_LINE_BYTES] = TOO_LONG
    return Records(
        starts=starts,
        ends=_without_return(array, starts, ends),
        lines=lines,
        state=state,
        consumed=consumed,
        lines_consumed=int(last_lines[-1]) + 1 if len(last_lines) else 0,
    )


def with_doubled_quotes(data: bytes) -> bytes:
    r"""The text with quotes escaped as Spark does it written as RFC 4180 has them.

    As long as before, so that every offset stays. A backslash before a backslash is text:

    >>> with_doubled_quotes(rb'1,"The \"Blue\" flat","C:\\"')
    b'1,"The ""Blue"" flat","C:\\\\"'
    """
    return _ESCAPED_QUOTE.sub(rb'\1""', data)


def _cut_until_sound(block: _Block) -> tuple[_Cut, set[int]]:
    """Cut again and again; the sound cut, and the lines whose quotes do not count in it."""
    is_quote = block.data == _QUOTE
    is_separator = block.data == block.separator
    literal_lines: set[int] = set()
    for _ in range(MAX_REPAIRS):
        cut = _cut(is_quote, is_separator, block.newlines)
        suspects = _suspect_lines(block, cut)
        if not len(suspects):
            return cut, literal_lines
        _take_literally(is_quote, block.newlines, suspects, literal_lines)
    quoted_lines = np.unique(np.searchsorted(block.newlines, np.flatnonzero(is_quote)))
    _take_literally(is_quote, block.newlines, quoted_lines, literal_lines, every=True)
    return _cut(is_quote, is_separator, block.newlines), literal_lines


def _cut(is_quote: Flags, is_separator: Flags, newlines: Positions) -> _Cut:
    quotes = np.flatnonzero(is_quote)
    if not len(quotes):
        every = np.ones(len(newlines), dtype=bool)
        return _Cut(quotes=quotes, is_end=every, separators=np.flatnonzero(is_separator))
    is_inside = np.bitwise_xor.accumulate(is_quote.view(np.uint8)).astype(bool)
    return _Cut(
        quotes=quotes,
        is_end=(np.searchsorted(quotes, newlines) & 1) == 0,
        separators=np.flatnonzero(is_separator & ~is_inside),
    )


def _suspect_lines(block: _Block, cut: _Cut) -> Positions:
    """Lines whose quotes cannot be right, sorted; empty when the cut is sound.

    Besides the quotes in forbidden places these are the first lines of records over several
    lines that have the wrong number of fields or are too long (a stray quote has swallowed
    whole records), and of a tail whose quote does not close before the end of the file.
    A one-line record with the wrong number of fields shifts nothing: it is no suspect.
    """
    if not len(cut.quotes):
        return cut.quotes
    last_lines = np.flatnonzero(cut.is_end)
    ends = block.newlines[last_lines]
    first_lines = _first_lines(last_lines)
    lengths = np.diff(np.r_[-1, ends])
    is_wrong = _field_counts(cut.separators, ends) != block.fields
    is_suspect = (last_lines > first_lines) & (is_wrong | (lengths > MAX_RECORD_BYTES))
    suspects = [_irregular_lines(block, cut.quotes), first_lines[is_suspect]]
    tail_line = int(last_lines[-1]) + 1 if len(last_lines) else 0
    tail_bytes = len(block.data) - (int(ends[-1]) + 1 if len(ends) else 0)
    # a tail with newlines in it, all inside quotes; the next block may still close it
    if tail_line < len(block.newlines) and (block.is_last or tail_bytes > MAX_RECORD_BYTES):
        suspects.append(np.array([tail_line]))
    return np.unique(np.concatenate(suspects))


def _irregular_lines(block: _Block, quotes: Positions) -> Positions:
    """Lines with a quote that neither stands at a field's edge nor is doubled."""
    # by parity alone: every first quote opens, every second closes. The middle of a doubled
    # quote is read as "closes, opens at once", so a quote is allowed beside a quote.
    openers, closers = quotes[0::2], quotes[1::2]
    before = np.where(openers > 0, block.data[openers - 1], _NEWLINE)
    # a quote that is the last byte of the block is its own neighbour, hence allowed
    after = block.data[np.minimum(closers + 1, len(block.data) - 1)]
    opens_well = _allowed(block.separator, _NEWLINE, _QUOTE)[before]
    closes_well = _allowed(block.separator, _NEWLINE, _RETURN, _QUOTE)[after]
    if opens_well.all() and closes_well.all():
        return openers[:0]
    lines = np.searchsorted(block.newlines, openers)
    bad_open = lines[~opens_well]
    # the line of the opener: a quote that closes wrongly on a later line was never the end
    # of that field, so it is the opener that has no partner
    bad_close = lines[: len(closers)][~closes_well]
    return np.concatenate((bad_open, bad_close))


def _allowed(*characters: int) -> Flags:
    """A table over all byte values, true for these; indexing it beats ``np.isin``."""
    table = np.zeros(256, dtype=bool)
    table[list(characters)] = True
    return table


def _take_literally(
    is_quote: Flags,
    newlines: Positions,
    lines: Positions,
    literal_lines: set[int],
    *,
    every: bool = False,
) -> None:
    """Stop counting the quotes of these lines, up to the first with an odd number.

    That one shifts the parity of all that follows, so the later suspects were found under
    a wrong count: they are looked at again after the next cut (unless ``every``).
    """
    bounds = np.r_[0, newlines + 1, len(is_quote)]
    for line in lines.tolist():
        quotes_of_line = is_quote[bounds[line] : bounds[line + 1]]
        is_odd = bool(quotes_of_line.sum() & 1)
        quotes_of_line[:] = False
        literal_lines.add(line)
        if is_odd and not every:
            return


def _first_lines(last_lines: Positions) -> Positions:
    """The first line of each record, from its last: the one after the record before."""
    return np.r_[0, last_lines[:-1] + 1] if len(last_lines) else last_lines


def _field_counts(separators: Positions, ends: Positions) -> Positions:
    """Fields of each record: one more than the separators between its ends."""
    return np.asarray(np.diff(np.r_[0, np.searchsorted(separators, ends)]) + 1)


def _without_return(data: Bytes, starts: Positions, ends: Positions) -> Positions:
    """The ends, before the carriage return of a Windows line end."""
    last = np.maximum(ends - 1, 0)
    has_return = (ends > starts) & (data[last] == _RETURN) if len(ends) else ends.astype(bool)
    return np.asarray(ends - has_return)


def _mark_not_text(
    data: bytes,
    array: Bytes,
    starts: Positions,
    ends: Positions,
    state: np.ndarray[Any, np.dtype[np.int8]],
    consumed: int,
) -> None:
    """Set ``state`` to ``NOT_TEXT`` for records with a zero byte or bytes that are not UTF-8."""
    if not consumed:
        return
    if data.find(b"\x00", 0, consumed) >= 0:
        zeros = np.flatnonzero(array[:consumed] == 0)
        state[np.unique(np.searchsorted(ends, zeros))] = NOT_TEXT
    if data.isascii():
        return
    try:
        # the whole block at once: record by record only where something is wrong
        data[:consumed].decode("utf-8")
    except UnicodeDecodeError:
        high = np.flatnonzero(array[:consumed] >= 128)
        for record in np.unique(np.searchsorted(ends, high)).tolist():
            try:
                data[starts[record] : ends[record]].decode("utf-8")
            except UnicodeDecodeError:
                state[record] = NOT_TEXT
