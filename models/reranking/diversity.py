"""Diversity of the first places: greedy, score less likeness to what stands above.

After Abdool et al. (KDD 2020) and Airbnb's KDD 2022 re-ranker: the next place goes to the
listing with the highest score less ``weight`` times its mean likeness to the listings placed
before it. Likeness is by location, price and room type; a column that the log lacks, or a
value that is missing, says nothing and counts as unlike. One search, weight 1.0, likeness
by room type alone, scores in standard deviations:

    listing    room       score    rank before    for place 2      rank after
    a          home         3.0              1    (has place 1)             1
    b          home         2.4              2    2.4 - 1.0 = 1.4           3
    c          private      1.6              3    1.6 - 0.0 = 1.6           2

Legend: C candidates, the first ``depth`` of a search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data.ranges import ABOVE_0, AT_LEAST_0, AT_LEAST_1, Range, refuse_outside
from data.schema.geo import KM_PER_DEGREE
from models.arrow_columns import Numbers, numbers, require_columns
from models.ranking_order import group_codes, rank_within, spread_within, tie_keys
from models.recommender import Scores

__all__ = ["DiversityConfig", "diversified"]


@dataclass(frozen=True, kw_only=True)
class DiversityConfig:
    """How much likeness costs, and which listings are alike.

    Attributes:
        weight: of the mean likeness, in standard deviations of the search's scores.
        k: places that are filled greedily; the rest keep their order.
        depth: candidates considered, from the top of the order; at least ``k``.
        km: distance at which likeness by location has fallen to 1/e.
        price_ratio: the same for the ratio of two prices.
        price: the column of the price.
    """

    weight: float = 0.3
    k: int = 10
    depth: int = 40
    km: float = 1.0
    price_ratio: float = 1.3
    price: str = "listing_total_price"

    def __post_init__(self) -> None:
        sizes = {"k": AT_LEAST_1, "depth": Range(at_least=self.k)}
        likeness = {"km": ABOVE_0, "price_ratio": Range(above=1)}
        refuse_outside(self, {"weight": AT_LEAST_0, **sizes, **likeness})


def diversified(rows: pa.Table, scores: Scores, config: DiversityConfig) -> Scores:
    """Negative ranks of the diversified order, one per row."""
    require_columns(rows, ("id_search", "id_listing"), model="the diversity step")
    groups = group_codes(rows["id_search"])
    ranks = rank_within(groups, scores, tie_keys(rows))
    spread = spread_within(rows, scores)
    standard = np.divide(scores, spread, out=np.zeros(len(scores)), where=spread > 0)
    likeness = _likeness(rows, config)
    new_ranks = ranks.copy()
    order = np.lexsort((ranks, groups))
    starts = np.flatnonzero(np.r_[True, groups[order][1:] != groups[order][:-1]])
    for members in np.split(order, starts[1:]):
        candidates = members[: config.depth]
        placed = _greedy(standard[candidates], likeness(candidates), config)
        new_ranks[candidates[placed]] = np.arange(1, len(placed) + 1)
    return -new_ranks.astype(np.float64)


def _greedy(
    standard: Numbers, likeness_CC: np.ndarray[Any, Any], config: DiversityConfig
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Candidates in their new order; the first ``k`` greedily, the others as they were."""
    is_left = np.ones(len(standard), dtype=bool)
    # Likeness to everything placed so far, kept as a running sum: k · C additions, not k² · C.
    likeness_sum = np.zeros(len(standard))
    placed: list[int] = []
    while len(placed) < min(config.k, len(standard)):
        worth = standard - config.weight * likeness_sum / max(len(placed), 1)
        # The first of equals: candidates come in the order of the ranker.
        best = int(np.argmax(np.where(is_left, worth, -np.inf)))
        placed.append(best)
        is_left[best] = False
        likeness_sum += likeness_CC[:, best]
    return np.concatenate([np.array(placed, dtype=np.int64), np.flatnonzero(is_left)])


def _likeness(
    rows: pa.Table, config: DiversityConfig
) -> Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """A function of row numbers that gives their mean likeness, 0 to 1, pair by pair."""
    present = set(rows.column_names)
    parts: list[Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]] = []
    if {"listing_lat", "listing_lng"} <= present:
        lat, lng = numbers(rows, "listing_lat"), numbers(rows, "listing_lng")
        parts.append(lambda at: np.exp(-_km(lat[at], lng[at]) / config.km))
    if config.price in present:
        with np.errstate(divide="ignore", invalid="ignore"):
            log_price = np.log(numbers(rows, config.price))
        scale = np.log(config.price_ratio)
        parts.append(lambda at: np.exp(-_differences(log_price[at]) / scale))
    if "listing_room_type" in present:
        # Null is a group of its own in the codes, and unlike every other here.
        room = group_codes(rows["listing_room_type"].cast(pa.string())).astype(np.float64)
        room[np.asarray(rows["listing_room_type"].is_null())] = np.nan
        parts.append(lambda at: (_differences(room[at]) == 0).astype(np.float64))
    if not parts:
        raise ValueError("no place, price or room type: nothing by which listings are alike")
    return lambda at: np.mean([np.nan_to_num(part(at), nan=0.0) for part in parts], axis=0)


def _differences(values: Numbers) -> np.ndarray[Any, Any]:
    """Absolute difference of every pair; shape (C, C)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values[:, None] - values[None, :]))


def _km(lat: Numbers, lng: Numbers) -> np.ndarray[Any, Any]:
    """Distances on a plane that touches the city: exact enough within one."""
    scale = np.cos(np.deg2rad(np.nanmean(lat))) if np.isfinite(lat).any() else 1.0
    degrees = np.hypot(_differences(lat), _differences(lng * scale))
    return np.asarray(degrees * KM_PER_DEGREE)
