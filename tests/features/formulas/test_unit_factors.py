"""Factors that turn integers into units, and that no column is divided by a constant."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS
from data.schema.time import HOUR_S
from features.all_features import catalogue_for
from features.definitions.definition import reads, value_of
from features.formulas.unit_factors import (
    MINUTES_PER_SECOND,
    PER_HUNDREDTH,
    PER_MICRO,
    hours_since,
)
from features.history.past_sources import reads_of


def divisions_by_constants(expression: pl.Expr) -> list[str]:
    """Each division of a column by what reads no column, such as ``/ 100`` or ``/ HOUR_S``."""
    inputs = expression.meta.pop()
    found = [text for part in inputs for text in divisions_by_constants(part)]
    if len(inputs) == 2:
        whole, part = inputs  # the latest comes first
        is_division = expression.meta.eq(part / whole)
        if is_division and part.meta.root_names() and not whole.meta.root_names():
            found.append(str(expression))
    return found


def expressions() -> dict[str, pl.Expr]:
    """The expression of every definition that has one, for a log with every column."""
    catalogue = catalogue_for(IMPRESSIONS.names)
    names = {
        name for source in catalogue.sources for n in source.names for name in reads_of(source, n)
    }
    left, found = [*names, *catalogue.features().names], {}
    while left:
        name = left.pop()
        definition = catalogue.definition(name)
        if definition is None or name in found:
            continue
        value = value_of(definition, IMPRESSIONS.names)
        if isinstance(value, pl.Expr):
            found[name] = value
        left += [read for read in reads(definition, IMPRESSIONS.names) if read != name]
    return found


def test_no_column_is_divided_by_a_constant() -> None:
    every = expressions()
    assert {"listing_nightly_price", "_price", "guest_session_minutes"} <= set(every)
    found = {name: divisions_by_constants(value) for name, value in every.items()}
    assert {name: divisions for name, divisions in found.items() if divisions} == {}


A, B = pl.col("a"), pl.col("b")


@pytest.mark.parametrize(
    "offence",
    [
        A / 100,
        (A + B) / HOUR_S,
        A / (24 * pl.lit(HOUR_S)),
        (A / 24 * PER_MICRO).round(2),
        pl.when(A > 0).then(B / 7.0),
        pl.coalesce(A, B.cast(pl.Float64) / 60),
    ],
    ids=str,
)
def test_a_division_by_a_constant_is_found_wherever_it_stands(offence: pl.Expr) -> None:
    assert len(divisions_by_constants(offence)) == 1


@pytest.mark.parametrize(
    "allowed",
    [A / B, A * (1 / HOUR_S), A // 7, 100 / A, A * (pl.lit(1) / 60), pl.when(B > 0).then(A / B)],
    ids=str,
)
def test_a_ratio_of_columns_or_of_constants_is_allowed(allowed: pl.Expr) -> None:
    assert divisions_by_constants(allowed) == []


def test_integers_become_units() -> None:
    units = [12_345 * PER_HUNDREDTH, -22_970_000 * PER_MICRO, 90 * MINUTES_PER_SECOND]
    assert units == pytest.approx([123.45, -22.97, 1.5])


def test_hours_since_an_event_and_null_without_one() -> None:
    rows = pl.DataFrame({"search_s": [9_000, 9_000], "_last_s": [1_800, None]})
    hours = rows.select(hours=hours_since("_last_s"))["hours"].to_list()
    assert hours == [pytest.approx(2.0), None]
