"""Where each record of a delimited text begins and ends, found without trusting the text.

A block of bytes is cut into records by the parity of the quote characters. A quote that
breaks the rules (one that opens in the middle of a field, closes before something other
than a separator, or never closes) would shift every record after it; the physical line
that holds it is then taken by itself, its quotes as plain characters, and the rest of the
block is cut again. So one bad line costs one line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["GOOD", "LITERAL", "NOT_TEXT", "WRONG_FIELDS", "Records", "split_records"]

Positions = np.ndarray[Any, np.dtype[np.int64]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
# A record over several lines longer than this is taken to be a stray quote.
MAX_RECORD_BYTES = 1 << 20
# After so many stray quotes in one block its lines are all taken one by one.
MAX_REPAIRS = 16

GOOD, WRONG_FIELDS, LITERAL, NOT_TEXT = range(4)


@dataclass(frozen=True, kw_only=True)
class Records:
    """The whole records of a block, in order; arrays of shape ``(records,)``.

    Attributes:
        starts, ends: byte offsets; the end excludes the line end.
        lines: physical line of the record's first byte, from 0 at the block's start.
        state: ``GOOD``, ``WRONG_FIELDS``, ``LITERAL`` (its quotes break the rules, to be
            read alone) or ``NOT_TEXT`` (a zero byte, or not UTF-8).
        consumed, lines_consumed: bytes and lines that the records cover; what follows is
            the beginning of a record that the next block ends.
    """

    starts: Positions
    ends: Positions
    lines: Positions
    state: np.ndarray[Any, np.dtype[np.int8]]
    consumed: int
    lines_consumed: int


@dataclass(frozen=True)
class _Cut:
    """One attempt: which newlines end a record, and the separators outside quotes."""

    is_end: Flags
    outside: Positions


def split_records(data: bytes, *, separator: int, fields: int, is_last: bool) -> Records:
    """Cut ``data`` into records of ``fields`` fields.

    ``data`` begins at the start of a record. With ``is_last`` the text ends there, with or
    without a line end; otherwise an unfinished record at the end is left over.
    """
    block = np.frombuffer(data, dtype=np.uint8)
    newlines = np.flatnonzero(block == _NEWLINE)
    if is_last and len(block) and block[-1] != _NEWLINE:
        newlines = np.append(newlines, len(block))
    cut, literal = _settle(block, newlines, separator, fields, is_last)
    kept = np.flatnonzero(cut.is_end)
    ends = newlines[kept]
    starts = np.r_[0, ends[:-1] + 1] if len(ends) else ends
    lines = np.r_[0, kept[:-1] + 1] if len(kept) else kept
    state = np.where(_fields_of(cut.outside, ends) == fields, GOOD, WRONG_FIELDS).astype(np.int8)
    if literal:
        state[np.isin(lines, np.fromiter(literal, dtype=np.int64))] = LITERAL
    consumed = min(int(ends[-1]) + 1, len(block)) if len(ends) else 0
    _mark_not_text(data, block, starts, ends, state, consumed)
    return Records(
        starts=starts,
        ends=_without_return(block, starts, ends),
        lines=lines,
        state=state,
        consumed=consumed,
        lines_consumed=int(kept[-1]) + 1 if len(kept) else 0,
    )


def _settle(
    block: Bytes, newlines: Positions, separator: int, fields: int, is_last: bool
) -> tuple[_Cut, set[int]]:
    """Cut again and again, each time with the lines of stray quotes taken literally."""
    is_quote = block == _QUOTE
    separators = block == separator
    literal: set[int] = set()
    for _ in range(MAX_REPAIRS):
        cut, quotes = _cut(is_quote, separators, newlines)
        culprits = _culprits(block, cut, quotes, newlines, (separator, fields, is_last))
        if not len(culprits):
            return cut, literal
        _silence(is_quote, newlines, culprits, literal)
    quotes = np.flatnonzero(is_quote)
    per_line = np.bincount(np.searchsorted(newlines, quotes), minlength=len(newlines) + 1)
    _silence(is_quote, newlines, np.flatnonzero(per_line), literal, every=True)
    return _cut(is_quote, separators, newlines)[0], literal


def _cut(is_quote: Flags, separators: Flags, newlines: Positions) -> tuple[_Cut, Positions]:
    quotes = np.flatnonzero(is_quote)
    if not len(quotes):
        return _Cut(np.ones(len(newlines), bool), np.flatnonzero(separators)), quotes
    inside = np.bitwise_xor.accumulate(is_quote.view(np.uint8)).astype(bool)
    is_end = (np.searchsorted(quotes, newlines) & 1) == 0
    return _Cut(is_end, np.flatnonzero(separators & ~inside)), quotes


def _culprits(
    block: Bytes,
    cut: _Cut,
    quotes: Positions,
    newlines: Positions,
    rules: tuple[int, int, bool],
) -> Positions:
    """Lines whose quotes cannot be right, sorted; empty when the cut is sound."""
    if not len(quotes):
        return quotes
    separator, fields, is_last = rules
    found = [_irregular_lines(block, quotes, newlines, separator)]
    kept = np.flatnonzero(cut.is_end)
    ends = newlines[kept]
    first_lines = np.r_[0, kept[:-1] + 1] if len(kept) else kept
    spans = (kept - first_lines) > 0
    lengths = np.diff(np.r_[-1, ends])
    wrong = spans & ((_fields_of(cut.outside, ends) != fields) | (lengths > MAX_RECORD_BYTES))
    found.append(first_lines[wrong])
    tail_line = int(kept[-1]) + 1 if len(kept) else 0
    tail_bytes = len(block) - (int(ends[-1]) + 1 if len(ends) else 0)
    if tail_line < len(newlines) and (is_last or tail_bytes > MAX_RECORD_BYTES):
        found.append(np.array([tail_line]))
    return np.unique(np.concatenate(found))


def _irregular_lines(
    block: Bytes, quotes: Positions, newlines: Positions, separator: int
) -> Positions:
    """Lines with a quote that neither stands at a field's edge nor is doubled."""
    openers, closers = quotes[0::2], quotes[1::2]
    before = np.where(openers > 0, block[openers - 1], _NEWLINE)
    after = block[np.minimum(closers + 1, len(block) - 1)]
    opens_well = _allowed(separator, _NEWLINE, _QUOTE)[before]
    closes_well = _allowed(separator, _NEWLINE, _RETURN, _QUOTE)[after]
    if opens_well.all() and closes_well.all():
        return openers[:0]
    lines = np.searchsorted(newlines, openers)
    bad_open = lines[~opens_well]
    # a quote that closes wrongly on a later line was never the end of that field
    bad_close = lines[: len(closers)][~closes_well]
    return np.concatenate((bad_open, bad_close))


def _allowed(*characters: int) -> Flags:
    table = np.zeros(256, dtype=bool)
    table[list(characters)] = True
    return table


def _silence(
    is_quote: Flags,
    newlines: Positions,
    culprits: Positions,
    literal: set[int],
    *,
    every: bool = False,
) -> None:
    """Take the quotes of these lines as characters, up to the first that shifts the rest."""
    bounds = np.r_[0, newlines + 1, len(is_quote)]
    for line in culprits.tolist():
        view = is_quote[bounds[line] : bounds[line + 1]]
        is_odd = bool(view.sum() & 1)
        view[:] = False
        literal.add(line)
        if is_odd and not every:
            return


def _fields_of(separators: Positions, ends: Positions) -> Positions:
    return np.asarray(np.diff(np.r_[0, np.searchsorted(separators, ends)]) + 1)


def _without_return(block: Bytes, starts: Positions, ends: Positions) -> Positions:
    last = np.maximum(ends - 1, 0)
    has_return = (ends > starts) & (block[last] == _RETURN) if len(ends) else ends.astype(bool)
    return np.asarray(ends - has_return)


def _mark_not_text(
    data: bytes,
    block: Bytes,
    starts: Positions,
    ends: Positions,
    state: np.ndarray[Any, np.dtype[np.int8]],
    consumed: int,
) -> None:
    if not consumed:
        return
    if data.find(b"\x00", 0, consumed) >= 0:
        zeros = np.flatnonzero(block[:consumed] == 0)
        state[np.unique(np.searchsorted(ends, zeros))] = NOT_TEXT
    if data.isascii():
        return
    try:
        data[:consumed].decode("utf-8")
    except UnicodeDecodeError:
        high = np.flatnonzero(block[:consumed] >= 128)
        for record in np.unique(np.searchsorted(ends, high)).tolist():
            try:
                data[starts[record] : ends[record]].decode("utf-8")
            except UnicodeDecodeError:
                state[record] = NOT_TEXT
