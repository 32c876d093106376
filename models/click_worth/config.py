"""The settings of the judge."""

from __future__ import annotations

from dataclasses import dataclass, fields

from data.ranges import AT_LEAST_0, SHARE, Range, refuse_outside

__all__ = ["ClickWorthConfig"]


@dataclass(frozen=True, kw_only=True)
class ClickWorthConfig:
    """How the worth of a click is learnt.

    Attributes:
        folds: of guests; a click is valued by a model of the other folds' guests.
        outcome_share: of a click's worth that is its own outcome, booked or not; the rest is the
            chance of it. More of it makes fewer false verdicts, and fewer verdicts.
        fewest_outcomes: bookings after a click (else contacts) below which no chance of one is
            learnt from the clicks.
        penalty, mechanics_penalty: of the ridge regression of bookings on clicks, as in
            :class:`models.funnel.config.FunnelConfig`.
        least_examination: a result is never taken to be looked at less often than this share of
            the best place, so that no single click decides a comparison.
        full_examination: share of the results that are looked at less than fully.
        learning_rate, num_leaves, min_rows_per_leaf, lambda_l2, feature_share, rounds,
            unclicked_share: of the trees that learn what a click owes to the other results.
        seed, threads: the worth depends on the seed, never on the threads.
    """

    folds: int = 5
    outcome_share: float = 0.1
    fewest_outcomes: int = 50
    penalty: float = 1_000.0
    mechanics_penalty: float = 3.0
    least_examination: float = 0.05
    full_examination: float = 0.98
    learning_rate: float = 0.2
    num_leaves: int = 7
    min_rows_per_leaf: int = 100
    lambda_l2: float = 20.0
    feature_share: float = 0.3
    rounds: int = 100
    unclicked_share: float = 0.2
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        shares = ("least_examination", "full_examination", "feature_share", "unclicked_share")
        others = {"folds": Range(at_least=2), "outcome_share": Range(at_least=0, at_most=1)}
        least = dict.fromkeys((field.name for field in fields(self)), AT_LEAST_0)
        refuse_outside(self, {**least, **dict.fromkeys(shares, SHARE), **others})
