"""Value DCG: what is clicked in the first places, each click at its worth. The primary metric.

    value DCG@k of a search = Σ worth / log2(rank + 1)   over its clicked rows in the first k

The worth of a click is what it leads to (mostly P(booked | clicked)) over P(looked at), learnt
by a judge of its own (``models.click_worth``) and the same for every order that is judged. A
mean over searches, not divided by the best that a search allows: a search in which more can be
won weighs more. Its unit is bookings per search, as far as a click tells of them, discounted by
place; only ratios and differences of two orders mean something.

Why not the NDCG of bookings: a day of 9,000 searches has 170 bookings and 7,600 clicks. Why
not the NDCG of graded outcomes: its clicks reward whoever orders as the log did, and
normalising by search gives a search with one poor click the weight of one with a booking
(figures: ``benchmarks/metric_power.py``, docs/decisions/0048-the-primary-metric.md).

One search of three rows, the clicked ones worth 0.04 and 0.08, ranked first and third:

    0.04 / log2(2) + 0.08 / log2(4) = 0.08

Legend: N rows, S searches.
"""

from __future__ import annotations

import numpy as np

from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers, Mask
from models.evaluation.ratio_metric import RatioMetric, named_at

__all__ = ["VALUE_DCG", "value_dcg", "value_dcg_metrics"]

VALUE_DCG = "value_dcg"


def value_dcg(arranged: ArrangedRows, ranks: Integers, worth: Floats, k: int) -> Floats:
    """Σ worth / log2(rank + 1) over the first k of each search; NaN for one result; shape (S,).

    ``worth`` is arranged, 0 where nothing was clicked.

    >>> import pyarrow as pa
    >>> from models.evaluation.arranged_rows import arrange_rows
    >>> rows = {"id_search": ["a"] * 3 + ["b"], "id_listing": ["x", "y", "z", "x"]}
    >>> arranged = arrange_rows(pa.table(rows | {"stage": [1, 1, 0, 1]}))
    >>> clicked = arranged.stage[:3] > 0
    >>> worth, ranks = np.zeros(4), np.ones(4, dtype=np.int64)
    >>> worth[:3][clicked], ranks[:3][clicked], ranks[:3][~clicked] = [0.04, 0.08], [1, 3], 2
    >>> value_dcg(arranged, ranks, worth, 10).round(4).tolist()
    [0.08, nan]
    """
    valued = np.flatnonzero((worth > 0) & (ranks <= k))
    gained = worth[valued] / np.log2(ranks[valued] + 1.0)
    of_search = np.bincount(arranged.search[valued], weights=gained, minlength=arranged.searches)
    return np.where(arranged.sizes > 1, of_search, np.nan)


def value_dcg_metrics(
    arranged: ArrangedRows,
    ranks: Integers,
    worth: Floats,
    ks: tuple[int, ...],
    part: Mask | None = None,
) -> list[RatioMetric]:
    """``value_dcg_at_k`` of an order; with ``part`` only these rows have any worth.

    The mean is over the searches of several results; those with a click of any worth are the
    evidence, and count as scored.
    """
    counted = worth if part is None else np.where(part, worth, 0.0)
    several = (arranged.sizes > 1).astype(np.float64)
    scored = several * (arranged.per_search(counted) > 0)
    return [
        RatioMetric(
            metric=named_at(VALUE_DCG, k),
            k=k,
            numerator=np.nan_to_num(value_dcg(arranged, ranks, counted, k)),
            denominator=several,
            scored=scored,
            denominator_name="searches of several results",
            scored_name="searches with a click of any worth",
        )
        for k in ks
    ]
