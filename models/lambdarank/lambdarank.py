"""LightGBM lambdarank over the features, groups being searches.

A row is one listing for one search. The label is the furthest stage, its gain the utility
of that stage (``label_gain``), and training stops by NDCG@k on the validation window. Where
a listing stood in the results is never an input. From rows to trees:

    rows of a window        whole searches, labels as known on the training day
    searches_to_learn_from  those with a click or more, rows in an order of the ids' own
    FeatureMatrix           the features as numbers, categories as codes
    _weights                what a search counts: the utility of its furthest stage
    trainer                 one booster per bag, each with its own seed

The training window teaches, the validation window says after how many trees to stop. Then
the ranker is fitted again on both windows with so many trees (``refits``): the last day
before the searches to come is the one most like them. Nothing is judged by validation
after that. ``curves`` and ``valid_ndcg`` are those of the first fit, which did not see it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Codes, Numbers, numbers, require_columns
from models.explanations.lift import Contributions
from models.lambdarank.config import LambdaRankConfig
from models.lightgbm_core.boosting import (
    CURVE_DIGITS,
    Booster,
    LabelledRows,
    RoundLimits,
    TrainedBooster,
    Trainer,
    load_booster,
    train_booster,
)
from models.lightgbm_core.feature_matrix import FeatureMatrix
from models.lightgbm_core.position_bias import (
    EXAMINATION_COLUMNS,
    estimate_examination,
    inverse_examination,
)
from models.lightgbm_core.search_groups import RankedSearches, SearchCount, searches_to_learn_from
from models.recommender import Scores
from models.row_source import Rows, one_after_the_other, read
from models.serialization import config_of, read_json, write_json

__all__ = ["LambdaRank", "LambdaRankConfig"]


_FILE = "lambdarank.json"
# As an earlier version saved it, when this was the model that recommended.
_EARLIER_FILE, _EARLIER_NAME = "ranker.json", "ranker"
_Progress = Callable[[int, int], None]


class LambdaRank:
    """LightGBM lambdarank behind the recommender protocol.

    ``trainer`` makes the boosters: here, or on a cluster (``models.lightgbm_core.dask_trainer``).
    After ``fit``: ``counts`` (searches used and left out, of ``train``, ``valid`` and, where
    the ranker was fitted again, both as ``refit``), ``rounds`` (trees of each bag), ``curves``
    (each metric on validation, round by round, of each bag) and ``valid_ndcg`` (of each bag;
    ``None`` without validation), these two of the first fit.
    """

    name: str = "lambdarank"

    def __init__(
        self,
        features: FeatureSet,
        config: LambdaRankConfig | None = None,
        *,
        trainer: Trainer = train_booster,
    ) -> None:
        self.config = config or LambdaRankConfig()
        self.trainer = trainer
        self.matrix = FeatureMatrix(features)
        self.boosters: tuple[Booster, ...] = ()
        self.counts: dict[str, SearchCount] = {}
        self.rounds: tuple[int, ...] = ()
        self.curves: tuple[dict[str, list[float]], ...] = ()
        self.valid_ndcg: tuple[float | None, ...] = ()

    @property
    def features(self) -> FeatureSet:
        return self.matrix.features

    def fit(
        self,
        train: Rows,
        valid: Rows,
        *,
        progress: _Progress | None = None,
    ) -> Self:
        """Train on the searches of ``train`` with an action, stop early on those of ``valid``.

        Of the other searches the features are not read.

        With the setting ``refits`` train again on both, as many trees as the first time.
        Raises ``ValueError`` when no search of ``train`` has an action, or when a column
        of the feature set, or an identity or outcome column, is absent.
        """
        for rows in (train, valid):
            require_columns(rows, (*self.config.needs, *self.features.names), model=self.name)
        self._fit_and_stop(train, valid, progress)
        if self.config.refits and self.counts["valid"].searches:
            self._fit_again(train, valid, progress)
        return self

    def _fit_and_stop(self, train: Rows, valid: Rows, progress: _Progress | None) -> None:
        """Learn from ``train``; ``valid`` says after how many trees each bag stops."""
        held_out = self._searches(valid)
        learnt, training, examination = self._training_rows(train)
        self.counts = {"train": learnt, "valid": held_out.count}
        validation = self._labelled(held_out, examination) if held_out.count.searches else None
        config = self.config
        most = config.max_rounds if validation else config.rounds_without_validation
        bags = range(config.bags)
        trained = [self._train(training, validation, bag, most, progress) for bag in bags]
        self.boosters = tuple(bag.booster for bag in trained)
        self.curves = tuple(bag.curves for bag in trained)
        self.rounds = tuple(b.best_iteration or b.num_trees() for b in self.boosters)
        self.valid_ndcg = tuple(_best_ndcg(b, config.k) for b in self.boosters)

    def _fit_again(self, train: Rows, valid: Rows, progress: _Progress | None) -> None:
        """Learn from both windows, each bag as many trees as it had when it stopped."""
        learnt, training, _ = self._training_rows(one_after_the_other(train, valid))
        self.counts["refit"] = learnt
        trained = [
            self._train(training, None, bag, trees, progress)
            for bag, trees in enumerate(self.rounds)
        ]
        self.boosters = tuple(bag.booster for bag in trained)

    def _searches(self, rows: Rows) -> RankedSearches:
        columns = [*self.config.order_shown, *self.features.names]
        return searches_to_learn_from(rows, label=self.config.label, columns=columns)

    def _training_rows(self, rows: Rows) -> tuple[SearchCount, LabelledRows, Numbers | None]:
        """The searches with an action, as LightGBM takes them; fits the vocabulary.

        With them their count, and the chance that each place is looked at where that weighs
        (``debiasing = "ips"``).
        """
        learnt = self._searches(rows)
        if not learnt.count.searches:
            raise ValueError("no search of the training window has a click, contact or booking")
        self.matrix.fit(learnt.rows)
        examination = None
        if self.config.debiasing == "ips":
            examination = estimate_examination(read(rows, EXAMINATION_COLUMNS))
        by_position = self.config.debiasing == "position"
        return (
            learnt.count,
            self._labelled(learnt, examination, with_positions=by_position),
            examination,
        )

    def score(self, rows: pa.Table) -> Scores:
        """The mean raw score of the bags; only differences within a search have a meaning."""
        self._need_fitted()
        matrix = self.matrix.encode(rows, model=self.name)
        if not rows.num_rows:
            return np.zeros(0)
        # One booster's scores are handed on as they are: adding 0 or dividing by 1 costs a copy.
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
        """Read what :meth:`save` wrote, or an earlier version of it."""
        if (folder / _EARLIER_FILE).is_file():
            saved = read_json(folder / _EARLIER_FILE, model=_EARLIER_NAME)
        else:
            saved = read_json(folder / _FILE, model=cls.name)
        model = cls(FeatureSet.load(folder / "features.json"), LambdaRankConfig(**config_of(saved)))
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
        matrix = self.matrix.encode(rows, model=self.name)
        of_bags = [
            np.asarray(b.predict(matrix, pred_contrib=True, num_threads=self.config.threads))
            for b in self.boosters
        ]
        # LightGBM's last column is the expected score.
        return np.asarray(np.mean(of_bags, axis=0)[:, :-1], dtype=np.float64)

    def _labelled(
        self,
        searches: RankedSearches,
        examination: Numbers | None,
        *,
        with_positions: bool = False,
    ) -> LabelledRows:
        return LabelledRows(
            matrix=self.matrix.encode(searches.rows, model=self.name),
            labels=searches.stages,
            groups=searches.groups,
            categories=self.features.categories,
            weights=self._weights(searches, examination),
            positions=_positions(searches) if with_positions else None,
        )

    def _weights(self, searches: RankedSearches, examination: Numbers | None) -> Numbers | None:
        """The weight of each row's search, 1 on average over the searches; ``None``: all 1.

        Of three searches that led to a click, a click and a booking, by utility: 0.01, 0.01
        and 1, over their mean of 0.34 that is 0.03, 0.03 and 2.94.
        """
        weights = np.ones(len(searches.groups))
        if self.config.search_weights == "utility":
            starts = np.cumsum(searches.groups) - searches.groups
            furthest = np.maximum.reduceat(searches.stages, starts)
            weights *= np.asarray(self.config.utilities, dtype=np.float64)[furthest]
        elif examination is None:
            return None
        if examination is not None:
            position = numbers(searches.rows, "position")
            inverse = inverse_examination(position, searches.stages, searches.groups, examination)
            weights *= np.minimum(inverse, self.config.most_weight)
        return np.repeat(weights / weights.mean(), searches.groups)

    def _train(
        self,
        training: LabelledRows,
        validation: LabelledRows | None,
        bag: int,
        most: int,
        progress: _Progress | None,
    ) -> TrainedBooster:
        return self.trainer(
            self.config.parameters(bag=bag),
            training,
            validation,
            limits=RoundLimits(most=most, patience=self.config.patience),
            after_round=progress,
        )

    def _predict(self, booster: Booster, matrix: pa.Table) -> Scores:
        scores = booster.predict(matrix, num_threads=self.config.threads)
        return np.asarray(scores, dtype=np.float64)

    def _need_fitted(self) -> None:
        if not self.boosters:
            raise ValueError("lambdarank has not been fitted or loaded")


def _positions(searches: RankedSearches) -> Codes:
    """Where each row was shown; 0 where that is not known."""
    return np.nan_to_num(numbers(searches.rows, "position"), nan=0.0).astype(np.int64)


def _best_ndcg(booster: Booster, k: int) -> float | None:
    ndcg = booster.best_score.get("valid", {}).get(f"ndcg@{k}")
    # As the curves are: the last digits depend on the number of threads.
    return None if ndcg is None else round(float(ndcg), CURVE_DIGITS)
