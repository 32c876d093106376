"""Applies a mapping's rules to a block: the log's columns in, the contract's columns out."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from data.readers.values import null_spelled, read_booleans, read_dates, read_numbers
from data.sources.column_rules import Rule

__all__ = ["Cell", "apply_rule"]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One target column before it is typed.

    Attributes:
        raw: its values, text or native; shape ``(rows,)``.
        is_unreadable: cells that were given but from which no value could be computed;
            ``None`` where the rule computes nothing.
    """

    raw: pl.Series
    is_unreadable: pl.Series | None = None


def apply_rule(rule: Rule, rows: pl.DataFrame, time_format: str) -> Cell:
    """The target column that ``rule`` declares, one value per row of ``rows``."""
    cell = _value(rule, rows, time_format)
    raw = null_spelled(cell.raw, rule.null_if)
    if rule.when is not None:
        flag = read_booleans(rows[rule.when])
        raw = raw.set(~flag.values.fill_null(value=False), None)
    if rule.scale is not None and rule.column is not None:
        number = read_numbers(raw)
        return Cell(raw=number.values * rule.scale, is_unreadable=number.is_unreadable)
    if rule.scale is not None:
        raw = raw * rule.scale
    return Cell(raw=raw, is_unreadable=cell.is_unreadable)


def _value(rule: Rule, rows: pl.DataFrame, time_format: str) -> Cell:
    if rule.column is not None:
        return Cell(raw=rows[rule.column])
    if rule.constant is not None:
        return Cell(raw=pl.Series([str(rule.constant)]).new_from_index(0, rows.height))
    if rule.first_true is not None:
        return _first_true(rule, rows)
    if rule.date is not None:
        return _date(rule, rows, time_format)
    return _arithmetic(rule, rows)


def _first_true(rule: Rule, rows: pl.DataFrame) -> Cell:
    """The word of the first flag that is true; an unreadable flag gives no word."""
    word = pl.Series([rule.otherwise], dtype=pl.String).new_from_index(0, rows.height)
    unreadable = pl.Series([False]).new_from_index(0, rows.height)
    for choice in reversed(rule.first_true or ()):
        flag = read_booleans(rows[choice.when])
        word = word.set(flag.values.fill_null(value=False), choice.word)
        unreadable = unreadable | flag.is_unreadable
    return Cell(raw=word.set(unreadable, "unreadable flag"))


def _date(rule: Rule, rows: pl.DataFrame, time_format: str) -> Cell:
    start = read_dates(rows[rule.date or ""], time_format)
    days, unreadable = start.values.cast(pl.Int32).cast(pl.Float64), start.is_unreadable
    for name in rule.plus_days:
        more = read_numbers(rows[name])
        days, unreadable = days + more.values, unreadable | more.is_unreadable
    whole = days.is_between(-25_567, 84_006) & (days == days.floor())
    unreadable = unreadable | (days.is_not_null() & ~whole.fill_null(value=False))
    sound = days.set(~whole.fill_null(value=False), None)
    return Cell(raw=sound.cast(pl.Int32).cast(pl.Date), is_unreadable=unreadable)


def _arithmetic(rule: Rule, rows: pl.DataFrame) -> Cell:
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
        expression = pl.when(pl.any_horizontal(pl.all().is_not_null())).then(
            pl.sum_horizontal(pl.all())
        )
    value = frame.select(expression.alias("value")).to_series()
    return Cell(raw=value.set(unreadable, None), is_unreadable=unreadable)
