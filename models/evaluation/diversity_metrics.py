"""How much the listings of one list differ: in place, price and room type.

Legend: S searches, k places, p pairs a lag apart, D parts of a value, N rows. A place past
the end of a short list, or a value that is not known, is NaN and takes part in no pair.
"""

from __future__ import annotations

import numpy as np

from data.schema.geo import EARTH_RADIUS_KM
from models.evaluation.arranged_rows import ArrangedRows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches, named_at

__all__ = ["diversity_metrics", "mean_pairwise", "unit_vectors"]


def unit_vectors(lat: Floats, lng: Floats) -> Floats:
    """Points on the unit sphere from degrees; (N,), (N,) → (N, 3).

    The equator at Greenwich, the equator at 90° east, the north pole:

    >>> unit_vectors(np.array([0.0, 0.0, 90.0]), np.array([0.0, 90.0, 0.0])).round(3).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    phi, theta = np.radians(lat), np.radians(lng)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=1)


def mean_pairwise(values_SkD: Floats, *, is_category: bool = False) -> Floats:
    """Mean distance over the pairs of each list; NaN with fewer than two known; shape (S,).

    Euclidean in the last axis; for categories 1 where two differ, else 0.

    Prices 0, 1 and 3: (1 + 2 + 3) / 3. With the 1 not known, only the pair 0 and 3 is left.
    Room types 7, 7, 9: 2 of 3 pairs differ.

    >>> mean_pairwise(np.array([[[0.0], [1.0], [3.0]], [[0.0], [np.nan], [3.0]]])).tolist()
    [2.0, 3.0]
    >>> mean_pairwise(np.array([[[7.0], [7.0], [9.0]]]), is_category=True).round(3).tolist()
    [0.667]
    """
    searches, k, _ = values_SkD.shape
    # places first, searches last: the sums then run along memory
    values_DkS = np.ascontiguousarray(values_SkD.transpose(2, 1, 0))
    total, pairs = np.zeros(searches), np.zeros(searches)
    for lag in range(1, k):
        # all pairs that stand this far apart, of all searches at once
        gap_DpS = values_DkS[:, lag:] - values_DkS[:, : k - lag]
        # one attribute needs no root: √(x²) = |x|
        distance_pS = np.abs(gap_DpS[0]) if len(gap_DpS) == 1 else np.sqrt((gap_DpS**2).sum(axis=0))
        is_known = np.isfinite(distance_pS)
        if is_category:
            distance_pS = (distance_pS != 0).astype(np.float64)
        total += np.where(is_known, distance_pS, 0.0).sum(axis=0)
        pairs += is_known.sum(axis=0)
    undefined = np.full(searches, np.nan)
    return np.asarray(np.divide(total, pairs, out=undefined, where=pairs > 0))


def diversity_metrics(
    arranged: ArrangedRows, ranks: Integers, attributes: dict[str, Floats], k: int
) -> list[RatioMetric]:
    """Mean pairwise difference within the top k, for the attributes that are present.

    ``attributes``: ``distance_km`` (N, 3) unit vectors, ``log_price`` (N, 1),
    ``room_type`` (N, 1) codes; NaN where not known. ``list_distance_km_at_k`` is the chord
    in km, within a city the same as the arc; ``list_log_price_at_k`` the mean absolute log
    of the price ratio; ``list_room_type_at_k`` the share of pairs that differ.
    """
    places = arranged.top(ranks, k)
    metrics = []
    for name, values_ND in attributes.items():
        # the place -1 of a short list reads the last row: nothing known
        padded = np.vstack([values_ND, np.full((1, values_ND.shape[1]), np.nan)])
        value = mean_pairwise(padded[places], is_category=name == "room_type")
        if name == "distance_km":
            value = value * EARTH_RADIUS_KM
        metrics.append(mean_over_searches(named_at(f"list_{name}", k), value, k=k))
    return metrics
