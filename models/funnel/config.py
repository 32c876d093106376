"""How :class:`models.funnel.funnel_model.FunnelModel` learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from data.ranges import ABOVE_0, AT_LEAST_0, AT_LEAST_1, SHARE, Range, refuse_outside

__all__ = ["FunnelConfig"]

_CHOICES = {
    "order_by": ("bookings", "value"),
    "debiasing": ("auto", "none", "position"),
    "in_search": ("evidence", "apart", "kept"),
}
_RANGES = {
    **dict.fromkeys(("learning_rate", "mechanics_penalty"), ABOVE_0),
    **dict.fromkeys(("click_penalties", "later_penalties"), ABOVE_0),
    **dict.fromkeys(("lambda_l2", "linear_clicks", "seed", "fewest_random_clicks"), AT_LEAST_0),
    **dict.fromkeys(("min_rows_per_leaf", "bags", "max_rounds", "patience"), AT_LEAST_1),
    **dict.fromkeys(("linear_rows", "fewest_outcomes", "fewest_unclicked", "threads"), AT_LEAST_1),
    **dict.fromkeys(("num_leaves", "folds"), Range(at_least=2)),
    **dict.fromkeys(("leaf_share", "feature_share", "unclicked_share", "mature_share"), SHARE),
    "impersonal_share": Range(at_least=0, at_most=1),
}


@dataclass(frozen=True, kw_only=True)
class FunnelConfig:
    """How each stage learns.

    Attributes:
        learning_rate, num_leaves, min_rows_per_leaf, lambda_l2, feature_share: of a tree of
            the click stage; ``min_rows_per_leaf`` is at most ``leaf_share`` of the rows.
        leaf_share: see there: a small log needs smaller leaves.
        extra_trees: thresholds drawn at random (Geurts et al. 2006).
        bags: boosters with seeds of their own, whose log-odds are averaged.
        impersonal_share: weight in this mean of a booster without the guest's history; 0: none.
        max_rounds, patience: trees at most, and without improvement before stopping.
        refits: fit the click stage again on training and validation rows, as many trees.
        linear_clicks: with at most so many clicks to learn from the click trees start from a
            ridge logistic regression: a small log carries a line better than leaves.
        linear_rows: rows that this regression learns from, all clicked ones among them; at least
            as many others.
        fewest_outcomes: of each kind, below which a stage is its mean rate alone.
        click_penalties, later_penalties: ridge penalties among which cross-validation over
            guests chooses (:mod:`models.linear.cross_validation`), of the regression of clicks
            and of those of the stages after a click.
        mechanics_penalty: of :mod:`models.linear.booking_mechanics`, which decide what becomes of
            a click and are few.
        folds: of the cross-validation.
        in_search: what a click owes to the other results of its search is learnt apart, since
            it carries the order in which they were shown. ``apart`` leaves it out of the score,
            ``kept`` learns and scores all together, ``evidence`` scores it where the log shows
            that it is appeal (:mod:`models.funnel.in_search_evidence`).
        fewest_random_clicks: in searches of random order, below which they show nothing.
        unclicked_share: of the impressions without a click that the click stage learns from,
            in a log of more than ``fewest_unclicked`` of them; calibration corrects the level.
        fewest_unclicked: see there.
        order_by: ``bookings`` scores a row by P(book), ``value`` by P(book) times the price
            of the stay: the expected booking value, for analysts.
        debiasing: ``position`` learns clicks given that a result was looked at: how much
            each place is looked at comes from the searches in random order (needs
            ``position`` and ``is_random_order`` when training, never when scoring); ``auto``
            does so where the log has both, and clicks in random order.
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
    leaf_share: float = 0.02
    lambda_l2: float = 20.0
    feature_share: float = 0.3
    extra_trees: bool = False
    bags: int = 1
    impersonal_share: float = 0.25
    max_rounds: int = 300
    patience: int = 30
    refits: bool = True
    linear_clicks: int = 10_000
    linear_rows: int = 6_000
    fewest_outcomes: int = 10
    click_penalties: tuple[float, ...] = (10.0, 30.0, 100.0, 300.0, 1_000.0)
    later_penalties: tuple[float, ...] = (30.0, 300.0, 3_000.0, 30_000.0)
    mechanics_penalty: float = 3.0
    folds: int = 5
    in_search: Literal["evidence", "apart", "kept"] = "evidence"
    fewest_random_clicks: int = 50
    unclicked_share: float = 0.2
    fewest_unclicked: int = 100_000
    order_by: Literal["bookings", "value"] = "bookings"
    debiasing: Literal["auto", "none", "position"] = "auto"
    corrects_maturity: bool = True
    mature_share: float = 0.7
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        wrong = [
            (name, f"must be one of {', '.join(known)}")
            for name, known in _CHOICES.items()
            if getattr(self, name) not in known
        ]
        refuse_outside(self, _RANGES, wrong)

    def parameters(self, *, rows: int, bag: int = 0) -> dict[str, Any]:
        """LightGBM's parameters for so many rows; ``bag`` counts from 0."""
        return {
            "objective": "binary",
            "boosting": "gbdt",
            "metric": "binary_logloss",
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": max(1, min(self.min_rows_per_leaf, int(rows * self.leaf_share))),
            "lambda_l2": self.lambda_l2,
            "feature_fraction": self.feature_share,
            "extra_trees": self.extra_trees,
            "seed": self.seed + 1000 * bag,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
