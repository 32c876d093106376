"""What is done to an order after the ranker: exposure of new listings, then diversity.

Two separate steps, each a function of rows and scores that returns new scores; neither
changes what the ranker learnt. A new listing (``listing_is_new``) has no history to speak
for it; the exposure policy lends it a bonus in proportion to how little is known, and can
keep a floor of places among the first k. :func:`exposure_curve` says what each policy
costs and brings on a log, :func:`chosen_policy` takes the most exposure for an allowed loss.

The curve is measured on logged outcomes: a listing that was shown low was clicked less for
that alone, so what the policy brings in bookings of new listings is a lower bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from models.arrow_columns import Codes, Numbers, need, numbers, stages
from models.evaluation.validation_metric import UTILITIES, Utilities, validation_ndcg
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores

__all__ = [
    "ExposurePolicy",
    "chosen_policy",
    "exposure_curve",
    "spread_within",
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
        if self.bonus < 0 or not 0 <= self.floor <= 1 or self.k < 1:
            raise ValueError(f"ExposurePolicy out of range: {self}")


def with_exposure(
    rows: pa.Table, scores: Scores, policy: ExposurePolicy, *, uncertainty: Numbers | None = None
) -> Scores:
    """Scores under the policy; without a floor they keep the ranker's unit, with one they
    are negative ranks.

    Args:
        rows: need ``id_search``, ``id_listing`` and ``listing_is_new``, where null is not new.
        scores: one per row.
        policy: the bonus and the floor.
        uncertainty: 0 (known) to 1 (unknown) per row, such as 1/√(1 + past impressions);
            1 for every new listing where none is given.
    """
    need(rows, ("id_search", "id_listing", _IS_NEW), model="the exposure policy")
    is_new = _is_new(rows)
    groups = group_codes(rows["id_search"])
    doubt = np.ones(len(scores)) if uncertainty is None else np.clip(uncertainty, 0.0, 1.0)
    helped = scores + policy.bonus * spread_within(rows, scores) * doubt * is_new
    if not policy.floor:
        return np.asarray(helped)
    ranks = rank_within(groups, helped, tie_keys(rows))
    return -_lifted(groups, ranks, is_new, policy).astype(np.float64)


def spread_within(rows: pa.Table, scores: Scores) -> Numbers:
    """Standard deviation of the scores of each row's search; shape ``(rows,)``."""
    groups = group_codes(rows["id_search"])
    if not len(groups):
        return np.zeros(0)
    # Added up in the order of the scores: the row order must not show in the last bit.
    order = np.lexsort((scores, groups))
    ordered, values = groups[order], scores[order]
    sizes = np.bincount(ordered)
    away = values - (np.bincount(ordered, values) / sizes)[ordered]
    return np.asarray(np.sqrt(np.bincount(ordered, away**2) / sizes)[groups])


def exposure_curve(
    rows: pa.Table,
    scores: Scores,
    policies: Sequence[ExposurePolicy],
    *,
    utilities: Utilities = UTILITIES,
) -> pa.Table:
    """What each policy costs and brings, one row per policy.

    Columns: ``bonus``, ``floor``, ``k``, ``ndcg`` (of the utilities, at k), ``exposure``
    (new listings' share of the first k places, a place weighing 1/log2(rank + 1)),
    ``bookings`` (booked new listings among the first k), and ``ndcg_change``,
    ``exposure_change``: relative to the order as it was.
    """
    before: dict[int, tuple[float, float, float]] = {}
    found: list[dict[str, float]] = []
    for policy in policies:
        if policy.k not in before:
            before[policy.k] = _effects(rows, scores, ExposurePolicy(k=policy.k), utilities)
        base_ndcg, base_exposure, _ = before[policy.k]
        ndcg, exposure, bookings = _effects(rows, scores, policy, utilities)
        found.append(
            {
                "bonus": policy.bonus,
                "floor": policy.floor,
                "k": policy.k,
                "ndcg": ndcg,
                "exposure": exposure,
                "bookings": bookings,
                "ndcg_change": ndcg / base_ndcg - 1 if base_ndcg else 0.0,
                "exposure_change": exposure / base_exposure - 1 if base_exposure else 0.0,
            }
        )
    return pa.Table.from_pylist(found)


def chosen_policy(curve: pa.Table, *, most_loss: float = 0.003) -> ExposurePolicy:
    """The policy with the most exposure among those that lose at most ``most_loss`` NDCG.

    No policy at all where each one loses more, or none brings exposure.
    """
    allowed = [p for p in curve.to_pylist() if p["ndcg_change"] >= -most_loss]
    gaining = [p for p in allowed if p["exposure_change"] > 0]
    if not gaining:
        return ExposurePolicy()
    best = max(gaining, key=lambda p: p["exposure"])
    return ExposurePolicy(bonus=best["bonus"], floor=best["floor"], k=best["k"])


def _is_new(rows: pa.Table) -> Mask:
    return np.asarray(np.nan_to_num(numbers(rows, _IS_NEW), nan=0.0) > 0)


def _effects(
    rows: pa.Table, scores: Scores, policy: ExposurePolicy, utilities: Utilities
) -> tuple[float, float, float]:
    """NDCG, exposure of new listings, and booked new listings among the first k."""
    helped, is_new = with_exposure(rows, scores, policy), _is_new(rows)
    ranks = rank_within(group_codes(rows["id_search"]), helped, tie_keys(rows))
    is_top = ranks <= policy.k
    weights = np.where(is_top, 1 / np.log2(ranks + 1), 0.0)
    shares = np.sort(weights[is_new]).sum() / max(np.sort(weights).sum(), 1e-12)
    booked = float((is_top & is_new & (stages(rows) == 3)).sum())
    return validation_ndcg(rows, helped, utilities=utilities, k=policy.k), float(shares), booked


def _lifted(groups: Codes, ranks: Codes, is_new: Mask, policy: ExposurePolicy) -> Codes:
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
    # Just inside and just outside the first k, in their own order.
    step = ranks / (ranks.max() + 1.0) / 4
    key = np.where(rises, policy.k + step, np.where(falls, policy.k + 0.5 + step, ranks))
    return rank_within(groups, -key, ranks.astype(np.float64))


def _first_of(groups: Codes, order: Codes, chosen: Mask, count: Codes) -> Mask:
    """The ``count[group]`` rows of each group that are chosen and lowest in ``order``."""
    at = np.flatnonzero(chosen)
    place = rank_within(groups[at], -order[at].astype(np.float64), order[at])
    picked = np.zeros(len(groups), dtype=bool)
    picked[at[place <= count[groups[at]]]] = True
    return picked
