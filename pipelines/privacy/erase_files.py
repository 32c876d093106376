"""Erase a guest from a file: drop the guest's rows, or replace the id where there are no rows.

In a saved model the position of a row means something: row 7 of the vectors belongs to row 7
of ``guests.arrow``. So there an id is replaced and no row is dropped. The one exception is
the table of remembered events (``events``), whose rows name guest and listing by their ids::

    file                 before              after
    raw.csv              S1,U12 / S2,U99     S2,U99
    page.html            asked by U12.       asked by erased.
    model guests.arrow   U11, U12, U13       U11, "erased 3", U13
    model events.arrow   U12, L5 / U13, L5   U13, L5
"""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import feather

from pipelines.privacy.erase_databases import erase_from_database, is_database

__all__ = ["REPLACEMENT", "Guest", "erase_from_file"]

REPLACEMENT = "erased"
COLUMNAR = (".parquet", ".pq", ".arrow", ".feather")
DELIMITED = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t|"


@dataclass(frozen=True, kw_only=True)
class Guest:
    """The guest to erase.

    Attributes:
        ids: the id as the logs have it, and its pseudonym where a key is set.
        searches: ids of the guest's searches.
        token: matches one of ``ids`` where it stands alone (``U12``, not in ``U123``).
    """

    ids: frozenset[str]
    searches: frozenset[str]
    token: re.Pattern[str]


def erase_from_file(path: Path, guest: Guest, *, is_model: bool) -> int:
    """Erase the guest from one file; returns how many rows went or ids were replaced.

    Raises ``HomeError`` for a database that cannot be rewritten now.
    """
    if path.suffix in COLUMNAR:
        return _erase_from_columns(path, guest, is_model=is_model and path.stem != "events")
    if is_database(path):
        return erase_from_database(path, guest.token, REPLACEMENT)
    is_gzipped = path.suffix == ".gz"
    content = gzip.decompress(path.read_bytes()) if is_gzipped else path.read_bytes()
    if not any(guest_id.encode() in content for guest_id in guest.ids):
        return 0
    # Bytes that are no UTF-8 come back unchanged when the text is encoded again.
    text = content.decode("utf-8", errors="surrogateescape")
    unpacked = Path(path.stem) if is_gzipped else path
    erase = _drop_rows if unpacked.suffix in DELIMITED and not is_model else _replace_ids
    changed, count = erase(text, guest)
    if count:
        raw = changed.encode("utf-8", errors="surrogateescape")
        _rewrite(path, lambda draft: draft.write_bytes(gzip.compress(raw) if is_gzipped else raw))
    return count


def _replace_ids(text: str, guest: Guest) -> tuple[str, int]:
    return guest.token.subn(REPLACEMENT, text)


def _drop_rows(text: str, guest: Guest) -> tuple[str, int]:
    """A delimited log without the guest's rows; other text with the id replaced."""
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    if not header.count(delimiter):
        return _replace_ids(text, guest)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    others = [row for row in rows if not any(guest.token.search(cell) for cell in row)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(others)
    return out.getvalue(), len(rows) - len(others)


def _erase_from_columns(path: Path, guest: Guest, *, is_model: bool) -> int:
    is_parquet = path.suffix in (".parquet", ".pq")
    table = pq.ParquetFile(path).read() if is_parquet else feather.read_table(path)
    is_guests = _has_any(table, guest.ids, table.column_names)
    if is_model:
        changed = _with_ids_replaced(table, guest)
    else:
        # The simulator's truth names no guest: its rows are known by their search alone.
        is_guests = pc.or_(is_guests, _has_any(table, guest.searches, ["id_search"]))
        changed = table.filter(pc.invert(is_guests))
    count = int(pc.sum(is_guests).as_py() or 0)
    if count:
        write: Callable[[Path], object] = (
            (lambda draft: pq.write_table(changed, draft, compression="zstd"))
            if is_parquet
            else (lambda draft: feather.write_feather(changed, draft))
        )
        _rewrite(path, write)
    return count


def _has_any(table: pa.Table, ids: Collection[str], columns: Collection[str]) -> pa.ChunkedArray:
    """Whether any text column among ``columns`` holds one of ``ids``, row by row."""
    has_id = pa.chunked_array([pa.array([False] * table.num_rows)])
    for name in columns:
        if name in table.column_names and _is_text(table.schema.field(name).type):
            wanted = pa.array(list(ids), type=pa.large_string())
            column = table[name].cast(pa.large_string())
            has_id = pc.or_(has_id, pc.is_in(column, value_set=wanted))
    return has_id


def _with_ids_replaced(table: pa.Table, guest: Guest) -> pa.Table:
    for position, field in enumerate(table.schema):
        if _is_text(field.type):
            column = table[field.name].cast(pa.large_string())
            is_guest = pc.is_in(column, value_set=pa.array(list(guest.ids), pa.large_string()))
            # A name that no guest has. Two guests erased from one model share it, which changes
            # nothing: no query ever asks for it.
            replaced = pc.if_else(is_guest, f"{REPLACEMENT} {len(column)}", column)
            table = table.set_column(position, field, replaced.cast(field.type))
    return table


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return bool(
            pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
        )
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _rewrite(path: Path, write: Callable[[Path], object]) -> None:
    """Write a draft beside the file, then rename it: a kill leaves the old file or the new."""
    draft = path.with_name(f".{path.name}.erasing")
    write(draft)
    draft.chmod(path.stat().st_mode)
    draft.replace(path)
