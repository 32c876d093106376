"""The four orders that any model has to beat: random, cheapest, best rated, popularity.

Where a baseline has a choice (how far a rating is shrunk, how popularity is counted), the
declared variants are compared on the validation window and the best one is kept, so that
what a learnt model is compared with is as good as it can be.

A missing value ranks last: it gets a score below every possible one, never NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from models.arrow_columns import missing_last, numbers, require_columns
from models.baselines.popularity import Popularity, PopularityConfig
from models.evaluation.validation_metric import validation_ndcg
from models.ranking_order import tie_keys
from models.recommender import Scores
from models.serialization import config_of, read_json, write_json
from models.stage_utilities import UTILITIES, Utilities, check_utilities

__all__ = [
    "BestRated",
    "BestRatedConfig",
    "Cheapest",
    "Popularity",
    "PopularityConfig",
    "Random",
]

_FILE = "baseline.json"
_IDS = ("id_search", "id_listing")
_TWO_TO_64 = 2.0**64


class Random:
    """A uniform number in [0, 1) per impression: a hash of the seed and the two ids.

    The order of the rows, and which other rows are scored with them, changes nothing.
    """

    name: str = "random"

    def __init__(self, *, seed: int = 1) -> None:
        self.seed = seed

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Learns nothing."""
        require_columns(train, _IDS, model=self.name)
        require_columns(valid, _IDS, model=self.name)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The number of each row; needs ``id_search`` and ``id_listing``."""
        require_columns(rows, _IDS, model=self.name)
        return tie_keys(rows, seed=self.seed).astype(np.float64) / _TWO_TO_64

    def save(self, folder: Path) -> None:
        """Write the seed as JSON."""
        write_json(folder / _FILE, {"model": self.name, "seed": self.seed})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(seed=read_json(folder / _FILE, model=cls.name)["seed"])


class Cheapest:
    """The negative total price of the stay; a listing without a price comes last."""

    name: str = "cheapest"

    def __init__(self, *, column: str = "listing_total_price") -> None:
        self.column = column

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Learns nothing; checks that the price column is there."""
        require_columns(train, (self.column,), model=self.name)
        require_columns(valid, (self.column,), model=self.name)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The negative price of each row."""
        require_columns(rows, (self.column,), model=self.name)
        return missing_last(-numbers(rows, self.column))

    def save(self, folder: Path) -> None:
        """Write the column's name as JSON."""
        write_json(folder / _FILE, {"model": self.name, "column": self.column})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        return cls(column=read_json(folder / _FILE, model=cls.name)["column"])


@dataclass(frozen=True, kw_only=True)
class BestRatedConfig:
    """How a mean rating is shrunk towards the mean of all.

    Attributes:
        rating, count: the columns of the mean rating and the number of reviews.
        strengths: weights of the prior, in reviews, to choose from; 0 takes the mean
            rating as it stands. Without the count column only 0 is possible.
        utilities, k: what NDCG the choice on validation goes by.
    """

    rating: str = "listing_review_rating"
    count: str = "listing_review_count"
    strengths: tuple[float, ...] = (0.0, 3.0, 10.0, 30.0, 100.0)
    utilities: Utilities = UTILITIES
    k: int = 10

    def __post_init__(self) -> None:
        check_utilities(self.utilities)
        if not self.strengths or min(self.strengths) < 0 or self.k < 1:
            raise ValueError(f"strengths are at least 0 and k at least 1; found {self}")


class BestRated:
    """The mean rating, shrunk: (count · rating + strength · mean) / (count + strength).

    The mean is that of the training rows. An unrated listing comes last. With strength 10 and
    a mean of 4.3, one review of 5 stars gives (5 + 43) / 11 = 4.36, two hundred of 4.8 stars
    give (960 + 43) / 210 = 4.78: the second stands higher.
    """

    name: str = "best_rated"

    def __init__(self, config: BestRatedConfig | None = None) -> None:
        self.config = config or BestRatedConfig()
        self.strength = 0.0
        self.prior = 0.0
        self.validation: dict[float, float] = {}

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Take the mean rating from ``train`` and choose the strength on ``valid``."""
        require_columns(train, (self.config.rating,), model=self.name)
        require_columns(valid, ("id_search", "stage", self.config.rating), model=self.name)
        rated = numbers(train, self.config.rating)
        rated = np.sort(rated[np.isfinite(rated)])
        self.prior = float(rated.mean()) if len(rated) else 0.0
        strengths = self._strengths(train, valid)
        self.validation = {s: self._validation_ndcg(valid, s) for s in strengths}
        self.strength = max(self.validation, key=lambda s: self.validation[s])
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The shrunk rating of each row, in stars."""
        needed = (self.config.rating, self.config.count) if self.strength else (self.config.rating,)
        require_columns(rows, needed, model=self.name)
        return self._shrunk(rows, self.strength)

    def save(self, folder: Path) -> None:
        """Write the config, the chosen strength and the prior mean as JSON."""
        learnt = {"strength": self.strength, "prior": self.prior}
        write_json(
            folder / _FILE, {"model": self.name, "config": asdict(self.config), "learnt": learnt}
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / _FILE, model=cls.name)
        model = cls(BestRatedConfig(**config_of(saved)))
        model.strength, model.prior = saved["learnt"]["strength"], saved["learnt"]["prior"]
        return model

    def _strengths(self, train: pa.Table, valid: pa.Table) -> Sequence[float]:
        has_count = all(self.config.count in rows.column_names for rows in (train, valid))
        return self.config.strengths if has_count else (0.0,)

    def _validation_ndcg(self, valid: pa.Table, strength: float) -> float:
        scores = self._shrunk(valid, strength)
        return validation_ndcg(valid, scores, utilities=self.config.utilities, k=self.config.k)

    def _shrunk(self, rows: pa.Table, strength: float) -> Scores:
        rating = numbers(rows, self.config.rating)
        if not strength:
            return missing_last(rating)
        # A rating whose number of reviews is not given counts as one review.
        count = np.nan_to_num(numbers(rows, self.config.count), nan=1.0)
        return missing_last((count * rating + strength * self.prior) / (count + strength))
