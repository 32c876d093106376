"""A chunk: some rows of a log as they stand in the file, with their line numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from data.schema.reason_codes import Reason

__all__ = ["BROKEN_SCHEMA", "BrokenRow", "Chunk", "as_json", "broken_rows", "rows_as_json"]

# Rows that could not even be divided into columns.
BROKEN_SCHEMA = pl.Schema(
    {"source_line": pl.Int64, "source_item": pl.Int32, "reasons": pl.String, "row": pl.String}
)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Consecutive rows of one log.

    Attributes:
        rows: one row per record under the log's own column names; text from a delimited
            file, native types from Parquet.
        lines: the line of each row in the file, the header being line 1; shape ``(rows,)``.
        items: which listing of its line each row is, from 1, where one line holds several
            (``data.sources.explode``); else ``None``.
        bytes_read: of the file, up to here; for progress.
        broken: records that are no rows (``BROKEN_SCHEMA``), already with their reasons.
    """

    rows: pl.DataFrame
    lines: pl.Series
    items: pl.Series | None = None
    bytes_read: int = 0
    broken: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=BROKEN_SCHEMA))

    @property
    def row_count(self) -> int:
        """All rows of the file in this chunk, broken ones too."""
        return self.rows.height + self.broken.height


@dataclass(frozen=True, kw_only=True)
class BrokenRow:
    """A record that could not be divided into columns: its line, the reason, its text."""

    line: int
    reason: Reason
    text: str


def broken_rows(broken: list[BrokenRow]) -> pl.DataFrame:
    """These rows as a frame of ``BROKEN_SCHEMA``."""
    return pl.DataFrame(
        {
            "source_line": [row.line for row in broken],
            "source_item": [None] * len(broken),
            "reasons": [str(row.reason) for row in broken],
            "row": [as_json({"line": row.text}) for row in broken],
        },
        schema=BROKEN_SCHEMA,
    )


def as_json(row: Mapping[str, object]) -> str:
    """One row as a JSON object; text as it is, everything else by its plain spelling."""
    return json.dumps(row, ensure_ascii=False, default=str)


def rows_as_json(rows: pl.DataFrame) -> pl.Series:
    """Each row as a JSON object, column → value; numbers that JSON cannot hold as text."""
    floats = rows.select(pl.col(pl.Float32, pl.Float64))
    odd = [s.name for s in floats if (s.is_nan() | s.is_infinite()).any()]
    whole = rows.with_columns(pl.col(odd).cast(pl.String))
    return whole.select(pl.struct(pl.all()).struct.json_encode().alias("row")).to_series()
