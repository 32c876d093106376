"""The weighted sum of a linear ranker and boosted trees, weights fitted on validation.

Trees need data: on a log of some hundred searches the linear ranker orders better, on a
large one the trees do. The two weights are the coefficients of a conditional logit of the
two scores on the validation window, so that no setting has to say how large the log is.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from data.schema.feature_set import FeatureSet
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.lightgbm_core.search_groups import searches_to_learn_from
from models.linear.linear_ranker import LinearRanker, LinearRankerConfig, fit_logit
from models.recommender import Scores
from models.serialization import config_of, read_json, write_json

__all__ = ["Blend", "BlendConfig"]


@dataclass(frozen=True, kw_only=True)
class BlendConfig:
    """How the two are weighted.

    Attributes:
        penalty: ridge penalty of the two weights, towards 0.
        linear, trees: their settings.
    """

    penalty: float = 1.0
    linear: LinearRankerConfig = field(default_factory=LinearRankerConfig)
    trees: LambdaRankConfig = field(default_factory=LambdaRankConfig)

    def __post_init__(self) -> None:
        if self.penalty <= 0:
            raise ValueError(f"penalty is above 0; found {self.penalty}")


class Blend:
    """weight · linear score + weight · tree score; ``weights`` after ``fit``, none negative."""

    name: str = "blend"

    def __init__(self, features: FeatureSet, config: BlendConfig | None = None) -> None:
        self.config = config or BlendConfig()
        self.linear = LinearRanker(features, self.config.linear)
        # Not fitted again with the validation rows: the weights are learnt from its scores there.
        self.trees = LambdaRank(features, replace(self.config.trees, refits=False))
        self.weights = (1.0, 0.0)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Fit both on ``train``, and their weights on ``valid``.

        Where no validation search has an action the weights are equal.
        """
        self.linear.fit(train, valid)
        self.trees.fit(train, valid)
        searches = searches_to_learn_from(valid)
        if not searches.count.searches:
            self.weights = (1.0, 1.0)
            return self
        utilities = np.asarray(self.config.linear.utilities, dtype=np.float64)
        scores = np.stack([m.score(searches.rows) for m in (self.linear, self.trees)], axis=1)
        coefficients = fit_logit(
            scores,
            utilities[searches.stages],
            searches.groups,
            penalty=self.config.penalty,
            iterations=100,
        )
        # A negative weight would turn a model's order round; it is taken as no trust at all.
        linear, trees = (max(float(weight), 0.0) for weight in coefficients)
        self.weights = (linear, trees) if linear + trees > 0 else (1.0, 1.0)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The weighted sum of the two scores of each row."""
        linear, trees = self.weights
        return linear * self.linear.score(rows) + trees * self.trees.score(rows)

    def save(self, folder: Path) -> None:
        """Write both models, and the weights as JSON."""
        self.linear.save(folder / "linear")
        self.trees.save(folder / "trees")
        config = {"penalty": self.config.penalty}
        write_json(
            folder / "blend.json", {"model": self.name, "config": config, "weights": self.weights}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / "blend.json", model=cls.name)
        linear, trees = LinearRanker.load(folder / "linear"), LambdaRank.load(folder / "trees")
        config = BlendConfig(**config_of(saved), linear=linear.config, trees=trees.config)
        model = cls(linear.features, config)
        model.linear, model.trees = linear, trees
        model.weights = tuple(saved["weights"])
        return model
