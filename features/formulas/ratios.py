"""Ratios that several groups form, null where their denominator says nothing."""

from __future__ import annotations

import polars as pl

__all__ = ["ratio", "smoothed_rate"]


def ratio(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """``part / whole``; null where ``whole`` is zero, negative or unknown.

    >>> rows = pl.DataFrame({"clicks": [1, 0], "impressions": [4, 0]})
    >>> rows.select(ratio(pl.col("clicks"), pl.col("impressions")))["clicks"].to_list()
    [0.25, None]
    """
    return pl.when(whole > 0).then(part / whole)


def smoothed_rate(events: pl.Expr, trials: pl.Expr, prior: pl.Expr, weight: int) -> pl.Expr:
    """``(events + prior × weight) / (trials + weight)``; null where the prior is.

    With few trials the rate stays near the prior: one click of one impression, a prior of
    1/2 with the weight of 8 impressions, is (1 + 4) / (1 + 8).

    >>> rows = pl.DataFrame({"clicks": [1, 9], "impressions": [1, 12]})
    >>> rate = smoothed_rate(pl.col("clicks"), pl.col("impressions"), pl.lit(0.5), weight=8)
    >>> rows.select(rate)["clicks"].round(3).to_list()
    [0.556, 0.65]
    """
    return (events + prior * weight) / (trials + weight)
