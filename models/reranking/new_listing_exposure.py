"""Exposure of new listings: a bonus on their scores, and a floor of places among the first k.

A new listing (``listing_is_new``) has no clicks or bookings of its own, and a ranker that
reads them puts it low. The policy is a function of rows and scores that returns new scores;
it does not change what the ranker learnt. One search of five, the first k = 3 places, a floor
of 0.34 (one place of three), no bonus:

    listing    score    new    rank before    rank after
    a            6.0                     1             1
    b            5.0                     2             2
    c            4.0                     3             4    the worst known one of the first 3
    d            3.0    yes              4             3    the best new one below them
    e            2.0    yes              5             5

With a bonus of 0.5 and no floor, a new listing's score gains 0.5 times the standard deviation
of its search's scores (1.41 here), times how uncertain it is: d has 3.7.

:func:`exposure_curve` measures what each policy costs and brings on a log,
:func:`chosen_policy` takes the most exposure for an allowed loss. The curve is measured on
logged outcomes: a listing that was shown low was clicked less for that alone, so what the
policy brings in bookings of new listings is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from data.ranges import AT_LEAST_0, AT_LEAST_1, Range, refuse_outside
from data.schema.types import BOOKED
from models.arrow_columns import Codes, Numbers, numbers, require_columns, stages
from models.evaluation.validation_metric import validation_value
from models.ranking_order import group_codes, rank_within, spread_within, tie_keys
from models.recommender import Scores

__all__ = [
    "ExposurePolicy",
    "chosen_policy",
    "exposure_curve",
    "with_exposure",
]

Mask = np.ndarray[Any, np.dtype[np.bool_]]

_IS_NEW = "listing_is_new"


@dataclass(frozen=True, kw_only=True)
class ExposurePolicy:
    """How new listings are helped.

    Attributes:
        bonus: added to a new listing's score, in standard deviations of its search's
            scores, times how uncertain it is.
        floor: share of the first ``k`` places that new listings get at least, where the
            search has as many.
        k: the places that count.
    """

    bonus: float = 0.0
    floor: float = 0.0
    k: int = 10

    def __post_init__(self) -> None:
        share = Range(at_least=0, at_most=1)
        refuse_outside(self, {"bonus": AT_LEAST_0, "floor": share, "k": AT_LEAST_1})


def with_exposure(
    rows: pa.Table,
    scores: Scores,
    policy: ExposurePolicy,
    *,
    uncertainty: Numbers | None = None,
    spread: Numbers | None = None,
) -> Scores:
    """Scores under the policy; without a floor they keep the ranker's unit, with one they
    are negative ranks.

    Args:
        rows: need ``id_search``, ``id_listing`` and ``listing_is_new``, where null is not new.
        scores: one per row.
        policy: the bonus and the floor.
        uncertainty: 0 (known) to 1 (unknown) per row, such as 1/√(1 + past impressions);
            1 for every new listing where none is given.
        spread: standard deviation that the bonus counts in, per row; that of ``scores`` within
            their search where none is given.
    """
    require_columns(rows, ("id_search", "id_listing", _IS_NEW), model="the exposure policy")
    is_new = _is_new(rows)
    groups = group_codes(rows["id_search"])
    doubt = np.ones(len(scores)) if uncertainty is None else np.clip(uncertainty, 0.0, 1.0)
    unit = spread_within(rows, scores) if spread is None else spread
    with_bonus = scores + policy.bonus * unit * doubt * is_new
    if not policy.floor:
        return np.asarray(with_bonus)
    ranks = rank_within(groups, with_bonus, tie_keys(rows))
    return -_ranks_with_floor(groups, ranks, is_new, policy).astype(np.float64)


def exposure_curve(
    rows: pa.Table,
    scores: Scores,
    policies: Sequence[ExposurePolicy],
) -> pa.Table:
    """What each policy costs and brings, one row per policy.

    Columns: ``bonus``, ``floor``, ``k``, ``value`` (value DCG at k, the primary metric),
    ``exposure`` (new listings' share of the first k places, a place weighing
    1/log2(rank + 1)), ``bookings`` (booked new listings among the first k), and
    ``value_change``, ``exposure_change``: relative to the order as it was.
    """
    # Of no policy at all, by k.
    without: dict[int, _Effects] = {}
    points: list[dict[str, float]] = []
    for policy in policies:
        if policy.k not in without:
            without[policy.k] = _effects(rows, scores, ExposurePolicy(k=policy.k))
        base, effects = without[policy.k], _effects(rows, scores, policy)
        points.append(
            {
                "bonus": policy.bonus,
                "floor": policy.floor,
                "k": policy.k,
                "value": effects.value,
                "exposure": effects.exposure,
                "bookings": effects.bookings,
                "value_change": _relative_change(effects.value, base.value),
                "exposure_change": _relative_change(effects.exposure, base.exposure),
            }
        )
    return pa.Table.from_pylist(points)


def chosen_policy(curve: pa.Table, *, most_loss: float = 0.001) -> ExposurePolicy:
    """The policy with the most exposure among those that lose at most ``most_loss`` of the value.

    The policy without bonus and floor where each one loses more, or none brings exposure.
    """
    allowed = [point for point in curve.to_pylist() if point["value_change"] >= -most_loss]
    gaining = [point for point in allowed if point["exposure_change"] > 0]
    if not gaining:
        return ExposurePolicy()
    best = max(gaining, key=lambda point: point["exposure"])
    return ExposurePolicy(bonus=best["bonus"], floor=best["floor"], k=best["k"])


def _is_new(rows: pa.Table) -> Mask:
    return np.asarray(np.nan_to_num(numbers(rows, _IS_NEW), nan=0.0) > 0)


@dataclass(frozen=True, kw_only=True)
class _Effects:
    """Value DCG, exposure of new listings, and booked new listings among the first k."""

    value: float
    exposure: float
    bookings: float


def _effects(rows: pa.Table, scores: Scores, policy: ExposurePolicy) -> _Effects:
    new_scores, is_new = with_exposure(rows, scores, policy), _is_new(rows)
    ranks = rank_within(group_codes(rows["id_search"]), new_scores, tie_keys(rows))
    is_top = ranks <= policy.k
    weights = np.where(is_top, 1 / np.log2(ranks + 1), 0.0)
    # Sorted before adding up: the row order must not show in the last bit.
    exposure = np.sort(weights[is_new]).sum() / max(np.sort(weights).sum(), 1e-12)
    return _Effects(
        value=validation_value(rows, new_scores, k=policy.k),
        exposure=float(exposure),
        bookings=float((is_top & is_new & (stages(rows) == BOOKED)).sum()),
    )


def _relative_change(value: float, base: float) -> float:
    return value / base - 1 if base else 0.0


def _ranks_with_floor(groups: Codes, ranks: Codes, is_new: Mask, policy: ExposurePolicy) -> Codes:
    """Ranks after the best new listings below the first k took the places they are owed.

    They take the last places of the first k, in the place of the worst known listings.
    """
    if not len(groups):
        return ranks
    is_top, sizes = ranks <= policy.k, np.bincount(groups)
    owed = np.floor(policy.floor * np.minimum(sizes, policy.k)).astype(np.int64)
    have = np.bincount(groups, is_top & is_new).astype(np.int64)
    below = np.bincount(groups, ~is_top & is_new).astype(np.int64)
    moves = np.clip(owed - have, 0, below)
    rises = _first_of(groups, ranks, ~is_top & is_new, moves)
    falls = _first_of(groups, -ranks, is_top & ~is_new, moves)
    # Those that rise get a key in (k, k + 1/4), just inside the first k; those that fall one in
    # (k + 1/2, k + 3/4), just outside; among themselves both keep their order. All others
    # keep their rank as key, so a gap left above k closes up.
    step = ranks / (ranks.max() + 1.0) / 4
    key = np.where(rises, policy.k + step, np.where(falls, policy.k + 0.5 + step, ranks))
    return rank_within(groups, -key, ranks.astype(np.float64))


def _first_of(groups: Codes, order: Codes, is_candidate: Mask, count: Codes) -> Mask:
    """The ``count[group]`` candidates of each group that are lowest in ``order``."""
    at = np.flatnonzero(is_candidate)
    place = rank_within(groups[at], -order[at].astype(np.float64), order[at])
    is_picked = np.zeros(len(groups), dtype=bool)
    is_picked[at[place <= count[groups[at]]]] = True
    return is_picked
