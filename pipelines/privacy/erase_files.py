"""A guest's id leaves a file: rows dropped where rows are, the id replaced elsewhere.

In a saved model the places of rows mean something (a guest's vector stands at the guest's
place), so there an id is replaced and nothing is dropped, but for remembered events, which
name both of their ends.
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

__all__ = ["INSTEAD", "Guest", "erase_from_file"]

INSTEAD = "erased"
COLUMNAR = (".parquet", ".pq", ".arrow", ".feather")
DELIMITED = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t|"


@dataclass(frozen=True, kw_only=True)
class Guest:
    """Whom to erase.

    Attributes:
        ids: every id the guest goes by: as given, and the pseudonym where a key is set.
        searches: the guest's searches.
        token: finds one of ``ids`` where it stands alone.
    """

    ids: frozenset[str]
    searches: frozenset[str]
    token: re.Pattern[str]


def erase_from_file(path: Path, guest: Guest, *, is_model: bool) -> int:
    """Take the guest out of one file; how many rows or places there were.

    Raises ``HomeError`` for a database that cannot be rewritten now.
    """
    if path.suffix in COLUMNAR:
        return _columnar(path, guest, is_model=is_model and path.stem != "events")
    if is_database(path):
        return erase_from_database(path, guest.token, INSTEAD)
    is_packed = path.suffix == ".gz"
    content = gzip.decompress(path.read_bytes()) if is_packed else path.read_bytes()
    if not any(guest_id.encode() in content for guest_id in guest.ids):
        return 0
    text = content.decode("utf-8", errors="surrogateescape")
    plain = Path(path.stem) if is_packed else path
    erase = _without_rows if plain.suffix in DELIMITED and not is_model else _replaced
    changed, count = erase(text, guest)
    if count:
        raw = changed.encode("utf-8", errors="surrogateescape")
        _replace(path, lambda draft: draft.write_bytes(gzip.compress(raw) if is_packed else raw))
    return count


def _replaced(text: str, guest: Guest) -> tuple[str, int]:
    return guest.token.subn(INSTEAD, text)


def _without_rows(text: str, guest: Guest) -> tuple[str, int]:
    """A delimited log without the guest's rows; a text that is none, with the id replaced."""
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    if not header.count(delimiter):
        return _replaced(text, guest)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    kept = [row for row in rows if not any(guest.token.search(cell) for cell in row)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="\n").writerows(kept)
    return out.getvalue(), len(rows) - len(kept)


def _columnar(path: Path, guest: Guest, *, is_model: bool) -> int:
    is_parquet = path.suffix in (".parquet", ".pq")
    table = pq.ParquetFile(path).read() if is_parquet else feather.read_table(path)
    named = _mask(table, guest.ids, table.column_names)
    if is_model:
        count, changed = int(pc.sum(named).as_py() or 0), _with_ids_replaced(table, guest)
    else:
        by_search = _mask(table, guest.searches, ["id_search"])
        gone = pc.or_(named, by_search)
        count, changed = int(pc.sum(gone).as_py() or 0), table.filter(pc.invert(gone))
    if count:
        write: Callable[[Path], object] = (
            (lambda draft: pq.write_table(changed, draft, compression="zstd"))
            if is_parquet
            else (lambda draft: feather.write_feather(changed, draft))
        )
        _replace(path, write)
    return count


def _mask(table: pa.Table, words: Collection[str], columns: Collection[str]) -> pa.ChunkedArray:
    """Rows in which any text of these columns is one of the words."""
    found = pa.chunked_array([pa.array([False] * table.num_rows)])
    for name in columns:
        if name in table.column_names and _is_text(table.schema.field(name).type):
            wanted = pa.array(list(words), type=pa.large_string())
            column = table[name].cast(pa.large_string())
            found = pc.or_(found, pc.is_in(column, value_set=wanted))
    return found


def _with_ids_replaced(table: pa.Table, guest: Guest) -> pa.Table:
    for place, field in enumerate(table.schema):
        if _is_text(field.type):
            column = table[field.name].cast(pa.large_string())
            is_guest = pc.is_in(column, value_set=pa.array(list(guest.ids), pa.large_string()))
            # A name that no guest has, and that keeps the ids of a vocabulary distinct.
            other = pc.if_else(is_guest, f"{INSTEAD} {len(column)}", column).cast(field.type)
            table = table.set_column(place, field, other)
    return table


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return bool(
            pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
        )
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Write beside the file, then take its place: it is never half there."""
    draft = path.with_name(f".{path.name}.erasing")
    write(draft)
    draft.chmod(path.stat().st_mode)
    draft.replace(path)
