"""The popularity baseline: how often the guests of the past took a listing.

Of a listing shown four times in the rows that are counted, clicked once and booked once, with the
default utilities (0.01 and 1) and a mean of 0.05 per impression over all listings:

    utility_count    0.01 + 1                        = 1.01
    utility_rate_10  (1.01 + 10 * 0.05) / (4 + 10)   = 0.108    four impressions weigh little
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa

from data.ranges import ABOVE_0, refuse_outside
from models.arrow_columns import (
    codes_in,
    missing_last,
    numbers,
    require_columns,
    sorted_ids,
    stages,
)
from models.baselines.fit_record import FitRecord, both_windows
from models.evaluation.validation_metric import JUDGED_BY, validation_value
from models.recommender import Scores
from models.serialization import config_of, read_json, read_table, write_json, write_table
from models.stage_utilities import UTILITIES, Utilities, check_utilities

__all__ = ["Popularity", "PopularityConfig", "stage_counts"]

_FILE = "popularity.json"


@dataclass(frozen=True, kw_only=True)
class PopularityConfig:
    """The ways to count popularity, to choose from on validation.

    Attributes:
        utilities: what each stage of the funnel counts.
        priors: weights of the prior, in impressions, of the smoothed utility per impression.
        books_90day: the log's own count of recent bookings; skipped where it is absent.
    """

    utilities: Utilities = UTILITIES
    priors: tuple[float, ...] = (10.0, 50.0, 250.0)
    books_90day: str = "listing_num_books_90day"

    def __post_init__(self) -> None:
        check_utilities(self.utilities)
        # None at all: utilities are summed and not smoothed.
        refuse_outside(self, {"priors": ABOVE_0} if self.priors else {})


class Popularity:
    """How often the guests of the past took a listing; the same for every guest.

    Three ways to count, of which ``fit`` chooses the one with the best ``validation_value``
    (``variant``; that of each is in ``validation``): ``utility_count`` (the sum of the
    stages' utilities), ``utility_rate_P`` (the same per impression, smoothed by P impressions
    of the mean), ``books_90day`` (the log's column). The chosen one then counts both windows;
    ``record`` says which rows were used for what. An unseen listing counts 0, or the mean
    rate; a missing 90-day count comes last.
    """

    name: str = "popularity"

    def __init__(self, config: PopularityConfig | None = None) -> None:
        self.config = config or PopularityConfig()
        self.variant = "utility_count"
        self.validation: dict[str, float] = {}
        self.record: FitRecord | None = None
        self.listings = pa.array([], pa.string())
        self.counts = np.zeros((0, 4), dtype=np.int64)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns that fitting reads, so far as the rows have them."""
        return (*JUDGED_BY, self.config.books_90day)

    def fit(self, train: pa.Table, valid: pa.Table) -> Self:
        """Count ``train``, choose the variant on ``valid``, and count both."""
        for rows in (train, valid):
            require_columns(rows, ("id_search", "id_listing", "stage"), model=self.name)
        self._count(train)
        variants = self._variants(train, valid)
        self.validation = {v: validation_value(valid, self._scores_by(v, valid)) for v in variants}
        self.variant = max(self.validation, key=lambda v: self.validation[v])
        self._count(both_windows(train, valid, ("id_listing", "stage")))
        self.record = FitRecord.of(train, valid, self.validation)
        return self

    def score(self, rows: pa.Table) -> Scores:
        """The popularity of each row's listing, by the chosen variant."""
        column = "id_listing" if self.variant != "books_90day" else self.config.books_90day
        require_columns(rows, (column,), model=self.name)
        return self._scores_by(self.variant, rows)

    def save(self, folder: Path) -> None:
        """Write config, choice and the rows used as JSON and the counts as Parquet."""
        saved = {"model": self.name, "config": asdict(self.config), "variant": self.variant}
        record = None if self.record is None else asdict(self.record)
        write_json(folder / _FILE, saved | {"record": record})
        columns = {f"stage_{s}": self.counts[:, s] for s in range(4)}
        write_table(folder / "listings.parquet", pa.table({"id_listing": self.listings} | columns))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote."""
        saved = read_json(folder / _FILE, model=cls.name)
        # An earlier version saved settings that are none any more.
        names = PopularityConfig.__dataclass_fields__
        model = cls(PopularityConfig(**{n: v for n, v in config_of(saved).items() if n in names}))
        model.variant = saved["variant"]
        if saved.get("record"):
            model.record = FitRecord.of_dict(saved["record"])
            model.validation = model.record.values
        table = read_table(folder / "listings.parquet")
        model.listings = table["id_listing"].combine_chunks()
        model.counts = np.stack([table[f"stage_{s}"].to_numpy() for s in range(4)], axis=1)
        return model

    def _count(self, rows: pa.Table) -> None:
        self.listings = sorted_ids(rows["id_listing"])
        self.counts = stage_counts(rows, self.listings)

    def _variants(self, train: pa.Table, valid: pa.Table) -> tuple[str, ...]:
        rates = tuple(f"utility_rate_{prior:g}" for prior in self.config.priors)
        has_books = all(self.config.books_90day in rows.column_names for rows in (train, valid))
        return ("utility_count", *rates, *(("books_90day",) if has_books else ()))

    def _scores_by(self, variant: str, rows: pa.Table) -> Scores:
        if variant == "books_90day":
            return missing_last(numbers(rows, self.config.books_90day))
        by_listing, unseen = self._by_listing(variant)
        codes = codes_in(rows["id_listing"], self.listings)
        return np.append(by_listing, unseen)[codes]  # code -1 reads the appended unseen score

    def _by_listing(self, variant: str) -> tuple[Scores, float]:
        """The score of each known listing, and that of an unseen one."""
        utilities = np.asarray(self.config.utilities)
        utility = self.counts @ utilities
        if variant == "utility_count":
            return utility, 0.0
        prior = float(variant.removeprefix("utility_rate_"))
        impressions = self.counts.sum(axis=1)
        totals = self.counts.sum(axis=0)
        mean = float(totals @ utilities) / max(int(totals.sum()), 1)
        return (utility + prior * mean) / (impressions + prior), mean


def stage_counts(
    rows: pa.Table, listings: pa.Array
) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """How often each listing's furthest stage was each of the four; shape ``(listings, 4)``.

    >>> rows = pa.table({"id_listing": ["a", "b", "a"], "stage": [0, 3, 0]})
    >>> stage_counts(rows, pa.array(["a", "b"])).tolist()
    [[2, 0, 0, 0], [0, 0, 0, 1]]
    """
    # One number per (listing, stage), so that one pass counts them all.
    cells = codes_in(rows["id_listing"], listings) * 4 + stages(rows)
    return np.bincount(cells, minlength=4 * len(listings)).reshape(len(listings), 4)
