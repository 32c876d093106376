"""What a served model is given becomes the Arrow rows that it reads: cast, or refused by name.

MLflow's own check of a schema takes a whole-number column for an error where the model was
registered with fractions, and says so in several thousand characters. So a version is registered
without one: it keeps the columns that it reads (``model_config`` of the logged model), and this
file holds rows against them. What is cast, and what is not::

    number      whole numbers, fractions, decimals, true and false, "3.5"; a date where the column
                counts days (``*_day``), a time where it counts seconds (``*_s``). Not "cheap".
    boolean     true and false, 1 and 0, "true" and "false". Not 2, not "yes".
    category    text, pandas' categories, whole numbers. Not 1.5, not true.

A missing value (``None``, NaN, ``pd.NA``, ``NaT``) is null in any of them. Other columns are
ignored, whatever is in them.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.types as pt

from data.counted import counted
from data.errors import DataError

__all__ = [
    "ColumnKind",
    "IfAbsent",
    "ServedColumn",
    "as_config",
    "columns_of_config",
    "served_rows",
]

ColumnKind = Literal["number", "boolean", "category"]
# refused: the model cannot do without it. unknown: null in every row, as in a log that does not
# have it. left_out: the model stands it in the middle, but only where it is not there at all.
IfAbsent = Literal["refused", "unknown", "left_out"]

TYPES = {"number": pa.float64(), "boolean": pa.bool_(), "category": pa.string()}
WORDS = {"number": "a number", "boolean": "true or false", "category": "text"}
EPOCH = date(1970, 1, 1)
HOW = "give it rows of the features table"
NAMED = 3
# A row without one is no candidate of a search.
IDS = ("id_search", "id_listing")


@dataclass(frozen=True, kw_only=True)
class ServedColumn:
    """A column that a served model reads.

    Attributes:
        name: of the column.
        kind: what its values become: float64, boolean or text.
        if_absent: what becomes of rows that do not have it.
    """

    name: str
    kind: ColumnKind
    if_absent: IfAbsent


def as_config(columns: tuple[ServedColumn, ...]) -> dict[str, Any]:
    """The columns as a version keeps them: ``{"columns": {name: {"kind": …, "if_absent": …}}}``."""
    return {"columns": {c.name: {"kind": c.kind, "if_absent": c.if_absent} for c in columns}}


def columns_of_config(config: Mapping[str, Any] | None) -> tuple[ServedColumn, ...]:
    """What :func:`as_config` wrote; empty for a version that keeps no columns."""
    kept: dict[str, Any] = dict(config or {}).get("columns", {})
    return tuple(ServedColumn(name=name, **rest) for name, rest in kept.items())


def served_rows(given: Any, columns: tuple[ServedColumn, ...], *, model: str) -> pa.Table:
    """The rows of ``given`` in the columns that the model reads, in their order.

    Args:
        given: a pandas, Polars or Arrow table, a list of dicts, or a dict of columns; a row per
            candidate.
        columns: what the model reads; with none of them every column is taken as it is.
        model: what errors call it, such as ``the ranker``.

    Raises ``DataError`` in one sentence: a needed column that is absent, a column that stands
    twice, or the first value that cannot be cast, with its column and row (from 0).
    """
    table = _columns_given(given)
    if not columns:
        return pa.table({name: pa.array(column) for name, column in table.items()})
    needed = [c.name for c in columns if c.if_absent == "refused" and c.name not in table]
    if needed:
        some = ", ".join(needed[:NAMED])
        raise DataError(
            f"the rows lack {counted(len(needed), 'column')} that {model} needs "
            f"({some}{', …' if len(needed) > NAMED else ''}): {HOW}"
        )
    rows = len(next(iter(table.values())))
    arrays = {
        c.name: _cast(table[c.name], c) if c.name in table else pa.nulls(rows, TYPES[c.kind])
        for c in columns
        if c.name in table or c.if_absent == "unknown"
    }
    for name in IDS:
        if name in arrays and arrays[name].null_count:
            row = arrays[name].is_null().index(True).as_py()
            raise DataError(f"column {name}, row {row}: is empty, and every row needs one")
    return pa.table(arrays)


def _columns_given(given: Any) -> dict[str, Any]:
    """Name → its values, of any kind of table."""
    if hasattr(given, "to_arrow"):
        given = given.to_arrow()
    if isinstance(given, pa.Table):
        return dict(zip(given.column_names, given.columns, strict=True))
    if isinstance(given, pd.Series):
        given = given.to_frame().T
    if isinstance(given, Mapping) and given and all(map(pd.api.types.is_scalar, given.values())):
        given = [given]
    if isinstance(given, Mapping | list):
        given = pd.DataFrame(given)
    if not isinstance(given, pd.DataFrame):
        raise DataError(f"rows are a table, such as a pandas DataFrame, not {type(given).__name__}")
    names = [str(name) for name in given.columns]
    for name in names:
        if names.count(name) > 1:
            raise DataError(f"column {name} stands twice in the rows: leave one of them out")
    return {name: given.iloc[:, place] for place, name in enumerate(names)}


def _cast(values: Any, column: ServedColumn) -> pa.Array:
    """The values as the column's kind; the first that cannot be is named."""
    try:
        array = (
            values if isinstance(values, pa.ChunkedArray) else pa.array(values, from_pandas=True)
        )
    except pa.ArrowException:  # values of several types in one column
        return _cast_one_by_one(values.tolist(), column)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pt.is_null(array.type) or _is_of_kind(array.type, column.kind):
        return array.cast(TYPES[column.kind], safe=False)
    return _cast_one_by_one(array.to_pylist(), column)


def _is_of_kind(found: pa.DataType, kind: ColumnKind) -> bool:
    """Whether every value of the type is one of the kind, so that whole columns can be cast."""
    if kind == "number":
        return bool(pt.is_integer(found) or pt.is_floating(found) or pt.is_boolean(found))
    if kind == "boolean":
        return bool(pt.is_boolean(found))
    return bool(pt.is_string(found) or pt.is_large_string(found) or pt.is_integer(found))


def _cast_one_by_one(values: list[Any], column: ServedColumn) -> pa.Array:
    cast = _CASTS[column.kind]
    done: list[Any] = []
    for row, value in enumerate(values):
        if value is None or (pd.api.types.is_scalar(value) and pd.isna(value)):
            done.append(None)
            continue
        try:
            done.append(cast(value, column.name))
        except (ValueError, TypeError, OverflowError):
            raise DataError(
                f"column {column.name}, row {row}: {str(value)[:40]!r} is not {WORDS[column.kind]}"
            ) from None
    return pa.array(done, TYPES[column.kind])


def _number(value: Any, name: str) -> float:
    if isinstance(value, datetime):
        if not name.endswith("_s"):
            return _days(value.date(), name)
        # A time without an offset is on the market's own clock, as the column's seconds are.
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return _days(value, name)
    return float(value)


def _days(value: date, name: str) -> float:
    if not name.endswith("_day"):
        raise ValueError("only a column that counts days can be read from a date")
    return float((value - EPOCH).days)


def _boolean(value: Any, _: str) -> bool:
    words = {"true": True, "false": False, "1": True, "0": False}
    if isinstance(value, str):
        return words[value.lower()] if value.lower() in words else _refuse()
    return bool(value) if value in {0, 1} else _refuse()


def _category(value: Any, _: str) -> str:
    if isinstance(value, str):
        return value
    is_whole = isinstance(value, numbers.Real) and float(value).is_integer()
    # A column of whole numbers with a null among them is one of fractions in pandas.
    return str(int(value)) if is_whole and not isinstance(value, bool) else _refuse()


def _refuse() -> Any:
    raise ValueError("not of the kind")


_CASTS: dict[str, Callable[[Any, str], Any]] = {
    "number": _number,
    "boolean": _boolean,
    "category": _category,
}
