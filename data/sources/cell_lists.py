"""Cells that hold several values: arrays as they are, texts divided into their elements.

=========================  ==================  ===========================================
cell                       declared            elements
=========================  ==================  ===========================================
``51|105|``                ``separator "|"``   ``51``, ``105`` and one that is empty
``N1-0  N2-1``             ``separator " "``   ``N1-0``, ``N2-1``: any run of white space
``['a', "b"]``             ``… brackets``      ``a``, ``b``: brackets and quotes left out
``["a, b", "c"]``          ``… brackets``      unreadable: a quote that is not closed
``["a, b", "c"]``          (no separator)      ``a, b`` and ``c``: a JSON array
``[{"id": 5}, {}]``        ``field = "id"``    ``5`` and a null
``[]``                     ``… brackets``      none
(empty), ``NA``, ``null``  any                 no list: null
=========================  ==================  ===========================================
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import polars as pl

from data.readers.values import NULL_SPELLINGS, nowhere, read_text
from data.sources.explode_rules import ExplodedColumn

__all__ = ["CellLists", "named_values", "read_lists"]

_BRACKETED = r"^(?s)(?:\[.*\]|\(.*\)|\{.*\})$"
_INSIDE = r"^(?s).(.*).$"
_QUOTE = r"""^["']|["']$"""
_QUOTED = r"""^(?s)(?:"[^"]*"|'[^']*')$"""


@dataclass(frozen=True, kw_only=True)
class CellLists:
    """A column of lists.

    Attributes:
        lists: dtype ``List``; null where the cell is empty; shape ``(rows,)``.
        is_unreadable: mask of the cells that hold something else than a list.
    """

    lists: pl.Series
    is_unreadable: pl.Series


def read_lists(raw: pl.Series, spec: ExplodedColumn) -> CellLists:
    """The list of each cell. Raises ``ValueError`` where the column's type cannot hold any."""
    if isinstance(raw.dtype, pl.Array):
        raw = raw.arr.to_list()
    if isinstance(raw.dtype, pl.List):
        return CellLists(lists=_plain(raw, spec), is_unreadable=nowhere(raw))
    if raw.dtype.is_nested():
        raise ValueError(f"holds {raw.dtype}, and a list is needed")
    text = raw.cast(pl.String).str.strip_chars()
    text = text.set(text.is_in(NULL_SPELLINGS).fill_null(value=False), None)
    if spec.separator is not None:
        return _divided(text, spec.separator, has_brackets=bool(spec.brackets))
    if raw.dtype != pl.String:
        raise ValueError(f'holds {raw.dtype}, and a list is needed; or name a separator = "…"')
    return _decoded(text, spec.field)


def named_values(raw: pl.Series, separator: str | None) -> pl.DataFrame:
    """``row`` (from 0) and ``value`` (as text) of everything that the cells name; no nulls."""
    spec = ExplodedColumn(column=raw.name, separator=separator)
    is_list = separator is not None or isinstance(raw.dtype, pl.List | pl.Array)
    values = read_lists(raw, spec).lists if is_list else raw
    frame = pl.DataFrame({"value": values}).with_row_index("row")
    if is_list:
        frame = frame.explode("value")
    return frame.with_columns(value=read_text(frame["value"])).drop_nulls("value")


def _plain(lists: pl.Series, spec: ExplodedColumn) -> pl.Series:
    """The elements, or their field, as values that a cell may hold."""
    for part in (spec.field or "").split(".") if spec.field else ():
        inner = lists.dtype.inner if isinstance(lists.dtype, pl.List) else None
        fields = [f.name for f in inner.fields] if isinstance(inner, pl.Struct) else []
        if part not in fields:
            raise ValueError(
                f"has no field {part!r} in its elements; they have {', '.join(fields) or 'none'}"
            )
        lists = lists.list.eval(pl.element().struct.field(part))
    inner = lists.dtype.inner if isinstance(lists.dtype, pl.List) else None
    if isinstance(inner, pl.Struct):
        names = ", ".join(field.name for field in inner.fields)
        raise ValueError(f'holds objects; name the field to take, field = "…" (of {names})')
    if isinstance(inner, pl.Categorical | pl.Enum | pl.Binary):
        lists = lists.cast(pl.List(pl.String), strict=False)
    return lists


def _divided(text: pl.Series, separator: str, *, has_brackets: bool) -> CellLists:
    is_unreadable = nowhere(text)
    if has_brackets:
        is_unreadable = ~text.str.contains(_BRACKETED).fill_null(value=True)
        text = text.str.extract(_INSIDE).str.strip_chars()
    if separator.isspace():
        text, separator = text.str.replace_all(r"\s+", " "), " "
    lists = text.str.split(separator)
    if not has_brackets:
        return CellLists(lists=lists, is_unreadable=is_unreadable)
    is_empty = (text == "").fill_null(value=False)
    nothing = pl.Series(text.name, [[]], dtype=lists.dtype).new_from_index(0, len(text))
    bare, is_open = _unquoted(nothing.zip_with(is_empty, lists))
    return CellLists(lists=bare, is_unreadable=is_unreadable | is_open)


def _unquoted(lists: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The elements without their quotes, and where one is not closed."""
    element = pl.element().str.strip_chars()
    is_quoted = element.str.contains(_QUOTED)
    bare = pl.when(is_quoted).then(element.str.extract(_INSIDE)).otherwise(element)
    is_open = lists.list.eval(element.str.contains(_QUOTE) & ~is_quoted).list.any()
    return lists.list.eval(bare), is_open.fill_null(value=False)


def _decoded(text: pl.Series, field: str | None) -> CellLists:
    cells = [_array(cell, field) for cell in text.to_list()]
    return CellLists(
        lists=pl.Series(text.name, cells, dtype=pl.List(pl.String)),
        is_unreadable=pl.Series([c is None for c in cells], dtype=pl.Boolean) & text.is_not_null(),
    )


def _array(cell: str | None, field: str | None) -> list[str | None] | None:
    """The elements of a JSON array as text; ``None`` where the cell is no array of values."""
    try:
        # numbers as they are spelled: a float would round a long id
        array = json.loads(cell, parse_int=str, parse_float=str) if cell is not None else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(array, list):
        return None
    values = [_field(element, field) for element in array]
    if any(isinstance(value, list | dict) for value in values):
        return None
    return [None if v is None else v if isinstance(v, str) else json.dumps(v) for v in values]


def _field(element: object, field: str | None) -> object:
    for part in field.split(".") if field else ():
        element = element.get(part) if isinstance(element, dict) else None
    return element
