r"""Lines of JSON, one object a line: read block by block like delimited text.

Cells become the text that a delimited file would hold, so that both give the same rows::

    {"id_search": 9007199254740993, "label": "click", "price": 20.00, "seen": true, "at": null}
    {"id_search": "S2", "photos": ["a", "b"], "host": {"id": 7}}

Numbers keep their spelling (``9007199254740993``, ``20.00``: a float would round the one and
shorten the other), ``true`` and ``false`` are words, ``null`` and an absent key are empty. A list
or an object stays JSON text (``["a","b"]``), unless ``list_columns`` names the column: its lists
are then lists of text, for a rule that makes rows of them.

The columns are the keys of all objects. Writers leave out what is null, so that a key may come
first in the last line: the file is read once for its keys, then for its rows.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from data.errors import LogError
from data.readers.chunk import BrokenRow, Chunk, broken_rows
from data.readers.files import SourceFile, open_text
from data.readers.long_lines import MAX_LINE_BYTES, read_up_to, skip_line, too_long
from data.schema.reason_codes import Reason

__all__ = ["read_json_lines", "read_json_lines_columns"]

# Objects take several times their text in memory.
BLOCK_BYTES = 4 << 20
_REPLACED = "\ufffd"


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """Whole lines of the file.

    Attributes:
        data: their bytes; only the file's last line may lack its line end.
        line: number of the first, from 1.
        broken: a line that was too long to be read, after the others.
        is_transcoded, bytes_read: as in ``OpenText`` and ``Chunk``.
    """

    data: bytes
    line: int
    broken: tuple[BrokenRow, ...] = ()
    is_transcoded: bool
    bytes_read: int


def read_json_lines_columns(file: SourceFile, encoding: str | None) -> tuple[str, ...]:
    """The keys of all objects, in the order in which they first come.

    Raises :class:`LogError` when the file holds no line that is an object.
    """
    keys: dict[str, None] = {}
    is_first = True
    for lines in _blocks(file, encoding):
        if is_first:
            _refuse_array(file, lines.data)
            is_first = False
        keys |= _keys_of(lines.data)
    if not keys:
        raise LogError(file.name, "not a log: no line of it is a JSON object")
    return tuple(keys)


def read_json_lines(
    file: SourceFile,
    columns: tuple[str, ...],
    encoding: str | None,
    list_columns: Collection[str] = (),
) -> Iterator[Chunk]:
    """The rows in chunks; ``lines`` are line numbers from 1. Broken lines become broken rows."""
    for lines in _blocks(file, encoding):
        rows, numbers, broken = _objects(lines)
        frame, not_text = _frame(rows, columns, list_columns, is_transcoded=lines.is_transcoded)
        if not_text:
            broken += [_not_text(rows[index], numbers[index]) for index in not_text]
            dropped = set(not_text)
            numbers = [n for index, n in enumerate(numbers) if index not in dropped]
        yield Chunk(
            rows=frame,
            lines=pl.Series("source_line", numbers, dtype=pl.Int64),
            bytes_read=lines.bytes_read,
            broken=broken_rows([*broken, *lines.broken]),
        )


def _blocks(file: SourceFile, encoding: str | None) -> Iterator[_Lines]:
    with open_text(file, encoding) as text:
        unfinished, line, is_last = b"", 1, False
        while not is_last:
            fresh = read_up_to(text.stream, BLOCK_BYTES)
            is_last = not fresh
            data = unfinished + fresh
            end = len(data) if is_last else data.rfind(b"\n") + 1
            data, unfinished = data[:end], data[end:]
            first, line = line, line + data.count(b"\n")
            broken: tuple[BrokenRow, ...] = ()
            if len(unfinished) > MAX_LINE_BYTES:
                length, behind = skip_line(text.stream, unfinished, BLOCK_BYTES, b"\n")
                broken = (too_long(line, length, unfinished),)
                unfinished, line = behind, line + 1
            if data or broken:
                yield _Lines(
                    data=data,
                    line=first,
                    broken=broken,
                    is_transcoded=text.is_transcoded,
                    bytes_read=text.position(),
                )


def _refuse_array(file: SourceFile, data: bytes) -> None:
    if data.lstrip()[:1] == b"[":
        raise LogError(
            file.name,
            "one JSON array; write one object per line and no commas between them "
            "(such as by jq -c '.[]')",
        )


def _keys_of(data: bytes) -> dict[str, None]:
    try:
        # about ten times as fast, and strict: an odd line anywhere raises
        found = pl.read_ndjson(io.BytesIO(data), infer_schema_length=None).columns
        return dict.fromkeys(found)
    except pl.exceptions.PolarsError:
        keys: dict[str, None] = {}
        for text in data.split(b"\n"):
            row = _parsed(text)
            if isinstance(row, dict):
                keys |= dict.fromkeys(row)
        return keys


def _objects(lines: _Lines) -> tuple[list[dict[str, Any]], list[int], list[BrokenRow]]:
    """The objects, the line of each, and the lines that are none."""
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    broken: list[BrokenRow] = []
    for number, text in enumerate(lines.data.split(b"\n"), start=lines.line):
        if len(text) > MAX_LINE_BYTES:
            broken.append(too_long(number, len(text), text))
            continue
        row = _parsed(text)
        if isinstance(row, dict):
            rows.append(row)
            numbers.append(number)
        elif text.strip():  # a blank line is no row
            shown = text.decode("utf-8", errors="backslashreplace")
            broken.append(BrokenRow(line=number, reason=row, text=shown))
    return rows, numbers, broken


def _parsed(text: bytes) -> dict[str, Any] | Reason:
    """The object in a line, numbers as they are spelled; or why it is none."""
    try:
        row = _DECODER.decode(text.decode("utf-8"))
    except UnicodeDecodeError:
        return Reason.NOT_TEXT
    # a line of a million brackets ends Python's stack
    except (ValueError, RecursionError):
        return Reason.NOT_JSON
    return row if isinstance(row, dict) else Reason.NOT_JSON


class _Number(str):
    """A number as it is spelled; apart from text so that it has no quotes inside a list."""

    __slots__ = ()


_TEXT = {str, _Number, type(None)}


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key twice: which value is meant cannot be known")
    return row


_DECODER = json.JSONDecoder(
    parse_int=_Number,
    parse_float=_Number,
    parse_constant=_Number,
    object_pairs_hook=_without_repeats,
)


def _frame(
    rows: list[dict[str, Any]],
    columns: tuple[str, ...],
    list_columns: Collection[str],
    *,
    is_transcoded: bool,
) -> tuple[pl.DataFrame, list[int]]:
    """The rows, and the places of those that are left out because they hold no sound text."""
    cells = _columns(rows, columns, list_columns)
    schema = {name: pl.List(pl.String) if name in list_columns else pl.String for name in columns}
    try:
        frame = pl.DataFrame(cells, schema=schema)
    except UnicodeEncodeError:
        pass
    else:
        if not is_transcoded:
            return frame, []
    bad = [index for index, row in enumerate(rows) if _is_no_text(row, is_transcoded=is_transcoded)]
    dropped = set(bad)
    kept = {
        name: [cell for index, cell in enumerate(column) if index not in dropped]
        for name, column in cells.items()
    }
    return pl.DataFrame(kept, schema=schema), bad


def _columns(
    rows: list[dict[str, Any]], columns: tuple[str, ...], list_columns: Collection[str]
) -> dict[str, list[Any]]:
    """The cells of each column."""
    if not rows:
        return {name: [] for name in columns}
    # every row gets every key, in one order: dictionaries do both faster than a loop over cells
    absent = dict.fromkeys(columns)
    by_column = zip(*((absent | row).values() for row in rows), strict=True)
    cells: dict[str, list[Any]] = {}
    for name, values in zip(columns, by_column, strict=True):
        if name in list_columns:
            cells[name] = [_list(value) for value in values]
        elif _TEXT.issuperset(map(type, values)):
            cells[name] = list(values)
        else:
            cells[name] = [_cell(value) for value in values]
    return cells


def _is_no_text(row: dict[str, Any], *, is_transcoded: bool) -> bool:
    r"""Half a surrogate (``"\ud800"``), or what stands for bytes that an encoding does not know."""
    text = _json_text(row)
    return any("\ud800" <= c <= "\udfff" for c in text) or (is_transcoded and _REPLACED in text)


def _not_text(row: dict[str, Any], number: int) -> BrokenRow:
    text = _json_text(row).encode("utf-8", errors="backslashreplace").decode("utf-8")
    return BrokenRow(line=number, reason=Reason.NOT_TEXT, text=text)


def _cell(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return _json_text(value)


def _list(value: Any) -> list[str | None] | None:
    """The list's cells; a single value is a list of one."""
    if value is None:
        return None
    return [_cell(item) for item in value] if isinstance(value, list) else [_cell(value)]


def _json_text(value: Any) -> str:
    """The value as compact JSON, its numbers as they were spelled."""
    if isinstance(value, dict):
        items = ",".join(f"{_json_text(key)}:{_json_text(item)}" for key, item in value.items())
        return "{" + items + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json_text, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
