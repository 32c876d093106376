"""The alarm on an attribute that is unreadable in most of its rows.

One odd cell is a fault of its row; a column of them is a fault of the mapping, or of what wrote
the file, and costs every feature that needs it. So it is said in a sentence of its own, first
among the findings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data.ingest.stage_file import StagedFile
from data.schema.reason_codes import NULL_MEANINGS, Nulled
from data.schema.tables import IMPRESSIONS, Kind
from data.sources.mapping import Mapping, extra_name
from data.validation.row_results import Example

__all__ = ["AlarmLimits", "unreadable_columns"]

_REASONS = (Nulled.UNREADABLE, Nulled.UNKNOWN_VALUE, Nulled.OUT_OF_RANGE)
_NUMBER = "a number is digits with a point before the fraction (1170.96)"
_SPELLED = {
    Kind.NUMBER: _NUMBER,
    Kind.COUNT: _NUMBER,
    Kind.BOOLEAN: "yes and no are 1/0, true/false, t/f or yes/no",
    Kind.DATE: "a date is 2018-02-05 or 2/5/18, any other by the mapping's time_format",
}


@dataclass(frozen=True, kw_only=True)
class AlarmLimits:
    """Attributes beyond both are named.

    Attributes:
        share: of a column's filled cells in a file, nulled as unreadable, unknown or out of
            range.
        cells: so many at least; a few cells are no column.
    """

    share: float = 0.5
    cells: int = 5


@dataclass(frozen=True, kw_only=True)
class _Column:
    """What is nulled of one column in one file: how many of its filled cells, the chief reason."""

    name: str
    file: str
    filled: int
    nulled: int
    reason: Nulled
    example: Example


def unreadable_columns(
    staged: Sequence[StagedFile], mapping: Mapping, limits: AlarmLimits | None = None
) -> list[str]:
    """One sentence per column that is nulled in most of its filled cells of some file."""
    limits = limits or AlarmLimits()
    found: dict[str, list[_Column]] = {}
    for file in staged:
        for column in _nulled_columns(file):
            if column.nulled >= limits.cells and column.nulled > limits.share * column.filled:
                found.setdefault(column.name, []).append(column)
    return [_sentence(columns, mapping) for columns in found.values()]


def _nulled_columns(file: StagedFile) -> Iterable[_Column]:
    for name in dict.fromkeys(column for column, _ in file.nulled):
        counts = {reason: file.nulled[name, reason] for reason in _REASONS}
        reason = max(counts, key=lambda reason: counts[reason])
        if counts[reason]:
            yield _Column(
                name=name,
                file=file.name,
                filled=file.filled[name],
                nulled=sum(counts.values()),
                reason=reason,
                example=file.examples[name, reason],
            )


def _sentence(columns: list[_Column], mapping: Mapping) -> str:
    first = columns[0]
    filled, nulled = (sum(getattr(c, what) for c in columns) for what in ("filled", "nulled"))
    rest = f" and {len(columns) - 1} more file(s)" if len(columns) > 1 else ""
    return (
        f"ALARM: {first.name}{_source(first.name, mapping)} is null in most rows: of its "
        f"{filled:,} filled cells in {first.file}{rest}, {nulled:,} ({nulled / filled:.1%}) were "
        f"not taken, such as {first.example.value!r} in line {first.example.line} "
        f"({NULL_MEANINGS[first.reason]}). {_advice(first, mapping)}"
    )


def _source(name: str, mapping: Mapping) -> str:
    """The log's columns that it is read from, where they are called otherwise."""
    rules = dict(mapping.columns) | {extra_name(n, rule): rule for n, rule in mapping.extra.items()}
    needs = rules[name].needs if name in rules else ()
    return "" if needs in ((), (name,)) else f" (read from {', '.join(needs)})"


def _advice(column: _Column, mapping: Mapping) -> str:
    extras = {extra.name: extra for extra in mapping.extra_columns}
    known = extras.get(column.name) or IMPRESSIONS.column(column.name)
    if column.reason == Nulled.OUT_OF_RANGE:
        bounds = f"{_bound(known.low)} to {_bound(known.high)}"
        return (
            f"Its bounds are {bounds}: if the unit is another, give its rule in the mapping a "
            "scale; if the value means that none is given, list it under null_if"
        )
    spelled = f": {_SPELLED[known.kind]}" if known.kind in _SPELLED else ""
    return (
        f"Convert the column before the ingest{spelled}. If the value means that none is given, "
        "list it under null_if in the mapping; if this is the wrong column, correct the mapping"
    )


def _bound(value: float | None) -> str:
    return "any" if value is None else f"{value:g}"
