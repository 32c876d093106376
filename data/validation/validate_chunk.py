"""Judges one block of a log: accepted impressions, quarantined rows, what was nulled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import polars as pl

from data.readers.chunk import BROKEN_SCHEMA, Chunk
from data.schema.reason_codes import Nulled
from data.schema.tables import IMPRESSIONS
from data.sources.apply_mapping import apply_rule
from data.sources.column_rules import Rule
from data.sources.mapping import Mapping
from data.validation.row_results import Example, RowResults
from data.validation.row_rules import apply_row_rules

__all__ = ["ValidatedChunk", "rows_as_json", "validate_chunk"]


@dataclass(frozen=True, kw_only=True)
class ValidatedChunk:
    """One block, judged.

    Attributes:
        accepted: rows of impressions, typed, with ``source_id`` and ``source_line``.
        rejected: ``source_line``, ``reasons``, ``row`` (JSON) of the quarantined rows.
        nulled: cells nulled in accepted rows, by column and reason, …
        examples: … and the first of each.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
    nulled: Counter[tuple[str, Nulled]]
    examples: dict[tuple[str, Nulled], Example]


def validate_chunk(
    block: Chunk, rules: dict[str, Rule], mapping: Mapping, source_id: str
) -> ValidatedChunk:
    """Apply the mapping and the row rules; every row of the block ends on one side."""
    cells = {
        target: apply_rule(rule, block.rows, mapping.time_format) for target, rule in rules.items()
    }
    found = apply_row_rules(cells, mapping, block.rows.height)
    is_rejected = found.is_rejected()
    accepted = _accepted(found, block.lines, is_rejected, source_id)
    nulled, examples = _nulled(found, block.lines, is_rejected)
    rejected = pl.concat([block.broken, _rejected(found, block, is_rejected)])
    return ValidatedChunk(accepted=accepted, rejected=rejected, nulled=nulled, examples=examples)


def _accepted(
    found: RowResults, lines: pl.Series, is_rejected: pl.Series, source_id: str
) -> pl.DataFrame:
    columns = {
        **found.columns,
        "source_id": pl.Series([source_id]).new_from_index(0, found.height),
        "source_line": lines,
    }
    known = [name for name in IMPRESSIONS.names if name in columns]
    extra = [name for name in columns if name not in IMPRESSIONS.names]
    frame = pl.DataFrame({name: columns[name] for name in (*known, *extra)})
    return frame.filter(~is_rejected) if is_rejected.any() else frame


def _rejected(found: RowResults, block: Chunk, is_rejected: pl.Series) -> pl.DataFrame:
    if not is_rejected.any():
        return pl.DataFrame(schema=BROKEN_SCHEMA)
    return pl.DataFrame(
        {
            "source_line": block.lines.filter(is_rejected),
            "reasons": found.reasons_of(is_rejected),
            "row": rows_as_json(block.rows.filter(is_rejected)),
        },
        schema=BROKEN_SCHEMA,
    )


def rows_as_json(rows: pl.DataFrame) -> pl.Series:
    """Each row as a JSON object, column → value."""
    return rows.select(pl.struct(pl.all()).struct.json_encode().alias("row")).to_series()


def _nulled(
    found: RowResults, lines: pl.Series, is_rejected: pl.Series
) -> tuple[Counter[tuple[str, Nulled]], dict[tuple[str, Nulled], Example]]:
    counts: Counter[tuple[str, Nulled]] = Counter()
    examples: dict[tuple[str, Nulled], Example] = {}
    for masked in found.nulled:
        where = (masked.mask & ~is_rejected).arg_true()
        if not len(where):
            continue
        key = (masked.column, masked.reason)
        counts[key] += len(where)
        first = int(where[0])
        value = str(masked.raw[first])[:80]
        examples.setdefault(key, Example(line=int(lines[first]), value=value))
    return counts, examples
