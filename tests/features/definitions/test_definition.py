"""A definition says by its expression what it reads."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
import pytest

from features.definitions.definition import defined, hidden, reads, value_of
from features.formulas.comparisons import Comparison

A, B = pl.col("a"), pl.col("b")


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (A / B, ("a", "b")),
        (pl.when(B > 0).then(A + A), ("b", "a")),
        (pl.lit(1), ()),
        (None, ("feature",)),
        (Comparison(column="b", kind="rank", low_is_good=True), ("id_search", "b")),
    ],
)
def test_each_column_is_read_once(value: object, read: tuple[str, ...]) -> None:
    definition = defined("feature", "meaning", value)  # type: ignore[arg-type]
    assert sorted(reads(definition, ())) == sorted(read)


def test_a_value_may_depend_on_the_columns_that_the_log_has() -> None:
    def value(columns: Collection[str]) -> pl.Expr:
        return A + B if "b" in columns else A

    definition = defined("feature", "meaning", value)
    assert reads(definition, ()) == ("a",)  # what it cannot do without
    assert reads(definition, ("a", "b")) == ("a", "b")
    computed = value_of(definition, ("a", "b"))
    assert isinstance(computed, pl.Expr)
    assert computed.meta.eq(A + B)


def test_a_hidden_column_has_an_underscore() -> None:
    assert hidden("_sum", A).name == "_sum"
    with pytest.raises(ValueError, match="sum: a column that is no feature begins"):
        hidden("sum", A)
