"""A measure: a figure that is a ratio of two sums over searches.

A mean over the searches that have a value, Σ probability over Σ outcomes, and G are all
ratios of sums, so one bootstrap serves them all: a replicate reweights the guests, and
the ratio is taken again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.evaluation.arrays import Floats
from models.evaluation.significance import Interval

__all__ = ["Figure", "Measure", "mean_over_searches", "named_at"]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of one model, search by search.

    Attributes:
        metric: name as the scorecard prints it.
        k: cut-off, or ``None``.
        numerator, denominator: shape (S,); the figure is Σ numerator / Σ denominator.
        scored: 1 for a search that counts, else 0; shape (S,).
        is_for_segments: also meaningful on a part of the searches.
    """

    metric: str
    k: int | None
    numerator: Floats
    denominator: Floats
    scored: Floats
    is_for_segments: bool = True


def mean_over_searches(metric: str, values: Floats, *, k: int | None = None) -> Measure:
    """The mean of a value per search; NaN leaves the search out.

    >>> measure = mean_over_searches("mrr", np.array([1.0, 0.5, np.nan]))
    >>> float(measure.numerator.sum() / measure.denominator.sum())
    0.75
    """
    scored = np.isfinite(values).astype(np.float64)
    return Measure(
        metric=metric,
        k=k,
        numerator=np.nan_to_num(values, nan=0.0),
        denominator=scored,
        scored=scored,
    )


def named_at(name: str, k: int) -> str:
    """``ndcg`` at 10 → ``ndcg_at_10``; MLflow refuses ``@``."""
    return f"{name}_at_{k}"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure that is no ratio of sums and brings its own interval (coverage, Gini).

    Attributes:
        metric, k: as in :class:`Measure`.
        interval: the value and its ends.
    """

    metric: str
    k: int | None
    interval: Interval
