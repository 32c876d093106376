"""``[explode]``: one row per search becomes one row per listing, between reader and row rules.

A log with ``listing = { column = "shown", separator = "|" }``, ``price`` from ``prices`` and a
label ``clicked`` where ``listing`` equals ``reference``:

====  =========  =========  =======  ==========================================================
line  reference  shown      prices   what becomes of it
====  =========  =========  =======  ==========================================================
2     L2         L1|L2      50|60    two rows, items 1 and 2 of line 2, as if the log had them
3     L1         L1||L3     50|60|7  three; the second has no listing: ``identity_missing``
4                L1|L2                two without a price: an empty cell gives no value
5     L2         L1|L2      50       one row, quarantined: ``lists_of_unequal_length``
6     L2         (empty)    (empty)  one row, quarantined: ``list_empty``
7     L9         L1|L2      50|60    two rows, and a third, quarantined: ``action_not_in_list``.
                                     The guest acted on what the list does not hold: the
                                     impressions stand, and the action is not lost unsaid
====  =========  =========  =======  ==========================================================

Memory is bounded by the chunk: its lists are divided together, then its rows are made
``EXPLODED_ROWS`` at a time, also those of one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from data.errors import LogError
from data.readers.chunk import BROKEN_SCHEMA, Chunk, rows_as_json
from data.readers.values import read_text
from data.schema.reason_codes import Reason
from data.sources.apply_mapping import PLACE
from data.sources.cell_lists import named_values, read_lists
from data.sources.column_rules import Condition, Rule
from data.sources.explode_rules import ExplodedColumn
from data.sources.mapping import REQUIRED, Mapping

__all__ = ["explode_chunks"]

EXPLODED_ROWS = 1 << 16
# What stands for the suffix of an element that has none: no number, no flag and no label, so
# that the row's rule says that it cannot be read. A null would pass for "not given".
_NO_SUFFIX = "no suffix"


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """What holds for all chunks of one log.

    Attributes:
        lists: the exploded columns that the log has, by name.
        required: of these, the names that a required column of the contract reads.
        kept: the log's columns that stay beside them.
        actions: conditions of the label that compare a listing with what a column names.
        file: its name, for messages.
    """

    lists: dict[str, ExplodedColumn]
    required: frozenset[str]
    kept: tuple[str, ...]
    actions: tuple[tuple[str, str, Condition], ...]
    file: str


def explode_chunks(
    chunks: Iterable[Chunk], mapping: Mapping, rules: dict[str, Rule], file: str
) -> Iterator[Chunk]:
    """The chunks with a row per listing; as they are where the mapping has no ``[explode]``.

    ``rules`` are those that the log supports. Each chunk gives one or more; no row is lost
    between them: one that cannot be exploded is among the ``broken``. Raises
    :class:`LogError` where a column cannot hold lists, or a rule reads a list as one value.
    """
    plan: _Plan | None = None
    for chunk in chunks:
        if plan is None:
            plan = _plan(chunk.rows, mapping, rules, file)
        if plan.lists:
            yield from _exploded(chunk, plan)
        else:
            yield chunk


def _plan(rows: pl.DataFrame, mapping: Mapping, rules: dict[str, Rule], file: str) -> _Plan:
    lists = {n: spec for n, spec in mapping.explode.items() if spec.column in rows.columns}
    given = {name for n, spec in lists.items() for name in (n, *spec.names)}
    read = {name for rule in rules.values() for name in rule.needs} - given
    required = {name for target in REQUIRED for name in rules[target].needs}
    named = [c for rule in rules.values() for c in rule.conditions if c.equals is not None]
    plan = _Plan(
        lists=lists,
        required=frozenset(n for n, spec in lists.items() if required & {n, *spec.names}),
        kept=_kept(rows, lists, read, given),
        actions=tuple(action for c in named if (action := _action(c, given))),
        file=file,
    )
    compared = {named for _, named, _ in plan.actions}
    for name in read - compared:
        if rows.schema[name].is_nested():
            raise LogError(
                file,
                f"column {name} holds {rows.schema[name]}, several values in one cell; give each "
                "a row of its own with [explode] in the mapping",
            )
    return plan


def _kept(
    rows: pl.DataFrame, lists: dict[str, ExplodedColumn], read: set[str], given: set[str]
) -> tuple[str, ...]:
    """All columns but the lists: each row of the quarantine has its own elements of them."""
    sources = {spec.column for spec in lists.values()} - read
    return tuple(name for name in rows.columns if name not in sources | given)


def _action(condition: Condition, given: set[str]) -> tuple[str, str, Condition] | None:
    """The exploded column and the column that names some of its values; ``None`` for others."""
    left, right = condition.needs
    if left in given and right not in given:
        return left, right, condition
    if right in given and left not in given and condition.separator is None:
        return right, left, condition
    return None


@dataclass(frozen=True, kw_only=True)
class _Lists:
    """The lists of a chunk: one series per exploded column, lengths, and faults by row."""

    columns: pl.DataFrame
    lengths: pl.Series
    reasons: pl.Series


def _lists(rows: pl.DataFrame, plan: _Plan) -> _Lists:
    columns, is_unreadable = [], pl.Series([False]).new_from_index(0, rows.height)
    for name, spec in plan.lists.items():
        try:
            read = read_lists(rows[spec.column], spec)
        except ValueError as error:
            raise LogError(plan.file, f"column {spec.column} (explode.{name}) {error}") from error
        columns.append(read.lists.alias(name))
        is_unreadable = is_unreadable | read.is_unreadable
    frame = pl.DataFrame(columns)
    # an empty cell gives no values; only a list that every row of the contract needs must be there
    lengths = frame.select(
        pl.col(name).list.len().fill_null(0)
        if name in plan.required or not plan.required
        else pl.col(name).list.len()
        for name in frame.columns
    )
    longest = lengths.select(pl.max_horizontal(pl.all())).to_series().fill_null(0)
    shortest = lengths.select(pl.min_horizontal(pl.all())).to_series().fill_null(0)
    reasons = pl.select(
        pl.when(is_unreadable)
        .then(pl.lit(str(Reason.LIST_UNREADABLE)))
        .when(longest != shortest)
        .then(pl.lit(str(Reason.LISTS_UNEQUAL)))
        .when(longest == 0)
        .then(pl.lit(str(Reason.LIST_EMPTY)))
    ).to_series()
    return _Lists(columns=frame, lengths=longest.cast(pl.Int64), reasons=reasons)


def _exploded(chunk: Chunk, plan: _Plan) -> Iterator[Chunk]:
    lists = _lists(chunk.rows, plan)
    is_sound = lists.reasons.is_null()
    rows, lines = chunk.rows.filter(is_sound), chunk.lines.filter(is_sound)
    lengths = lists.lengths.filter(is_sound)
    elements = _elements(lists.columns.filter(is_sound), lengths, plan)
    ends = lengths.to_numpy().cumsum()
    row_of = np.repeat(np.arange(rows.height), lengths.to_numpy())
    item = np.arange(len(row_of)) - np.repeat(ends - lengths.to_numpy(), lengths.to_numpy()) + 1
    broken = [
        chunk.broken,
        _broken(chunk.rows, chunk.lines, lists.reasons),
        _unlisted(rows, lines, lengths, elements.with_columns(row=row_of), plan),
    ]
    kept = rows.select(plan.kept)
    for start in range(0, max(len(row_of), 1), EXPLODED_ROWS):
        part = slice(start, start + EXPLODED_ROWS)
        items = pl.Series("source_item", item[part], dtype=pl.Int32)
        yield replace(
            chunk,
            rows=pl.concat(
                [kept[row_of[part]], elements[part], pl.DataFrame({PLACE: items})],
                how="horizontal",
            ),
            lines=lines.gather(row_of[part]),
            items=items,
            broken=pl.concat(broken) if not start else chunk.broken.clear(),
        )


def _elements(lists: pl.DataFrame, lengths: pl.Series, plan: _Plan) -> pl.DataFrame:
    """One row per element; a list that is not given has a null for each of the others."""
    columns = []
    for name, spec in plan.lists.items():
        given = lists[name]
        if given.null_count():
            nulls = pl.lit(None, given.dtype.inner).repeat_by(lengths)  # type: ignore[attr-defined]
            given = pl.select(pl.when(given.is_null()).then(nulls).otherwise(given)).to_series()
        flat = given.explode().alias(name)
        columns += [flat] if spec.suffix is None else _suffixed(flat, spec)
    return pl.DataFrame(columns)


def _suffixed(flat: pl.Series, spec: ExplodedColumn) -> list[pl.Series]:
    """The elements before the last separator, and what stands after it."""
    if spec.suffix is None:
        return [flat]
    text = read_text(flat)
    # the first group takes as much as it can: the last separator divides
    pattern = rf"^(?s)(.*){re.escape(spec.suffix.separator)}(.*)$"
    parts = pl.DataFrame({"text": text}).select(
        before=pl.coalesce(pl.col("text").str.extract(pattern, 1), "text"),
        after=pl.coalesce(
            pl.col("text").str.extract(pattern, 2),
            pl.when(pl.col("text").is_not_null()).then(pl.lit(_NO_SUFFIX)),
        ),
    )
    return [parts["before"].alias(flat.name), parts["after"].alias(spec.suffix.name)]


def _broken(rows: pl.DataFrame, lines: pl.Series, reasons: pl.Series) -> pl.DataFrame:
    is_broken = reasons.is_not_null()
    return pl.DataFrame(
        {
            "source_line": lines.filter(is_broken),
            "source_item": pl.Series([None], dtype=pl.Int32).new_from_index(
                0, int(is_broken.sum())
            ),
            "reasons": reasons.filter(is_broken),
            "row": rows_as_json(rows.filter(is_broken)),
        },
        schema=BROKEN_SCHEMA,
    )


def _unlisted(
    rows: pl.DataFrame, lines: pl.Series, lengths: pl.Series, elements: pl.DataFrame, plan: _Plan
) -> pl.DataFrame:
    """A row for each line that names, in the label's rule, a value that its list does not hold."""
    unlisted = [pl.Series([], dtype=pl.UInt32)]
    for listing, named, condition in plan.actions:
        shown = pl.DataFrame({"row": elements["row"], "value": read_text(elements[listing])})
        acted = named_values(rows[named], condition.separator)
        missing = acted.join(
            shown.with_columns(pl.col("row").cast(pl.UInt32)), on=["row", "value"], how="anti"
        )
        unlisted.append(missing["row"].cast(pl.UInt32))
    chosen = pl.concat(unlisted).unique().sort()
    reason = pl.Series([str(Reason.ACTION_NOT_IN_LIST)]).new_from_index(0, len(chosen))
    return pl.DataFrame(
        {
            "source_line": lines.gather(chosen),
            # after the last of its line: a line and an item name one row
            "source_item": lengths.gather(chosen).cast(pl.Int32) + 1,
            "reasons": reason,
            "row": rows_as_json(rows[chosen]),
        },
        schema=BROKEN_SCHEMA,
    )
