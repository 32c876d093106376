"""The ranker: LightGBM lambdarank over the features, groups being searches.

A row is one listing for one search. The label is the furthest stage, its gain the utility
of that stage (``label_gain``), and early stopping goes by NDCG@k on the validation window.
Where a listing stood in the results is never an input.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from data.feature_set import FeatureSet
from models.columns import Numbers, need
from models.judging import UTILITIES, Utilities, checked_utilities
from models.model_files import config_of, read_json, write_json
from models.recommender import Scores
from models.trees.boosting import Booster, Labelled, load_booster, train_booster
from models.trees.matrix import FeatureMatrix
from models.trees.searches import RankedSearches, SearchCount, searches_to_learn_from

__all__ = ["Contributions", "Ranker", "RankerConfig"]

Contributions = np.ndarray[Any, np.dtype[np.float64]]

_FILE = "ranker.json"
_NEEDS = ("id_search", "id_listing", "stage")


@dataclass(frozen=True, kw_only=True)
class RankerConfig:
    """How the ranker learns.

    Attributes:
        objective, boosting: LightGBM's names.
        learning_rate, num_leaves, min_rows_per_leaf, lambda_l2: size and caution of a tree.
        feature_share, row_share: drawn anew for each tree.
        max_rounds, patience: trees at most, and without improvement before stopping
            (DART cannot stop early and trains ``max_rounds``).
        rounds_without_validation: trees where no validation search has an action.
        extra_trees: thresholds drawn at random (Geurts et al. 2006): calmer on few bookings.
        utilities: gain of each stage, impressed to booked.
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
    utilities: Utilities = UTILITIES
    search_weights: Literal["utility", "equal"] = "utility"
    k: int = 10
    truncation: int = 13
    bags: int = 1
    seed: int = 1
    threads: int = 2

    def __post_init__(self) -> None:
        checked_utilities(self.utilities)
        positive = ("learning_rate", "min_rows_per_leaf", "max_rounds", "patience", "k", "bags")
        wrong = [name for name in (*positive, "threads") if getattr(self, name) <= 0]
        shares = ("feature_share", "row_share")
        wrong += [name for name in shares if not 0 < getattr(self, name) <= 1]
        wrong += [name for name in ("lambda_l2", "seed") if getattr(self, name) < 0]
        wrong += [] if self.num_leaves >= 2 else ["num_leaves"]
        wrong += [] if self.rounds_without_validation > 0 else ["rounds_without_validation"]
        wrong += [] if self.truncation >= self.k else ["truncation (below k)"]
        if self.objective not in ("lambdarank", "rank_xendcg"):
            wrong.append("objective")
        if self.boosting not in ("gbdt", "dart"):
            wrong.append("boosting")
        if self.search_weights not in ("utility", "equal"):
            wrong.append("search_weights")
        if wrong:
            raise ValueError(f"RankerConfig out of range: {', '.join(wrong)}")

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
            "label_gain": [100.0 * utility for utility in self.utilities],
            "lambdarank_truncation_level": self.truncation,
            "seed": self.seed + 1000 * bag,
            "num_threads": self.threads,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }


class Ranker:
    """LightGBM lambdarank behind the recommender protocol.

    After ``fit``: ``counts`` (searches used and left out, of train and valid), ``rounds``
    (trees of each bag) and ``valid_ndcg`` (of each bag; null without validation).
    """

    name: str = "ranker"

    def __init__(self, features: FeatureSet, config: RankerConfig | None = None) -> None:
        self.config = config or RankerConfig()
        self.matrix = FeatureMatrix(features)
        self.boosters: tuple[Booster, ...] = ()
        self.counts: dict[str, SearchCount] = {}
        self.rounds: tuple[int, ...] = ()
        self.valid_ndcg: tuple[float | None, ...] = ()

    @property
    def features(self) -> FeatureSet:
        return self.matrix.features

    def fit(
        self,
        train: pa.Table,
        valid: pa.Table,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Train on the searches of ``train`` with an action, stop early on those of ``valid``.

        Raises ``ValueError`` when no search of ``train`` has an action, or when a column
        of the feature set, or an identity or outcome column, is absent.
        """
        for rows in (train, valid):
            need(rows, (*_NEEDS, *self.features.names), model=self.name)
        learnt, held_out = searches_to_learn_from(train), searches_to_learn_from(valid)
        if not learnt.count.searches:
            raise ValueError("no search of the training window has a click, contact or booking")
        self.counts = {"train": learnt.count, "valid": held_out.count}
        self.matrix.fit(learnt.rows)
        training = self._labelled(learnt)
        validation = self._labelled(held_out) if held_out.count.searches else None
        self.boosters = tuple(
            self._train(training, validation, bag, progress) for bag in range(self.config.bags)
        )
        self.rounds = tuple(b.best_iteration or b.num_trees() for b in self.boosters)
        self.valid_ndcg = tuple(_best_ndcg(b, self.config.k) for b in self.boosters)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The mean raw score of the bags; only differences within a search have a meaning."""
        self._need_fitted()
        matrix = self.matrix.of(rows, model=self.name)
        if not rows.num_rows:
            return np.zeros(0)
        first, *others = (self._predict(booster, matrix) for booster in self.boosters)
        return sum(others, first) / len(self.boosters) if others else first

    def save(self, folder: Path) -> None:
        """Write the boosters as LightGBM text, everything else as JSON."""
        self._need_fitted()
        learnt = {
            "vocabulary": self.matrix.vocabulary,
            "rounds": self.rounds,
            "valid_ndcg": self.valid_ndcg,
            "counts": {name: asdict(count) for name, count in self.counts.items()},
        }
        write_json(
            folder / _FILE, {"model": self.name, "config": asdict(self.config), "learnt": learnt}
        )
        self.features.save(folder / "features.json")
        for bag, booster in enumerate(self.boosters):
            (folder / f"booster_{bag}.txt").write_text(booster.model_to_string())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / _FILE, model=cls.name)
        model = cls(FeatureSet.load(folder / "features.json"), RankerConfig(**config_of(saved)))
        learnt = saved["learnt"]
        model.matrix.vocabulary = {k: tuple(v) for k, v in learnt["vocabulary"].items()}
        model.rounds, model.valid_ndcg = tuple(learnt["rounds"]), tuple(learnt["valid_ndcg"])
        model.counts = {name: SearchCount(**count) for name, count in learnt["counts"].items()}
        bags = range(model.config.bags)
        model.boosters = tuple(load_booster(folder / f"booster_{bag}.txt") for bag in bags)
        return model

    def importance(self) -> pa.Table:
        """Total gain of each feature's splits as a share of all, best first (feature, share)."""
        self._need_fitted()
        gains = np.sum([b.feature_importance("gain") for b in self.boosters], axis=0)
        shares = gains / max(float(gains.sum()), 1e-300)
        order = np.argsort(-shares, kind="stable")
        names = np.asarray(self.features.names, dtype=object)[order]
        return pa.table({"feature": pa.array(names, pa.string()), "share": shares[order]})

    def contributions(self, rows: pa.Table) -> Contributions:
        """SHAP value of each feature for each row, mean of the bags; shape ``(rows, features)``.

        Without the expected score, which is the same for every row.
        """
        self._need_fitted()
        if not rows.num_rows:
            return np.zeros((0, len(self.features)))
        matrix = self.matrix.of(rows, model=self.name)
        of_bags = [
            np.asarray(b.predict(matrix, pred_contrib=True, num_threads=self.config.threads))
            for b in self.boosters
        ]
        return np.asarray(np.mean(of_bags, axis=0)[:, :-1], dtype=np.float64)

    def _labelled(self, searches: RankedSearches) -> Labelled:
        return Labelled(
            matrix=self.matrix.of(searches.rows, model=self.name),
            labels=searches.stages,
            groups=searches.groups,
            categories=self.features.categories,
            weights=self._weights(searches),
        )

    def _weights(self, searches: RankedSearches) -> Numbers | None:
        """The weight of each row's search, 1 on average over the searches."""
        if self.config.search_weights == "equal":
            return None
        starts = np.cumsum(searches.groups) - searches.groups
        furthest = np.maximum.reduceat(searches.stages, starts)
        worth = np.asarray(self.config.utilities, dtype=np.float64)[furthest]
        return np.repeat(worth / worth.mean(), searches.groups)

    def _train(
        self,
        training: Labelled,
        validation: Labelled | None,
        bag: int,
        progress: Callable[[int, int], None] | None,
    ) -> Booster:
        config = self.config
        return train_booster(
            config.parameters(bag=bag),
            training,
            validation,
            rounds=config.max_rounds if validation else config.rounds_without_validation,
            patience=config.patience,
            after_round=progress,
        )

    def _predict(self, booster: Booster, matrix: pa.Table) -> Scores:
        scores = booster.predict(matrix, num_threads=self.config.threads)
        return np.asarray(scores, dtype=np.float64)

    def _need_fitted(self) -> None:
        if not self.boosters:
            raise ValueError("the ranker has not been fitted or loaded")


def _best_ndcg(booster: Booster, k: int) -> float | None:
    found = booster.best_score.get("valid", {}).get(f"ndcg@{k}")
    return None if found is None else float(found)
