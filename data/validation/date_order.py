"""Day first or month first: what a log's own dates say, where the year stands last.

``09/02/2026`` is 9 February in most of the world and 2 September in the United States. Nobody
asks the person who ingests the log, since its dates say it themselves, file by file:

1. a part above 12 is no month: ``13/02/2026`` leaves one order. Both kinds in one file
   contradict each other: the file is refused;
2. where every part could be a month, an order in which guests search for nights that are over,
   or book before they search, is wrong;
3. else the order in which the searches lie closer together: a week that runs from 5 to 11
   February, and not on the second day of seven months;
4. else the order that puts them closer to the days that the home has already;
5. else month first, as documented, and the report says that it was not told.

A mapping that names an order (``day_first``, ``month_first``) is believed instead. A column that
mostly holds other spellings (ISO, say) tells nothing: a date with the year last is an odd one
there, and is read month first or quarantined.

>>> week = _Evidence(searched={(d, 2, 2026) for d in range(5, 12)})
>>> week.order(None)
'day_first'
>>> _Evidence(searched={(5, 2, 2026)}).order(date(2026, 2, 4))
'day_first'
>>> _Evidence(searched={(5, 2, 2026)}).order(None) is None
True
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, TypeAlias

import polars as pl

from data.errors import LogError
from data.readers.chunk import Chunk
from data.readers.open_log import Log
from data.readers.times import YEAR_LAST
from data.sources.column_rules import Rule

__all__ = ["DateOrder", "date_order", "refuse_contradiction"]

Order: TypeAlias = Literal["day_first", "month_first"]
# The parts of a date as they are written: first, second, year.
_Written: TypeAlias = tuple[int, int, int]

_SEARCHED = ("ts_search", "ds_search")
_LATER = ("ds_contact", "ds_book", "query_checkin", "query_checkout")
_LAST_MONTH = 12


@dataclass(frozen=True, kw_only=True)
class DateOrder:
    """What was found: the ``time_format`` to read with, and a sentence for the report."""

    time_format: str = "auto"
    finding: str = ""


@dataclass
class _Evidence:
    """Distinct dates with the year last.

    ``pairs``: the date of a search and a later one of the same row. ``examples``: per order one
    text that allows no other, with its column and line.
    """

    searched: set[_Written] = field(default_factory=set)
    pairs: set[tuple[_Written, _Written]] = field(default_factory=set)
    examples: dict[Order, tuple[str, str, int]] = field(default_factory=dict)

    def order(self, nearby: date | None) -> Order | None:
        """The order by the rules above; ``nearby`` is a day that the home has."""
        if len(self.examples) == 1:
            return next(iter(self.examples))
        by_order: dict[Order, list[float]] = {}
        for order in ("day_first", "month_first"):
            days = [day for written in self.searched if (day := _day(written, order))]
            if not days:
                continue
            backwards = sum(self._is_backwards(pair, order) for pair in self.pairs)
            far = abs((min(days) - nearby).days) if nearby else 0
            by_order[order] = [backwards, (max(days) - min(days)).days, far]
        if len(by_order) < 2:
            return next(iter(by_order), None)
        if by_order["day_first"] == by_order["month_first"]:
            return None
        return min(by_order, key=by_order.__getitem__)

    def _is_backwards(self, pair: tuple[_Written, _Written], order: Order) -> bool:
        searched, later = (_day(written, order) for written in pair)
        return searched is not None and later is not None and later < searched


def date_order(
    log: Log, rules: Mapping[str, Rule], time_format: str, nearby: date | None
) -> DateOrder:
    """The order of day and month in this log; reads no further than it has to.

    ``rules`` are those that the log supports. ``nearby`` is the last day that the home holds.
    Raises :class:`LogError` where the dates contradict each other.
    """
    if time_format != "auto":
        return DateOrder(time_format=time_format)
    columns = _date_columns(rules)
    evidence = _Evidence()
    for chunk in log.chunks():
        has_order_open = _add(evidence, chunk, columns)
        if not has_order_open or evidence.examples:
            break
    _refuse_both(log, evidence)
    if not evidence.searched and not evidence.examples:
        return DateOrder()
    order = evidence.order(nearby)
    return DateOrder(time_format=order or "auto", finding=_sentence(evidence, order))


def refuse_contradiction(log: Log, rules: Mapping[str, Rule]) -> None:
    """Read all dates of the log; raises :class:`LogError` where they contradict each other."""
    evidence = _Evidence()
    for chunk in log.chunks():
        _add(evidence, chunk, _date_columns(rules))
    _refuse_both(log, evidence)


def _date_columns(rules: Mapping[str, Rule]) -> dict[str, str]:
    """Target column → the log's column that its date stands in; the searches' come first."""
    found = {}
    for target in (*_SEARCHED, *_LATER):
        rule = rules.get(target)
        name = (rule.column or rule.date) if rule is not None else None
        if name is not None:
            found[target] = name
    return found


def _add(evidence: _Evidence, chunk: Chunk, columns: Mapping[str, str]) -> bool:
    """Note what a chunk shows; whether it has dates of which the order is open at all."""
    parts: dict[str, pl.DataFrame] = {}
    for target, name in columns.items():
        if name in chunk.rows.columns and chunk.rows[name].dtype == pl.String:
            of_column = _parts_of(chunk.rows[name])
            filled = of_column["text"].str.strip_chars().str.len_chars() > 0
            if 2 * of_column["first"].count() > int(filled.sum() or 0):
                parts[target] = of_column
    for target, of_column in parts.items():
        distinct = of_column.drop_nulls("first").unique(("first", "second", "year"))
        if target in _SEARCHED:
            evidence.searched |= set(_written(distinct))
        for order, example in _decisive(of_column):
            line = int(chunk.lines[example["row"]])
            evidence.examples.setdefault(order, (example["text"], columns[target], line))
    searched = next((parts[target] for target in _SEARCHED if target in parts), None)
    for target in _LATER:
        if searched is not None and target in parts:
            evidence.pairs |= _pairs(searched, parts[target])
    return bool(parts)


def _parts_of(texts: pl.Series) -> pl.DataFrame:
    """``first``, ``second``, ``year``, ``text`` and number of each row; null where not so."""
    groups = texts.str.extract_groups(YEAR_LAST).struct.unnest()
    year = pl.col("year").cast(pl.Int32)
    return groups.select(
        pl.col("first").cast(pl.Int32),
        pl.col("second").cast(pl.Int32),
        pl.when(year < 100).then(year + 2000).otherwise(year).alias("year"),
        texts.alias("text"),
        pl.int_range(pl.len()).alias("row"),
    )


def _decisive(parts: pl.DataFrame) -> Iterator[tuple[Order, dict[str, Any]]]:
    """Per order the first row that allows it alone."""
    first_is_day, second_is_day = pl.col("first") > _LAST_MONTH, pl.col("second") > _LAST_MONTH
    orders: tuple[tuple[Order, pl.Expr], ...] = (
        ("day_first", first_is_day & ~second_is_day),
        ("month_first", second_is_day & ~first_is_day),
    )
    for order, is_so in orders:
        for row in parts.filter(is_so).head(1).iter_rows(named=True):
            yield order, row


def _written(parts: pl.DataFrame) -> list[_Written]:
    return parts.select("first", "second", "year").rows()


def _pairs(searched: pl.DataFrame, later: pl.DataFrame) -> set[tuple[_Written, _Written]]:
    both = pl.concat(
        [
            searched.select(pl.col("first", "second", "year").name.prefix("searched_")),
            later.select("first", "second", "year"),
        ],
        how="horizontal",
    )
    rows = both.drop_nulls().unique().rows()
    return {(row[:3], row[3:]) for row in rows}


def _day(written: _Written, order: Order) -> date | None:
    first, second, year = written
    day, month = (first, second) if order == "day_first" else (second, first)
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _refuse_both(log: Log, evidence: _Evidence) -> None:
    if len(evidence.examples) < 2:
        return
    days, months = (_example(evidence, order) for order in ("day_first", "month_first"))
    raise LogError(
        log.file.name,
        f"its dates contradict each other: {days} can only be day first, {months} only month "
        'first. Mend the file, or write time_format = "day_first" or "month_first" into the '
        "mapping: rows of the other order are quarantined then",
    )


def _example(evidence: _Evidence, order: Order) -> str:
    text, column, line = evidence.examples[order]
    return f"{text!r} (column {column}, line {line})"


def _sentence(evidence: _Evidence, order: Order | None) -> str:
    if order is None:
        return (
            "dates with the year last could be day first or month first, and nothing in the log "
            "tells which: they were read month first. Write time_format into the mapping "
            '("day_first" or "month_first") and ingest the log again if that is wrong'
        )
    words = order.replace("_", " ")
    if order in evidence.examples:
        return f"dates are read {words}: {_example(evidence, order)} leaves no other order"
    return (
        f"dates are read {words}: no date excludes the other order, but its days would lie "
        f"{_reason(evidence, order)}"
    )


def _reason(evidence: _Evidence, order: Order) -> str:
    other: Order = "month_first" if order == "day_first" else "day_first"
    days = _sorted_days(evidence.searched, other)
    return f"between {days[0]} and {days[-1]}" if days else "nowhere in the calendar"


def _sorted_days(searched: Collection[_Written], order: Order) -> list[date]:
    return sorted(day for written in searched if (day := _day(written, order)))
