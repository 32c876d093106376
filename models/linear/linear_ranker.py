"""A linear ranker: the conditional logit of which result of a search is taken.

P(result i is taken | search) = exp(x_i·b) / Σ_j exp(x_j·b) over the results of the search
(McFadden 1974; ListNet's top-one probability, Cao et al. 2007). Two results with x·b of 1
and 0: the first is taken with e / (e + 1) = 73%. Few parameters: on a log of some hundred
searches it beats boosted trees, on a large one it is a strong and readable baseline.
Whatever is the same for all results of a search cancels.

Legend: N rows, D columns.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from scipy.optimize import minimize

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, require_columns
from models.lightgbm_core.search_groups import RankedSearches, searches_to_learn_from
from models.linear.scaled_inputs import ScaledInputs
from models.recommender import Scores
from models.serialization import config_of, read_json, read_table, write_json, write_table
from models.stage_utilities import UTILITIES, Utilities, check_utilities

__all__ = ["LinearRanker", "LinearRankerConfig", "fit_logit", "listwise_loss"]


@dataclass(frozen=True, kw_only=True)
class LinearRankerConfig:
    """How the linear ranker learns.

    Attributes:
        penalties: ridge penalties to choose from, by the loss on validation.
        utilities: weight of each stage as the result taken, impressed to booked.
        tail_share: values beyond these quantiles of the training rows are clipped.
        max_iterations: of L-BFGS.
    """

    penalties: tuple[float, ...] = (3.0, 10.0, 30.0, 100.0)
    utilities: Utilities = UTILITIES
    tail_share: float = 0.01
    max_iterations: int = 200

    def __post_init__(self) -> None:
        check_utilities(self.utilities)
        if not self.penalties or min(self.penalties) <= 0:
            raise ValueError(f"penalties are above 0; found {self.penalties}")
        if not 0 <= self.tail_share < 0.5 or self.max_iterations < 1:
            raise ValueError(f"LinearRankerConfig out of range: {self}")


class LinearRanker:
    """The conditional logit behind the recommender protocol.

    Reads the numbers and booleans of the feature set; a missing value counts as the mean
    of the training rows, and has a coefficient of its own. Categories are not read.
    After ``fit``: ``penalty`` (the chosen one), ``validation`` (loss of each).
    """

    name: str = "linear"

    def __init__(self, features: FeatureSet, config: LinearRankerConfig | None = None) -> None:
        self.config = config or LinearRankerConfig()
        self.features = features
        self.scaled = ScaledInputs(features)
        self.penalty = self.config.penalties[0]
        self.validation: dict[float, float] = {}
        self.coefficients: Numbers = np.zeros(0)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Fit one logit per penalty on ``train`` and keep the one with the least loss on ``valid``.

        Searches without an action are left out. Raises ``ValueError`` when ``train`` has no
        other, or an input is absent.
        """
        for rows in (train, valid):
            require_columns(
                rows, ("id_search", "id_listing", "stage", *self.scaled.inputs), model=self.name
            )
        learnt, held_out = searches_to_learn_from(train), searches_to_learn_from(valid)
        if not learnt.count.searches:
            raise ValueError("no search of the training window has a click, contact or booking")
        self.scaled.fit(learnt.rows, tail_share=self.config.tail_share)
        x_ND, weights = self.scaled.encode(learnt.rows), self._weights(learnt)
        x_valid, valid_weights = self.scaled.encode(held_out.rows), self._weights(held_out)
        fitted: dict[float, Numbers] = {}
        for penalty in self.config.penalties:
            fitted[penalty] = fit_logit(
                x_ND, weights, learnt.groups, penalty=penalty, iterations=self.config.max_iterations
            )
            loss = listwise_loss(x_valid @ fitted[penalty], valid_weights, held_out.groups)
            self.validation[penalty] = loss
        self.penalty = min(self.validation, key=lambda p: self.validation[p])
        self.coefficients = fitted[self.penalty]
        return self

    def score(self, rows: pa.Table) -> Scores:
        """x·b of each row; only differences within a search have a meaning."""
        require_columns(rows, self.scaled.inputs, model=self.name)
        if not len(self.coefficients):
            raise ValueError("the linear ranker has not been fitted or loaded")
        return self.scaled.weighted(rows, self.coefficients)

    def save(self, folder: Path) -> None:
        """Write the config as JSON, scaling and coefficients as Parquet."""
        saved = {"model": self.name, "config": asdict(self.config), "penalty": self.penalty}
        write_json(folder / "linear.json", saved)
        self.features.save(folder / "linear_features.json")
        write_table(folder / "linear.parquet", self.scaled.table(self.coefficients))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / "linear.json", model=cls.name)
        features = FeatureSet.load(folder / "linear_features.json")
        model = cls(features, LinearRankerConfig(**config_of(saved)))
        model.penalty = saved["penalty"]
        table = read_table(folder / "linear.parquet")
        model.scaled, model.coefficients = ScaledInputs.of_table(features, table)
        return model

    def _weights(self, searches: RankedSearches) -> Numbers:
        return np.asarray(self.config.utilities, dtype=np.float64)[searches.stages]


def listwise_loss(scores: Scores, weights: Numbers, groups: np.ndarray[Any, Any]) -> float:
    """-Σ weight · log P(taken) over the rows, P being the softmax within each search.

    ``groups`` are rows per search, one search after the other. 0.0 without rows.
    """
    if not len(scores):
        return 0.0
    log_p, _ = _log_softmax(scores, groups)
    return -float(weights @ log_p)


def fit_logit(
    x_ND: np.ndarray[Any, Any],
    weights: Numbers,
    groups: np.ndarray[Any, Any],
    *,
    penalty: float,
    iterations: int,
) -> Numbers:
    """The coefficients that minimise the listwise loss plus penalty/2 · |b|²; shape (D,)."""
    # -Σ w·log p has the slope X'(W·p - w), W being the weights of the row's whole search.
    search_N = np.repeat(np.arange(len(groups)), groups)
    total_N = np.bincount(search_N, weights)[search_N]

    def loss_and_slope(b: Numbers) -> tuple[float, Numbers]:
        log_p, p = _log_softmax(x_ND @ b, groups)
        slope = x_ND.T @ (total_N * p - weights) + penalty * b
        return float(-(weights @ log_p) + penalty / 2 * (b @ b)), slope

    start = np.zeros(x_ND.shape[1])
    options = {"maxiter": iterations}
    result = minimize(loss_and_slope, start, jac=True, method="L-BFGS-B", options=options)
    return np.asarray(result.x, dtype=np.float64)


def _log_softmax(scores: Scores, groups: np.ndarray[Any, Any]) -> tuple[Numbers, Numbers]:
    """log P and P of each row within its search."""
    starts = np.r_[0, np.cumsum(groups)[:-1]]
    # The search's highest score is taken off first: exp of a large score overflows.
    centred = scores - np.repeat(np.maximum.reduceat(scores, starts), groups)
    exponents = np.exp(centred)
    sums = np.repeat(np.add.reduceat(exponents, starts), groups)
    return centred - np.log(sums), exponents / sums
