"""Write a raw log anew without a guest's records, in the format in which it is.

Of a text the records' lines are left out and the rest is copied byte by byte, packed as before;
of a Parquet file the rows are left out and the rest is written with the same columns, types and
metadata.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data.erasure.guest_records import TO_THE_END, GuestRecords
from data.erasure.json_text import without_spans
from data.erasure.raw_bytes import LineUnit, pieces_of, reading, writing

__all__ = ["write_without"]


def write_without(records: GuestRecords, draft: Path) -> None:
    """Write the file without these records to ``draft``.

    Raises :class:`data.errors.LogError` where it changed since the records were found.
    """
    records.file.check_unchanged()
    if records.unit is None:
        _copy_rows(records, draft)
    elif records.spans:
        _copy_entries(records, records.unit, draft)
    else:
        _copy_lines(records, records.unit, draft)


def _copy_lines(records: GuestRecords, unit: LineUnit, draft: Path) -> None:
    left_out = zip(records.starts.tolist(), records.ends.tolist(), strict=True)
    start, end = next(left_out, (TO_THE_END, TO_THE_END))
    blank: list[bytes] = []
    path = records.file.path
    with reading(path) as stream, writing(draft, like=path) as out:
        out.write(unit.mark)
        for piece in pieces_of(stream, unit):
            if piece.line >= end:
                # blank lines before the next record belong to no record
                out.writelines(blank)
                blank = []
                start, end = next(left_out, (TO_THE_END, TO_THE_END))
            if piece.line < start:
                out.write(piece.raw)
            elif piece.is_whole and not unit.text_of(piece.raw).strip():
                blank.append(piece.raw)
            else:
                blank = []
        out.writelines(blank)


def _copy_entries(records: GuestRecords, unit: LineUnit, draft: Path) -> None:
    path = records.file.path
    with reading(path) as stream:
        raw = stream.read().removeprefix(unit.mark)
    text = without_spans(raw.decode(unit.encoding, errors="surrogateescape"), list(records.spans))
    with writing(draft, like=path) as out:
        out.write(unit.mark + text.encode(unit.encoding, errors="surrogateescape"))


def _copy_rows(records: GuestRecords, draft: Path) -> None:
    parquet = pq.ParquetFile(records.file.path)
    codec = "NONE"
    if parquet.num_row_groups and parquet.metadata.num_columns:
        codec = parquet.metadata.row_group(0).column(0).compression
    codec = {"UNCOMPRESSED": "NONE"}.get(codec, codec)
    first = 1
    with pq.ParquetWriter(draft, parquet.schema_arrow, compression=codec) as writer:
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group)
            own = records.starts[
                (records.starts >= first) & (records.starts < first + table.num_rows)
            ]
            stays = np.ones(table.num_rows, dtype=bool)
            stays[own - first] = False
            first += table.num_rows
            writer.write_table(table.filter(pa.array(stays)))
