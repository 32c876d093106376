"""The four orders that any model has to beat: random, cheapest, best rated, popularity.

Where a baseline has a choice (how far a rating is shrunk, how popularity is counted), the
declared variants are compared on the validation window and the best one is kept and fitted
again on both windows, so that what a learnt model is compared with is as good as it can be.

A missing value ranks last: it gets a score below every possible one, never NaN.

``reads`` of each: the columns that fitting reads, so far as the rows have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from data.ranges import AT_LEAST_0, refuse_outside
from models.arrow_columns import missing_last, numbers, require_columns
from models.baselines.fit_record import FitRecord, both_windows
from models.baselines.popularity import Popularity, PopularityConfig
from models.evaluation.validation_metric import JUDGED_BY, validation_value
from models.ranking_order import tie_keys
from models.recommender import Scores
from models.serialization import config_of, read_json, write_json

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
    reads: tuple[str, ...] = _IDS

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

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.column,)

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
    """

    rating: str = "listing_review_rating"
    count: str = "listing_review_count"
    strengths: tuple[float, ...] = (0.0, 3.0, 10.0, 30.0, 100.0)

    def __post_init__(self) -> None:
        refuse_outside(self, {"strengths": AT_LEAST_0})


class BestRated:
    """The mean rating, shrunk: (count · rating + strength · mean) / (count + strength).

    The mean is that of the rows of both windows, the strength the one with the best
    ``validation_value``. An unrated listing comes last. With strength 10 and
    a mean of 4.3, one review of 5 stars gives (5 + 43) / 11 = 4.36, two hundred of 4.8 stars
    give (960 + 43) / 210 = 4.78: the second stands higher.
    """

    name: str = "best_rated"

    def __init__(self, config: BestRatedConfig | None = None) -> None:
        self.config = config or BestRatedConfig()
        self.strength = 0.0
        self.prior = 0.0
        self.validation: dict[float, float] = {}
        self.record: FitRecord | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        return (*JUDGED_BY, self.config.rating, self.config.count)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Choose the strength on ``valid`` with the mean of ``train``; then the mean of both."""
        rating = self.config.rating
        for rows in (train, valid):
            require_columns(rows, ("id_search", "stage", rating), model=self.name)
        self.prior = _mean(train, rating)
        strengths = self._strengths(train, valid)
        self.validation = {s: validation_value(valid, self._shrunk(valid, s)) for s in strengths}
        self.strength = max(self.validation, key=lambda s: self.validation[s])
        self.prior = _mean(both_windows(train, valid, (rating,)), rating)
        values = {f"strength_{s:g}": value for s, value in self.validation.items()}
        self.record = FitRecord.of(train, valid, values)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The shrunk rating of each row, in stars."""
        needed = (self.config.rating, self.config.count) if self.strength else (self.config.rating,)
        require_columns(rows, needed, model=self.name)
        return self._shrunk(rows, self.strength)

    def save(self, folder: Path) -> None:
        """Write config, chosen strength, mean rating and the rows used as JSON."""
        learnt = {"strength": self.strength, "prior": self.prior}
        saved = {"model": self.name, "config": asdict(self.config), "learnt": learnt}
        record = None if self.record is None else asdict(self.record)
        write_json(folder / _FILE, saved | {"record": record})

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / _FILE, model=cls.name)
        # An earlier version saved settings that are none any more.
        names = BestRatedConfig.__dataclass_fields__
        model = cls(BestRatedConfig(**{n: v for n, v in config_of(saved).items() if n in names}))
        model.strength, model.prior = saved["learnt"]["strength"], saved["learnt"]["prior"]
        if saved.get("record"):
            model.record = FitRecord.of_dict(saved["record"])
        return model

    def _strengths(self, train: pa.Table, valid: pa.Table) -> Sequence[float]:
        has_count = all(self.config.count in rows.column_names for rows in (train, valid))
        return self.config.strengths if has_count else (0.0,)

    def _shrunk(self, rows: pa.Table, strength: float) -> Scores:
        rating = numbers(rows, self.config.rating)
        if not strength:
            return missing_last(rating)
        # A rating whose number of reviews is not given counts as one review.
        count = np.nan_to_num(numbers(rows, self.config.count), nan=1.0)
        return missing_last((count * rating + strength * self.prior) / (count + strength))


def _mean(rows: pa.Table, column: str) -> float:
    """The mean of the values that are there; 0.0 where there is none."""
    values = numbers(rows, column)
    # Summed in the order of the values: the row order must not show in the last bit.
    known = np.sort(values[np.isfinite(values)])
    return float(known.mean()) if len(known) else 0.0
