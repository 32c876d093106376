"""Other models' scores as features of the ranker, from an earlier window.

A retriever that has seen a row's label gives that row a score which holds the label; a
ranker that learns from such scores trusts them, and is let down by every new search. So
the retrievers learn from the first days of the training window, and the ranker from the
rest, whose labels they never saw (``docs/decisions/0027``). With five days to train on and
``earlier_share`` 0.6:

    day            1  2     3              4  5                6             7
    components     fit      choose or stop
    ranker                                 fit, with scores    stop early    test
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.ranges import Range, refuse_outside
from data.schema.feature_set import Feature, FeatureSet
from models.arrow_columns import Numbers, require_columns
from models.lambdarank import LambdaRank
from models.lambdarank.config import LambdaRankConfig
from models.ranking_order import group_codes, spread_within
from models.recommender import Recommender, Scores
from models.serialization import config_of, read_json, write_json

__all__ = ["Stacked", "StackingConfig"]

_PREFIX = "stacked_"

Loaders = Mapping[str, Callable[[Path], Recommender]]


@dataclass(frozen=True, kw_only=True)
class StackingConfig:
    """``earlier_share``: of the training days that go to the stacked models, at least two."""

    earlier_share: float = 0.6

    def __post_init__(self) -> None:
        refuse_outside(self, {"earlier_share": Range(above=0, below=1)})


class Stacked:
    """The ranker over the features and the standardised scores of other recommenders.

    ``components`` are unfitted (or loaded) recommenders by name; the features that they
    become are called ``stacked_NAME``.
    """

    name: str = "stacked"

    def __init__(
        self,
        features: FeatureSet,
        components: Mapping[str, Recommender],
        config: LambdaRankConfig | None = None,
        stacking: StackingConfig | None = None,
    ) -> None:
        self.components = dict(components)
        self.stacking = stacking or StackingConfig()
        self.ranker = LambdaRank(FeatureSet((*features, *map(_score_feature, components))), config)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Fit the components on the first days, the ranker on the others.

        Each component is tuned on the last of its days. Raises ``ValueError`` where
        ``train`` has fewer than three days, or lacks a column that a model needs.
        """
        require_columns(train, ("search_day",), model=self.name)
        earlier, later = self._split_days(train)
        is_last_day = pc.equal(earlier["search_day"], pc.max(earlier["search_day"]))
        fitting, tuning = earlier.filter(pc.invert(is_last_day)), earlier.filter(is_last_day)
        self.components = {n: m.fit(fitting, tuning) for n, m in self.components.items()}
        self.ranker.fit(self.with_scores(later), self.with_scores(valid))
        return self

    def with_scores(self, rows: pa.Table) -> pa.Table:
        """``rows`` with every component's score, in standard deviations within its search."""
        for name, model in self.components.items():
            scores = _standardised_within(rows, model.score(rows))
            rows = rows.append_column(_PREFIX + name, pa.array(scores))
        return rows

    def score(self, rows: pa.Table) -> Scores:
        """The ranker's score."""
        return self.ranker.score(self.with_scores(rows))

    def save(self, folder: Path) -> None:
        """Write the ranker and every component into folders of their own."""
        saved = {"model": self.name, "config": asdict(self.stacking)}
        write_json(folder / "stacked.json", saved | {"components": sorted(self.components)})
        self.ranker.save(folder / "ranker")
        for name, model in self.components.items():
            model.save(folder / name)

    @classmethod
    def load(cls, folder: Path, loaders: Loaders | None = None) -> Self:
        """Read what :meth:`save` wrote; ``loaders`` by the components' names.

        Raises ``ValueError`` where a component has no loader.
        """
        saved = read_json(folder / "stacked.json", model=cls.name)
        loaders = loaders or {}
        unknown = sorted(set(saved["components"]) - set(loaders))
        if unknown:
            raise ValueError(f"{folder}: no loader for the stacked {', '.join(unknown)}")
        components = {name: loaders[name](folder / name) for name in saved["components"]}
        ranker = LambdaRank.load(folder / "ranker")
        own = [f for f in ranker.features if not f.name.startswith(_PREFIX)]
        stacking = StackingConfig(**config_of(saved))
        model = cls(FeatureSet(tuple(own)), components, ranker.config, stacking)
        model.ranker = ranker
        return model

    def _split_days(self, train: pa.Table) -> tuple[pa.Table, pa.Table]:
        """The rows of the components' days, and those of the ranker's: at least one day."""
        days = np.unique(train["search_day"].to_numpy())
        if len(days) < 3:
            raise ValueError(f"stacking needs three days to train on; found {len(days)}")
        n_earlier = min(max(2, round(self.stacking.earlier_share * len(days))), len(days) - 1)
        is_earlier = pc.less(train["search_day"], pa.scalar(days[n_earlier]))
        return train.filter(is_earlier), train.filter(pc.invert(is_earlier))


def _score_feature(name: str) -> Feature:
    """The feature that a component's score becomes."""
    return Feature(
        name=_PREFIX + name,
        kind="number",
        meaning=f"score of {name.replace('_', '-')}, trained on earlier days",
        null="never null",
        unit="standard deviations",
        group="stacked",
        is_history=True,
    )


def _standardised_within(rows: pa.Table, scores: Scores) -> Numbers:
    """Scores within their search, mean 0 and spread 1; 0 where all are alike."""
    groups: np.ndarray[Any, Any] = group_codes(rows["id_search"])
    if not len(groups):
        return np.zeros(0)
    spread = spread_within(rows, scores)
    # Added up in the order of the scores: the row order must not show in the last bit.
    order = np.lexsort((scores, groups))
    means = np.bincount(groups[order], scores[order]) / np.bincount(groups)
    away = scores - means[groups]
    return np.asarray(np.divide(away, spread, out=np.zeros(len(scores)), where=spread > 0))
