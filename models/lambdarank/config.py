"""How lambdarank learns: the settings of :class:`models.lambdarank.LambdaRank`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from data.ranges import ABOVE_0, AT_LEAST_0, AT_LEAST_1, SHARE, Range, refuse_outside
from models.stage_utilities import UTILITIES, Utilities, check_utilities

__all__ = ["LambdaRankConfig"]

_CHOICES = {
    "objective": ("lambdarank", "rank_xendcg"),
    "boosting": ("gbdt", "dart"),
    "labels": ("stage", "journey"),
    "debiasing": ("none", "position", "ips"),
    "search_weights": ("utility", "equal"),
}
_RANGES = {
    "learning_rate": ABOVE_0,
    **dict.fromkeys(("min_rows_per_leaf", "max_rounds", "patience", "k", "bags"), AT_LEAST_1),
    **dict.fromkeys(("threads", "rounds_without_validation", "most_weight"), AT_LEAST_1),
    **dict.fromkeys(("feature_share", "row_share"), SHARE),
    **dict.fromkeys(("lambda_l2", "seed"), AT_LEAST_0),
    "num_leaves": Range(at_least=2),
}
# What each debiasing needs of how the results were shown, in training alone.
_DEBIASING_COLUMNS = {
    "none": (),
    "position": ("position",),
    "ips": ("position", "is_random_order"),
}


@dataclass(frozen=True, kw_only=True)
class LambdaRankConfig:
    """How it learns.

    Attributes:
        objective, boosting: LightGBM's names.
        learning_rate, num_leaves, min_rows_per_leaf, lambda_l2: size and caution of a tree.
        feature_share, row_share: drawn anew for each tree.
        max_rounds, patience: trees at most, and without improvement before stopping
            (DART cannot stop early and trains ``max_rounds``).
        rounds_without_validation: trees where no validation search has an action.
        refits: fit again on training and validation rows, with as many trees as early
            stopping chose. The scores of validation rows are then those of rows learnt from.
        extra_trees: thresholds drawn at random (Geurts et al. 2006): calmer on few bookings.
        utilities: gain of each stage, impressed to booked; by default those of
            ``models.stage_utilities``.
        labels: ``stage`` is what came of the impression itself; ``journey`` what the guest
            did with this listing in this search or a later one (Tan et al., KDD 2023), from
            the column ``journey_stage``.
        debiasing: ``position`` lets lambdarank learn how much a place adds by itself (needs
            the column ``position``); ``ips`` weighs a search by the inverse chance that its
            best result was examined, learnt on the searches in random order (needs
            ``is_random_order`` as well). Neither column is read when scoring.
        most_weight: bound on that inverse chance.
        search_weights: ``utility``: a search weighs what its furthest stage is worth, so
            that the many searches with a click alone, which follow the shown order, do not
            outvote the few that led to a booking; ``equal``: all the same.
        k: of the NDCG that stops the training.
        truncation: lambdarank looks at pairs with one row this high; slightly above ``k``.
        bags: boosters trained with different seeds and averaged.
        seed, threads: the scores depend on the seed, never on the threads.
    """

    objective: Literal["lambdarank", "rank_xendcg"] = "lambdarank"
    boosting: Literal["gbdt", "dart"] = "gbdt"
    learning_rate: float = 0.1
    num_leaves: int = 7
    min_rows_per_leaf: int = 300
    lambda_l2: float = 20.0
    feature_share: float = 0.5
    row_share: float = 0.8
    extra_trees: bool = True
    max_rounds: int = 600
    patience: int = 50
    rounds_without_validation: int = 100
    refits: bool = True
    utilities: Utilities = UTILITIES
    labels: Literal["stage", "journey"] = "stage"
    debiasing: Literal["none", "position", "ips"] = "none"
    most_weight: float = 10.0
    search_weights: Literal["utility", "equal"] = "utility"
    k: int = 10
    truncation: int = 13
    bags: int = 1
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        check_utilities(self.utilities)
        wrong = [
            (name, f"must be one of {', '.join(words)}")
            for name, words in _CHOICES.items()
            if getattr(self, name) not in words
        ]
        if self.truncation < self.k:
            wrong.append(("truncation", f"must be at least k, which is {self.k}"))
        if self.debiasing == "position" and self.objective != "lambdarank":
            wrong.append(("debiasing", "goes with the objective lambdarank alone"))
        refuse_outside(self, _RANGES, wrong)

    @property
    def label(self) -> str:
        """The column that is learnt from."""
        return "journey_stage" if self.labels == "journey" else "stage"

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that training needs besides the features."""
        return (
            *dict.fromkeys(("id_search", "id_listing", "stage", self.label)),
            *self.order_shown,
        )

    @property
    def order_shown(self) -> tuple[str, ...]:
        """What it learns from of the order in which results were shown."""
        return _DEBIASING_COLUMNS[self.debiasing]

    def parameters(self, *, bag: int = 0) -> dict[str, Any]:
        """LightGBM's parameters of one bag."""
        return {
            "objective": self.objective,
            "boosting": self.boosting,
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "min_data_in_leaf": self.min_rows_per_leaf,
            "lambda_l2": self.lambda_l2,
            "extra_trees": self.extra_trees,
            "feature_fraction": self.feature_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": 1 if self.row_share < 1 else 0,
            "metric": "ndcg",
            "eval_at": [self.k],
            # A click gains 1, a booking 100; the scale cancels in NDCG.
            "label_gain": [100.0 * utility for utility in self.utilities],
            "lambdarank_truncation_level": self.truncation,
            "seed": self.seed + 1000 * bag,
            "num_threads": self.threads,
            # "deterministic" alone does not suffice: how histograms are built must be fixed too.
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
