"""The two shapes that a metric has before its interval is known.

A :class:`RatioMetric` is a ratio of two sums over searches. A mean over the searches that
have a value, Σ probability over Σ outcomes, and G are all such ratios, so one bootstrap
serves them all: a replicate weights the guests anew and takes the ratio again
(:mod:`models.evaluation.segment_intervals`). A :class:`ListMetric` (coverage, Gini,
calibration error) is no ratio of sums and brings its own interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.evaluation.arrays import Floats
from models.evaluation.significance import Interval

__all__ = ["ListMetric", "RatioMetric", "mean_over_searches", "named_at"]


@dataclass(frozen=True, kw_only=True)
class RatioMetric:
    """One metric of one model, search by search: Σ numerator / Σ denominator.

    Attributes:
        metric: name as the scorecard prints it.
        k: cut-off, or ``None``.
        numerator, denominator: shape (S,).
        scored: 1 for a search that counts, else 0; shape (S,).
        denominator_name, scored_name: what these arrays sum, where several metrics of a
            model sum the same one; it is then summed once. ``None``: an array of this
            metric alone.
        is_for_segments: also meaningful on a part of the searches.
    """

    metric: str
    k: int | None
    numerator: Floats
    denominator: Floats
    scored: Floats
    denominator_name: str | None = None
    scored_name: str | None = None
    is_for_segments: bool = True


def mean_over_searches(metric: str, values: Floats, *, k: int | None = None) -> RatioMetric:
    """The mean of a value per search; NaN leaves the search out.

    >>> mrr = mean_over_searches("mrr", np.array([1.0, 0.5, np.nan]))
    >>> float(mrr.numerator.sum() / mrr.denominator.sum())
    0.75
    """
    scored = np.isfinite(values).astype(np.float64)
    name = f"searches with {metric}"
    return RatioMetric(
        metric=metric,
        k=k,
        numerator=np.nan_to_num(values, nan=0.0),
        denominator=scored,
        scored=scored,
        denominator_name=name,
        scored_name=name,
    )


def named_at(name: str, k: int) -> str:
    """``ndcg`` at 10 → ``ndcg_at_10``; MLflow refuses ``@``."""
    return f"{name}_at_{k}"


@dataclass(frozen=True, kw_only=True)
class ListMetric:
    """A metric of the whole split's lists, with its interval.

    Attributes:
        metric, k: as in :class:`RatioMetric`.
        interval: the value and its ends.
    """

    metric: str
    k: int | None
    interval: Interval
