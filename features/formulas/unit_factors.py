"""Factors that turn exact integers into units, to multiply by.

Never divide a column by a constant: Polars multiplies by the reciprocal instead, except
where a block of rows holds a single one, so the last bit would depend on how the rows
fell into blocks. A product with the same constant is the same everywhere.
"""

from __future__ import annotations

import polars as pl

from data.schema.time import HOUR_S

__all__ = ["HOURS_PER_SECOND", "MINUTES_PER_SECOND", "PER_HUNDREDTH", "PER_MICRO", "hours_since"]

PER_HUNDREDTH = 1 / 100
PER_MICRO = 1 / 1_000_000
MINUTES_PER_SECOND = 1 / 60
HOURS_PER_SECOND = 1 / HOUR_S


def hours_since(moment: str) -> pl.Expr:
    """Hours from the second in column ``moment`` to the search; null where it is null."""
    return (pl.col("search_s") - pl.col(moment)) * HOURS_PER_SECOND
