"""Apply a mapping's rules to a chunk: the log's columns in, the contract's columns out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from data.readers.times import read_dates
from data.readers.values import (
    ParsedColumn,
    nowhere,
    null_spelled,
    read_booleans,
    read_numbers,
    read_text,
    read_words,
)
from data.schema.time import day_number
from data.sources.cell_lists import named_values
from data.sources.column_rules import Condition, Rule

__all__ = ["PLACE", "RawColumn", "apply_rule", "join_text"]

# A computed date outside these years is unreadable. Far wider than what the row rules
# accept; it keeps an absurd number of days inside the range of the date type.
_FIRST_DAY = day_number(date(1900, 1, 1))
_LAST_DAY = day_number(date(2200, 1, 1))

# A row's place in the list that it was exploded from, beside the columns of the log. The NUL
# keeps it apart from them: a header with one is refused as no text.
PLACE = "\x00place"


@dataclass(frozen=True, kw_only=True)
class RawColumn:
    """One target column before it is typed.

    Attributes:
        values: text or native values; shape ``(rows,)``.
        is_unreadable: mask of the cells that are not empty but from which no value could be
            computed; ``None`` where the rule computes nothing.
    """

    values: pl.Series
    is_unreadable: pl.Series | None = None


def apply_rule(rule: Rule, rows: pl.DataFrame, time_format: str) -> RawColumn:
    """The target column that ``rule`` declares, one value per row of ``rows``."""
    column = _column(rule, rows, time_format)
    values = null_spelled(column.values, rule.null_if)
    if rule.when is not None:
        flag = _flag(rule.when, rows)
        values = values.set(~flag.values.fill_null(value=False), None)
    # a plain column may be text still, so its numbers are read here; sums are numbers already
    if rule.scale is not None and rule.column is not None:
        number = read_numbers(values)
        return RawColumn(values=number.values * rule.scale, is_unreadable=number.is_unreadable)
    if rule.scale is not None:
        values = values * rule.scale
    return RawColumn(values=values, is_unreadable=column.is_unreadable)


def _column(rule: Rule, rows: pl.DataFrame, time_format: str) -> RawColumn:
    if rule.column is not None and rule.after_last is not None:
        return RawColumn(values=_after_last(rows[rule.column], rule.after_last))
    if rule.column is not None:
        return RawColumn(values=rows[rule.column])
    if rule.join is not None:
        return RawColumn(values=join_text([rows[name] for name in rule.join]))
    if rule.constant is not None:
        return RawColumn(values=pl.Series([str(rule.constant)]).new_from_index(0, rows.height))
    if rule.first_true is not None:
        return _first_true(rule, rows)
    if rule.row_order is not None:
        # a place is known only when the whole file is: see data.ingest.row_positions
        return RawColumn(values=pl.Series([None], dtype=pl.Int32).new_from_index(0, rows.height))
    if rule.list_order is not None:
        return RawColumn(values=rows[PLACE])
    if rule.date is not None:
        return _date(rule, rows, time_format)
    return _arithmetic(rule, rows)


def join_text(columns: list[pl.Series]) -> pl.Series:
    """One text of several; null where one is null.

    The parts stand between ``/``; a ``/`` or ``\\`` in a part has a ``\\`` before it, so that no
    two different rows of parts give the same text.

    >>> join_text([pl.Series(["s1", "s1/2", None]), pl.Series([4, 3, 2])]).to_list()
    ['s1/4', 's1\\\\/2/3', None]
    """
    parts = [
        read_text(column).str.replace_all(r"([\\/])", r"\$1").alias(str(number))
        for number, column in enumerate(columns)
    ]
    return pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator="/")).to_series()


def _after_last(raw: pl.Series, separator: str) -> pl.Series:
    return read_text(raw).str.split(separator).list.last().str.strip_chars()


def _flag(when: str | Condition, rows: pl.DataFrame) -> ParsedColumn:
    """Where a flag column or a condition is true."""
    if isinstance(when, str):
        return read_booleans(rows[when])
    if when.column is not None:
        words = {word.strip().casefold() for word in when.words}
        return read_words(rows[when.column], lambda word: word.casefold() in words, pl.Boolean())
    left, right = when.needs
    value = read_text(rows[left])
    named = named_values(rows[right], when.separator)
    is_same = value.gather(named["row"]) == named["value"]
    is_equal = pl.Series([False]).new_from_index(0, rows.height)
    is_equal = is_equal.scatter(named["row"].filter(is_same).unique(), True)
    return ParsedColumn(values=is_equal, is_unreadable=nowhere(value))


def _first_true(rule: Rule, rows: pl.DataFrame) -> RawColumn:
    """The word of the first flag that is true, ``otherwise`` where none is.

    An unreadable flag gives the word ``unreadable flag``. No label is spelled so: the row is
    quarantined, where it would else take the word of a later flag.
    """
    word = pl.Series([rule.otherwise], dtype=pl.String).new_from_index(0, rows.height)
    unreadable = pl.Series([False]).new_from_index(0, rows.height)
    # from the last to the first: an earlier flag overwrites a later one
    for choice in reversed(rule.first_true or ()):
        flag = _flag(choice.when, rows)
        word = word.set(flag.values.fill_null(value=False), choice.word)
        unreadable = unreadable | flag.is_unreadable
    return RawColumn(values=word.set(unreadable, "unreadable flag"))


def _date(rule: Rule, rows: pl.DataFrame, time_format: str) -> RawColumn:
    start = read_dates(rows[rule.date or ""], time_format)
    days, unreadable = start.values.cast(pl.Int32).cast(pl.Float64), start.is_unreadable
    for name in rule.plus_days:
        more = read_numbers(rows[name])
        days, unreadable = days + more.values, unreadable | more.is_unreadable
    is_whole = days.is_between(_FIRST_DAY, _LAST_DAY) & (days == days.floor())
    is_whole = is_whole.fill_null(value=False)
    unreadable = unreadable | (days.is_not_null() & ~is_whole)
    return RawColumn(
        values=days.set(~is_whole, None).cast(pl.Int32).cast(pl.Date), is_unreadable=unreadable
    )


def _arithmetic(rule: Rule, rows: pl.DataFrame) -> RawColumn:
    names = rule.sum or rule.mean or rule.product or ()
    parts = [read_numbers(rows[name]) for name in names]
    frame = pl.DataFrame({str(i): part.values for i, part in enumerate(parts)})
    unreadable = parts[0].is_unreadable
    for part in parts[1:]:
        unreadable = unreadable | part.is_unreadable
    if rule.product is not None:
        expression = pl.lit(1.0)
        for name in frame.columns:
            expression = expression * pl.col(name)
    elif rule.mean is not None:
        expression = pl.mean_horizontal(pl.all())
    else:
        # sum_horizontal counts null as 0: without this a row of nulls would sum to 0
        expression = pl.when(pl.any_horizontal(pl.all().is_not_null())).then(
            pl.sum_horizontal(pl.all())
        )
    value = frame.select(expression.alias("value")).to_series()
    # infinity times zero: no part is empty, so the result is unreadable rather than not given
    unreadable = unreadable | value.is_nan().fill_null(value=False)
    return RawColumn(values=value.set(unreadable, None), is_unreadable=unreadable)
