"""The click stage: boosted trees, led by a line where clicks are few.

    log-odds of a click = ridge logistic regression   (few clicks: a line, else nothing)
                        + boosted trees, which start from its log-odds

Trees start from what the regression says of rows that it did not learn from (held-out folds of
guests): from what it says of its own rows they would learn how far it is fitted to them.

The trees are a sum of two kinds that share no feature (interaction constraints): of the
listing, the guest and the search, and of the other results shown (``apart``). With the columns
of the second kind at their medians the log-odds are those of the first alone.

What a guest did before says much about few guests, and trees read more into it than there is. So
one booster of the mean does without it (``impersonal_share``): in each of three simulated worlds
the mean orders better than either, under the guests' taste.

Trees are learnt on the training window and stop on validation; then all is fitted again on both
windows, as many trees: the last day before the searches to come is the one most like them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Codes, Numbers, stages
from models.explanations.lift import Contributions
from models.funnel.config import FunnelConfig
from models.lightgbm_core.boosting import (
    Booster,
    LabelledRows,
    RoundLimits,
    load_booster,
    train_boosters,
)
from models.lightgbm_core.feature_matrix import FeatureMatrix
from models.linear.cross_validation import PenaltyGrid, cross_validated, guest_folds
from models.linear.ridge_logistic import RidgeLogistic
from models.ranking_order import tie_keys

__all__ = ["ClickRows", "ClickStage"]

_NAME = "the click stage"
_LINE = "click"
_GUEST = "guest_history"
_DRAW = 17  # another draw than that of the rows learnt from


@dataclass(frozen=True, kw_only=True)
class ClickRows:
    """Rows to learn clicks from.

    Attributes:
        rows: in an order of their ids' own.
        clicked: 0 or 1, one per row.
        start: log-odds that each row starts from and that are not learnt: of having been
            looked at.
        folds: of its guest, from 0.
    """

    rows: pa.Table
    clicked: Numbers
    start: Numbers
    folds: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, rows: pa.Table, start: Numbers, config: FunnelConfig) -> Self:
        """From rows in a fixed order, and where each starts from."""
        return cls(
            rows=rows,
            clicked=(stages(rows) > 0).astype(np.float64),
            start=start,
            folds=guest_folds(rows, config.folds),
        )

    def take(self, at: np.ndarray[Any, np.dtype[np.int64]]) -> Self:
        """The rows at these places."""
        return type(self)(
            rows=self.rows.take(pa.array(at)),
            clicked=self.clicked[at],
            start=self.start[at],
            folds=self.folds[at],
        )

    @property
    def clicks(self) -> int:
        """How many rows were clicked."""
        return int(self.clicked.sum())


class ClickStage:
    """P(click) in log-odds, uncalibrated.

    Attributes:
        is_led_by_a_line, line: whether there is a regression, and which; decided by the clicks
            of the first fit.
        boosters: one per bag, and last the impersonal one, if there is one.
        weights: of each in the mean.
        base: log-odds of the mean rate, which stand in for the line where there is none.
        rounds: trees of each bag.
        penalty: that was chosen for the line, ``None`` without one.
    """

    def __init__(self, features: FeatureSet, config: FunnelConfig, apart: tuple[str, ...]) -> None:
        self.config, self.apart = config, apart
        self.matrix = FeatureMatrix(features)
        self.is_led_by_a_line = False
        self.line: RidgeLogistic | None = None
        self.base = 0.0
        self.boosters: tuple[Booster, ...] = ()
        personal = {f.name for f in features if f.group == _GUEST}
        self.personal = personal if config.impersonal_share else set()
        self.rounds: tuple[int, ...] = ()
        self.penalty: float | None = None

    @property
    def weights(self) -> tuple[float, ...]:
        """Of each booster in the mean."""
        share = self.config.impersonal_share if self.personal else 0.0
        of_bags = [(1.0 - share) / self.config.bags] * self.config.bags
        return (*of_bags, share) if share else tuple(of_bags)

    def fit(self, learnt: ClickRows, stopping: ClickRows) -> Self:
        """Learn from ``learnt``; ``stopping`` says after how many trees to stop."""
        self.matrix.fit(learnt.rows)
        self.is_led_by_a_line = learnt.clicks <= self.config.linear_clicks
        start = self._fit_line(learnt)
        # Rows that all came out alike cannot tell when to stop.
        stops = 0 < stopping.clicks < len(stopping.clicked)
        held_out = self._labelled(stopping, self._line_of(stopping.rows)) if stops else None
        self._fit_trees(learnt, start, held_out, [self.config.max_rounds] * len(self.weights))
        self.rounds = tuple(b.best_iteration or b.num_trees() for b in self.boosters)
        return self

    def fitted_again(self, learnt: ClickRows, *, quickly: bool = False) -> ClickStage:
        """A stage of the same size and penalty, fitted on other rows.

        ``quickly``: by half as many trees that learn twice as fast, and without the impersonal
        booster: enough to tell two terms apart.
        """
        config = self.config
        rounds = self.rounds
        if quickly:
            config = replace(config, learning_rate=2 * config.learning_rate, impersonal_share=0.0)
            rounds = tuple(max(1, round(trees / 2)) for trees in rounds[: config.bags])
        again = ClickStage(self.matrix.features, config, self.apart)
        again.matrix.fit(learnt.rows)
        again.rounds = rounds
        again.is_led_by_a_line, again.penalty = self.is_led_by_a_line, self.penalty
        start = again._fit_line(learnt)
        again._fit_trees(learnt, start, None, list(rounds))
        return again

    def log_odds(self, rows: pa.Table) -> Numbers:
        """One per row; no order of the rows, and no other row, changes a bit."""
        matrix, threads = self.matrix.encode(rows, model=_NAME), self.config.threads
        line = self._line_of(rows)
        if not rows.num_rows:
            return line
        trees = [b.predict(matrix, raw_score=True, num_threads=threads) for b in self.boosters]
        for weight, scores in zip(self.weights, trees, strict=True):
            line = line + weight * scores
        return np.asarray(line, dtype=np.float64)

    def contributions(self, rows: pa.Table) -> Contributions:
        """SHAP values of the trees and the terms of the line; (rows, features).

        Of the boosters that know the guest: what the impersonal one says of the other features
        these say too, and SHAP values are what recommending spends most of its time on.
        """
        matrix, threads = self.matrix.encode(rows, model=_NAME), self.config.threads
        bags = self.boosters[: self.config.bags]
        of_bags = [
            np.asarray(b.predict(matrix, pred_contrib=True, num_threads=threads)) for b in bags
        ]
        # LightGBM's last column is the expected score.
        added_NF = np.mean(of_bags, axis=0)[:, :-1].astype(np.float64)
        if self.line is not None:
            names = list(self.matrix.features.names)
            columns = [names.index(name) for name in self.line.scaled.inputs]
            added_NF[:, columns] += self.line.contributions(rows)
        return np.asarray(added_NF)

    def save(self, folder: Path) -> dict[str, Any]:
        """Write boosters and line; returns what else :meth:`load` needs, for JSON."""
        for bag, booster in enumerate(self.boosters):
            (folder / f"booster_click_{bag}.txt").write_text(booster.model_to_string())
        if self.line is not None:
            self.line.save(folder, _LINE)
        return {
            "boosters": len(self.boosters),
            "base": self.base,
            "has_line": self.is_led_by_a_line,
            "rounds": self.rounds,
            "penalty": self.penalty,
            "vocabulary": self.matrix.vocabulary,
            "apart": self.apart,
        }

    @classmethod
    def load(
        cls, features: FeatureSet, config: FunnelConfig, folder: Path, saved: dict[str, Any]
    ) -> Self:
        """Read what :meth:`save` wrote, and what it returned."""
        stage = cls(features, config, tuple(saved["apart"]))
        stage.matrix.vocabulary = {k: tuple(v) for k, v in saved["vocabulary"].items()}
        stage.boosters = tuple(
            load_booster(folder / f"booster_click_{bag}.txt") for bag in range(saved["boosters"])
        )
        stage.rounds, stage.penalty = tuple(saved["rounds"]), saved["penalty"]
        stage.base = saved["base"]
        stage.is_led_by_a_line = saved["has_line"]
        if stage.is_led_by_a_line:
            stage.line = RidgeLogistic.load(features, folder, _LINE)
        return stage

    def _fit_line(self, learnt: ClickRows) -> Numbers:
        """Fit the line if there is one; returns its held-out log-odds."""
        if not self.is_led_by_a_line:
            rate = (learnt.clicks + 0.5) / (len(learnt.clicked) + 1.0)
            self.base = float(np.log(rate / (1 - rate)) - learnt.start.mean())
            return np.full(len(learnt.clicked), self.base)
        penalties = self.config.click_penalties if self.penalty is None else (self.penalty,)
        at, share = self._rows_of_the_line(learnt)
        found = cross_validated(
            self.matrix.features,
            learnt.rows.take(pa.array(at)),
            learnt.clicked[at],
            learnt.folds[at],
            PenaltyGrid(penalties=penalties),
            offset_N=learnt.start[at],
        )
        self.penalty = found.penalty
        # Of the unclicked rows a share was learnt from: all odds are so much too high.
        found = found.shifted(float(np.log(share)))
        self.line = found.model
        return found.held_out(learnt.rows, learnt.folds)

    def _rows_of_the_line(self, learnt: ClickRows) -> tuple[Codes, float]:
        """Places of the clicked rows and of a share of the others; and that share."""
        unclicked = len(learnt.clicked) - learnt.clicks
        wanted = max(self.config.linear_rows - learnt.clicks, learnt.clicks)
        share = min(1.0, wanted / max(unclicked, 1))
        is_drawn = tie_keys(learnt.rows, seed=self.config.seed + _DRAW) / 2.0**64 < share
        return np.flatnonzero(is_drawn | (learnt.clicked > 0)), share

    def _fit_trees(
        self,
        learnt: ClickRows,
        start: Numbers,
        held_out: LabelledRows | None,
        rounds: list[int],
    ) -> None:
        labelled = self._labelled(learnt, start)
        patience = self.config.patience
        plans = [
            (self._parameters(len(learnt.clicked), bag), RoundLimits(most=most, patience=patience))
            for bag, most in enumerate(rounds)
        ]
        self.boosters = tuple(
            trained.booster for trained in train_boosters(plans, labelled, held_out)
        )

    def _parameters(self, rows: int, bag: int) -> dict[str, Any]:
        parameters = self.config.parameters(rows=rows, bag=bag)
        is_impersonal = bag == self.config.bags
        unread = self.personal if is_impersonal else set()
        if is_impersonal:
            # It has the smaller part of the mean, and half as many trees say it.
            parameters["learning_rate"] *= 2
        if self.apart or unread:
            # What is in no list is not read.
            read = [(at, n) for at, n in enumerate(self.matrix.features.names) if n not in unread]
            own = [at for at, name in read if name not in self.apart]
            of_others = [at for at, name in read if name in self.apart]
            parameters["interaction_constraints"] = [kind for kind in (own, of_others) if kind]
        return parameters

    def _labelled(self, learnt: ClickRows, line: Numbers) -> LabelledRows:
        return LabelledRows(
            matrix=self.matrix.encode(learnt.rows, model=_NAME),
            labels=learnt.clicked.astype(np.int64),
            categories=self.matrix.features.categories,
            offsets=learnt.start + line,
        )

    def _line_of(self, rows: pa.Table) -> Numbers:
        if self.line is None:
            return np.full(rows.num_rows, self.base)
        return self.line.log_odds(rows)
