"""Which listings and hosts are seen: coverage, Gini, and the share of new listings.

Exposure is the number of places in the top k that a listing (or host) gets over all
searches of the split.

Legend: N rows, S searches, L listings or hosts, G groups of guests.
"""

from __future__ import annotations

import numpy as np

from data.schema.tables import BOOKED
from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.config import EvaluationConfig
from models.evaluation.ratio_metric import ListMetric, RatioMetric, named_at
from models.evaluation.significance import UNIT_INTERVAL, jackknife_interval

__all__ = ["concentration_metrics", "coverage", "gini", "new_listing_metrics"]


def gini(exposures: Floats) -> Floats:
    """Gini coefficient of non-negative exposures along the last axis; NaN when all are 0.

    0 when all are seen alike, towards 1 when one takes all.

    With the exposures x_i in rising order, i = 1..L:

        Gini = 2 · Σ i · x_i / (L · Σ x_i) − (L + 1) / L

    One of two listings takes every place: 2 · (1·0 + 2·4) / (2 · 4) − 3/2 = 1/2.
    Of 6 places three listings get 1, 2 and 3: 2 · (1 + 4 + 9) / (3 · 6) − 4/3 = 2/9.

    >>> gini(np.array([[0.0, 0.0, 4.0], [2.0, 1.0, 3.0], [5.0, 5.0, 5.0]])).round(4).tolist()
    [0.6667, 0.2222, 0.0]
    >>> float(gini(np.array([0.0, 4.0])))
    0.5
    """
    ascending = np.sort(exposures, axis=-1)
    count = ascending.shape[-1]
    total = ascending.sum(axis=-1)
    weighted = ascending @ np.arange(1, count + 1, dtype=np.float64)
    undefined = np.full(np.shape(total), np.nan)
    share = np.divide(2 * weighted, count * total, out=undefined, where=total > 0)
    # rounding must not make equal exposures less than equal
    return np.asarray(np.maximum(share - (count + 1) / count, 0.0))


def coverage(exposures: Floats) -> Floats:
    """Share of the listings along the last axis that are seen at all; here 2 of 4.

    >>> float(coverage(np.array([0.0, 4.0, 1.0, 0.0])))
    0.5
    """
    return np.asarray((exposures > 0).mean(axis=-1))


def concentration_metrics(
    arranged: ArrangedRows, ranks: Integers, owners: dict[str, Integers], config: EvaluationConfig
) -> list[ListMetric]:
    """Coverage and Gini of the places in the top k, over the listings of the split.

    ``owners`` maps a prefix (empty for listings, ``host_``) to the code of each arranged
    row, -1 where unknown. Every listing that the split shows counts, also one that no
    search ranks high. Intervals by the jackknife over groups of guests.
    """
    metrics = []
    in_top = ranks <= config.list_k
    group = (arranged.cluster % config.jackknife_groups)[arranged.search]
    for prefix, codes in owners.items():
        count = int(codes.max()) + 1
        counted = in_top & (codes >= 0)
        # a two-way count in one pass: cell = group · L + listing
        cells = group[counted] * count + codes[counted]
        by_group = np.bincount(cells, minlength=config.jackknife_groups * count)
        exposure_GL = by_group.reshape(config.jackknife_groups, count).astype(np.float64)
        total = exposure_GL.sum(axis=0)
        for name, formula in (("coverage", coverage), ("exposure_gini", gini)):
            value = float(formula(total))
            left_out = formula(total - exposure_GL)
            interval = jackknife_interval(
                value, left_out, confidence=config.confidence, bounds=UNIT_INTERVAL
            )
            metric = named_at(f"{prefix}{name}", config.list_k)
            metrics.append(ListMetric(metric=metric, k=config.list_k, interval=interval))
    return metrics


def new_listing_metrics(
    arranged: ArrangedRows, ranks: Integers, is_new: Floats, config: EvaluationConfig
) -> list[RatioMetric]:
    """Share of the top k's places, and of its bookings, that go to new listings.

    ``is_new`` is 1, 0 or NaN (not given: such rows are left out); shape (N,).
    """
    in_top = (ranks <= config.list_k) & np.isfinite(is_new)
    new = np.nan_to_num(is_new) == 1
    metrics = []
    for name, rows in (
        ("new_listing_exposure", in_top),
        ("new_listing_bookings", in_top & (arranged.stage >= BOOKED)),
    ):
        denominator = arranged.per_search(rows.astype(np.float64))
        metrics.append(
            RatioMetric(
                metric=named_at(name, config.list_k),
                k=config.list_k,
                numerator=arranged.per_search((rows & new).astype(np.float64)),
                denominator=denominator,
                scored=(denominator > 0).astype(np.float64),
            )
        )
    return metrics
