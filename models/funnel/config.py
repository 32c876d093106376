"""How each stage of :class:`models.funnel.funnel_model.FunnelModel` learns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["FunnelConfig"]


@dataclass(frozen=True, kw_only=True)
class FunnelConfig:
    """How each stage's booster learns.

    Attributes:
        learning_rate, num_leaves, min_rows_per_leaf, lambda_l2, feature_share: of a tree.
        max_rounds, patience: trees at most, and without improvement before stopping.
        fewest_outcomes: of each kind, below which a stage is its mean rate alone.
        later_stages: what learns the contact and book stages, whose outcomes are few: ``linear``
            a ridge logistic regression that starts from the log-odds of a click
            (``models.linear.ridge_logistic``), ``trees`` a booster.
        penalty: the ridge penalty of ``linear``: a feature's coefficient, per standard
            deviation of the feature, is expected to be about 1/√penalty.
        mechanics_penalty: the same of :mod:`models.linear.booking_mechanics`, which decide what
            becomes of a click and are few.
        in_search: ``apart`` learns what a click owes to the other results of its search in
            trees of their own and leaves it out of the score: it carries the order in which the
            results were shown, and a listing that was never shown has no such results.
            ``kept`` treats these features as any other.
        unclicked_share: of the impressions without a click that the click stage learns from;
            clicks are few, and calibration corrects the level.
        order_by: ``bookings`` scores a row by P(book), ``value`` by P(book) times the price
            of the stay: the expected booking value, for analysts.
        debiasing: ``position`` learns clicks given that a result was looked at: how much
            each place is looked at comes from the searches in random order (needs
            ``position`` and ``is_random_order`` when training, never when scoring).
        corrects_maturity: whether outcomes still to come are counted in
            (``models.lightgbm_core.label_completeness``).
        mature_share: the contact and book stages learn from the days of whose final outcomes
            this share is known by now: direct bookings are known sooner than those after a
            contact, and immature days would teach that they are likelier. All days where
            that leaves less than half of the outcomes.
        seed, threads: the scores depend on the seed, never on the threads.
    """

    learning_rate: float = 0.1
    num_leaves: int = 15
    min_rows_per_leaf: int = 400
    lambda_l2: float = 20.0
    feature_share: float = 0.3
    max_rounds: int = 200
    patience: int = 30
    fewest_outcomes: int = 10
    later_stages: Literal["linear", "trees"] = "linear"
    penalty: float = 1000.0
    mechanics_penalty: float = 3.0
    in_search: Literal["apart", "kept"] = "apart"
    unclicked_share: float = 0.2
    order_by: Literal["bookings", "value"] = "bookings"
    debiasing: Literal["none", "position"] = "none"
    corrects_maturity: bool = True
    mature_share: float = 0.7
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        numeric = {n: v for n, v in asdict(self).items() if not isinstance(v, str)}
        wrong = [name for name, value in numeric.items() if value < 0]
        wrong += [] if self.order_by in ("bookings", "value") else ["order_by"]
        wrong += [] if self.debiasing in ("none", "position") else ["debiasing"]
        wrong += [] if self.in_search in ("apart", "kept") else ["in_search"]
        wrong += [] if self.later_stages in ("linear", "trees") else ["later_stages"]
        positive = (
            "learning_rate",
            "penalty",
            "mechanics_penalty",
            "min_rows_per_leaf",
            "max_rounds",
            "patience",
            "threads",
        )
        wrong += [name for name in positive if getattr(self, name) == 0]
        wrong += [] if self.num_leaves >= 2 else ["num_leaves"]
        shares = ("feature_share", "unclicked_share", "mature_share")
        wrong += [name for name in shares if not 0 < getattr(self, name) <= 1]
        if wrong:
            raise ValueError(f"FunnelConfig out of range: {', '.join(wrong)}")

    def parameters(self) -> dict[str, Any]:
        """LightGBM's parameters."""
        return {
            "objective": "binary",
            "boosting": "gbdt",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_share,
            "seed": self.seed,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
