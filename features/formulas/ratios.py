"""Ratios that several groups form, null where their denominator says nothing."""

from __future__ import annotations

import narwhals as nw

__all__ = ["ratio", "smoothed_rate"]


def ratio(part: nw.Expr, whole: nw.Expr) -> nw.Expr:
    """``part / whole``; null where ``whole`` is zero, negative or unknown.

    >>> import polars as pl
    >>> rows = nw.from_native(pl.DataFrame({"clicks": [1, 0], "impressions": [4, 0]}))
    >>> rows.select(ratio(nw.col("clicks"), nw.col("impressions")))["clicks"].to_list()
    [0.25, None]
    """
    return nw.when(whole > 0).then(part / whole)


def smoothed_rate(events: nw.Expr, trials: nw.Expr, prior: nw.Expr, weight: int) -> nw.Expr:
    """``(events + prior × weight) / (trials + weight)``; null where the prior is.

    With few trials the rate stays near the prior: one click of one impression, a prior of
    1/2 with the weight of 8 impressions, is (1 + 4) / (1 + 8).

    >>> import polars as pl
    >>> rows = nw.from_native(pl.DataFrame({"clicks": [1, 9], "impressions": [1, 12]}))
    >>> rate = smoothed_rate(nw.col("clicks"), nw.col("impressions"), nw.lit(0.5), weight=8)
    >>> rows.select(rate)["clicks"].round(3).to_list()
    [0.556, 0.65]
    """
    return (events + prior * weight) / (trials + weight)
