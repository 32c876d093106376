"""Arrow columns of any type as columns that rows can be read from and shown in.

Numbers, text, dates and times stay what they are. Dictionaries become their words, bytes and
UUIDs text, decimals beyond 38 digits text too. A nested column stays nested, lists as Polars
lists, where Polars takes what it holds; a list of bytes, UUIDs or long decimals becomes a list
of text, and any other its JSON text.
"""

from __future__ import annotations

import json
import uuid
from base64 import b16encode
from typing import Any

import polars as pl
import pyarrow as pa

__all__ = ["is_nested", "text_of_bytes", "to_series"]

_UUID_BYTES = 16
_UUID_PARTS = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
_CONTROL = r"[\x00-\x1f\x7f]"
# UTF-8 without control characters (Unicode 16, table 3-7), as hexadecimal digits.
_NEXT = "[89ab][0-9a-f]"
_TEXT_IN_HEX = (
    rf"^(?:[2-6][0-9a-f]|7[0-9a-e]|(?:c[2-9a-f]|d[0-9a-f]){_NEXT}"
    rf"|(?:e0[ab][0-9a-f]|e[1-9a-cef]{_NEXT}|ed[89][0-9a-f]){_NEXT}"
    rf"|(?:f0[9ab][0-9a-f]|f[1-3]{_NEXT}|f48[0-9a-f]){_NEXT}{_NEXT})*$"
)


def is_nested(dtype: pa.DataType) -> bool:
    """Whether a cell holds more than one value: a list, a struct or a map."""
    return bool(pa.types.is_nested(_stored(dtype)))


def to_series(name: str, column: pa.Array) -> pl.Series:
    """The column, one cell per row, its nulls null."""
    if pa.types.is_dictionary(column.type):
        return to_series(name, column.dictionary_decode())
    if isinstance(column.type, pa.BaseExtensionType):
        stored = to_series(name, column.storage)
        is_uuid = column.type.extension_name == "arrow.uuid"
        return _uuids(_bytes_series(name, column.storage)) if is_uuid else stored
    if _is_bytes(column.type):
        return _text_of_bytes(_bytes_series(name, column))
    if pa.types.is_decimal256(column.type):
        return _series(name, column.cast(pa.string()))
    if is_nested(column.type) and not _is_taken(column.type):
        return _nested_as_text(name, column)
    return _series(name, column)


def text_of_bytes(value: bytes) -> str:
    """Bytes as text: as UTF-8 where they are printable, 16 others as a UUID, else hexadecimal.

    >>> text_of_bytes(b"S1"), text_of_bytes(bytes(16)), text_of_bytes(b"\\xff\\x01")
    ('S1', '00000000-0000-0000-0000-000000000000', 'ff01')
    """
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if all(sign >= " " and sign != "\x7f" for sign in text):
        return text
    if len(value) == _UUID_BYTES:
        return str(uuid.UUID(bytes=value))
    return b16encode(value).decode().lower()


def _stored(dtype: pa.DataType) -> pa.DataType:
    while isinstance(dtype, pa.BaseExtensionType):
        dtype = dtype.storage_type
    return dtype


def _is_bytes(dtype: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(dtype)
        or pa.types.is_large_binary(dtype)
        or pa.types.is_fixed_size_binary(dtype)
        or pa.types.is_binary_view(dtype)
    )


def _is_taken(dtype: pa.DataType) -> bool:
    """Whether Polars takes a type, whatever it nests, and can write it as JSON."""
    if isinstance(dtype, pa.BaseExtensionType) or _is_bytes(dtype):
        return False
    if pa.types.is_decimal256(dtype) or pa.types.is_dictionary(dtype):
        return False
    return all(_is_taken(dtype.field(i).type) for i in range(dtype.num_fields))


def _series(name: str, column: pa.Array) -> pl.Series:
    series = pl.from_arrow(column)
    if not isinstance(series, pl.Series):
        raise TypeError("an Arrow array reads as a series")
    return series.alias(name)


def _bytes_series(name: str, column: pa.Array) -> pl.Series:
    return _series(name, column.cast(pa.large_binary()))


def _uuids(raw: pl.Series) -> pl.Series:
    digits = raw.bin.encode("hex").alias("digits")
    parts = [pl.col("digits").str.slice(start, length) for start, length in _UUID_PARTS]
    text = digits.to_frame().select(pl.concat_str(parts, separator="-"))
    return text.to_series().alias(raw.name)


def _text_of_bytes(raw: pl.Series) -> pl.Series:
    """As :func:`text_of_bytes`, whole columns at a time."""
    try:
        text = raw.cast(pl.String)
    except pl.exceptions.PolarsError:
        text = None
    if text is not None and not text.str.contains(_CONTROL).any():
        return text
    # Polars decodes all cells or none, so the cells that are text are told by their digits; the
    # others are emptied first (b"", as the bytes under a null are decoded too)
    digits = raw.bin.encode("hex")
    is_text = digits.str.contains(_TEXT_IN_HEX)
    decoded = raw.set(~is_text, b"").cast(pl.String)
    is_uuid = raw.bin.size() == _UUID_BYTES
    other = digits.zip_with(~is_uuid, _uuids(raw))
    return decoded.zip_with(is_text, other)


def _nested_as_text(name: str, column: pa.Array) -> pl.Series:
    dtype = column.type
    is_list = pa.types.is_list(dtype) or pa.types.is_large_list(dtype)
    if is_list and not pa.types.is_nested(_stored(dtype.value_type)):
        lists = [
            None if cell is None else [None if v is None else _spelled(v) for v in cell]
            for cell in column.to_pylist()
        ]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    cells = [None if cell is None else _as_json(cell) for cell in column.to_pylist()]
    return pl.Series(name, cells, dtype=pl.String)


def _as_json(cell: Any) -> str:
    return json.dumps(_json_ready(cell), ensure_ascii=False, default=_spelled)


def _json_ready(cell: Any) -> Any:
    """Maps, which Arrow gives as pairs whose keys may be bytes, have no other JSON than pairs."""
    if isinstance(cell, dict):
        return {str(key): _json_ready(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_json_ready(value) for value in cell]
    return cell


def _spelled(value: object) -> str:
    return text_of_bytes(value) if isinstance(value, bytes) else str(value)
