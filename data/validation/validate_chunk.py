"""Validate one chunk of a log: accepted impressions, quarantined rows, what was nulled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from data.readers.chunk import BROKEN_SCHEMA, Chunk, rows_as_json
from data.schema.reason_codes import Nulled
from data.schema.tables import IMPRESSIONS
from data.sources.apply_mapping import PLACE, apply_rule
from data.sources.column_rules import Rule
from data.sources.mapping import Mapping
from data.validation.row_results import Example, RowResults
from data.validation.row_rules import apply_row_rules
from data.validation.time_reading import TimeReading

__all__ = ["ValidatedChunk", "validate_chunk"]


@dataclass(frozen=True, kw_only=True)
class ValidatedChunk:
    """One chunk, each row on one side.

    Attributes:
        accepted: rows of impressions, typed, with ``source_id`` and ``source_line``.
        keys: ``source_line``, ``source_item``, ``id_search`` and ``id_listing`` of every row,
            accepted or not; an id is null where it cannot be read. In no particular order.
        rejected: the quarantined rows (``BROKEN_SCHEMA``).
        nulled: number of cells nulled in accepted rows, by column and reason.
        examples: the first nulled cell of each column and reason.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    keys: pl.DataFrame
    nulled: Counter[tuple[str, Nulled]]
    examples: dict[tuple[str, Nulled], Example]


def validate_chunk(
    chunk: Chunk,
    rules: dict[str, Rule],
    mapping: Mapping,
    source_id: str,
    times: TimeReading | None = None,
) -> ValidatedChunk:
    """Apply the mapping and the row rules; every row of the chunk is accepted or rejected.

    ``rules`` are those that the log supports, by target column
    (:meth:`data.sources.mapping.Mapping.rules_for`); ``times`` says how the log's times are
    read, by default as the mapping has it. Raises
    :class:`data.validation.time_reading.OffsetFoundError` as it says.
    """
    times = times or TimeReading(time_format=mapping.time_format)
    columns = {
        target: apply_rule(rule, chunk.rows, times.time_format) for target, rule in rules.items()
    }
    results = apply_row_rules(columns, mapping, times, chunk.rows.height)
    is_rejected = results.is_rejected()
    nulled, examples = _count_nulled(results, chunk.lines, is_rejected)
    return ValidatedChunk(
        accepted=_accepted_rows(results, chunk, is_rejected, source_id),
        rejected=pl.concat([chunk.broken, _rejected_rows(results, chunk, is_rejected)]),
        keys=_keys(results, chunk),
        nulled=nulled,
        examples=examples,
    )


def _accepted_rows(
    results: RowResults, chunk: Chunk, is_rejected: pl.Series, source_id: str
) -> pl.DataFrame:
    columns = {
        **results.columns,
        "source_id": pl.Series([source_id]).new_from_index(0, results.height),
        "source_line": chunk.lines,
    }
    if chunk.items is not None:
        columns["source_item"] = chunk.items
    known = [name for name in IMPRESSIONS.names if name in columns]
    extra = [name for name in columns if name not in IMPRESSIONS.names]
    frame = pl.DataFrame({name: columns[name] for name in (*known, *extra)})
    return frame.filter(~is_rejected) if is_rejected.any() else frame


def _keys(results: RowResults, chunk: Chunk) -> pl.DataFrame:
    ids = {name: results.columns[name] for name in ("id_search", "id_listing")}
    divided = pl.DataFrame({"source_line": chunk.lines, "source_item": _items(chunk), **ids})
    if chunk.items is not None:
        # a line whose list cannot be read has no place among the results of another
        return divided
    lines = chunk.broken.select("source_line", "source_item")
    return pl.concat([divided, lines], how="diagonal")


def _items(chunk: Chunk) -> pl.Series:
    if chunk.items is not None:
        return chunk.items
    return pl.Series("source_item", [None], dtype=pl.Int32).new_from_index(0, chunk.rows.height)


def _rejected_rows(results: RowResults, chunk: Chunk, is_rejected: pl.Series) -> pl.DataFrame:
    if not is_rejected.any():
        return pl.DataFrame(schema=BROKEN_SCHEMA)
    return pl.DataFrame(
        {
            "source_line": chunk.lines.filter(is_rejected),
            "source_item": _items(chunk).filter(is_rejected),
            "reasons": results.reasons_of(is_rejected),
            "row": rows_as_json(chunk.rows.drop(PLACE, strict=False).filter(is_rejected)),
        },
        schema=BROKEN_SCHEMA,
    )


def _count_nulled(
    results: RowResults, lines: pl.Series, is_rejected: pl.Series
) -> tuple[Counter[tuple[str, Nulled]], dict[tuple[str, Nulled], Example]]:
    """Nulled cells of the accepted rows; those of rejected rows are in their quarantined row."""
    counts: Counter[tuple[str, Nulled]] = Counter()
    examples: dict[tuple[str, Nulled], Example] = {}
    for cells in results.nulled:
        rows = (cells.mask & ~is_rejected).arg_true()
        if not len(rows):
            continue
        key = (cells.column, cells.reason)
        counts[key] += len(rows)
        first = int(rows[0])
        value = str(cells.raw[first])[:80]
        examples.setdefault(key, Example(line=int(lines[first]), value=value))
    return counts, examples
