"""Every way in which a log becomes features, as functions of the log: they give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from data.schema.event_visibility import OUTCOME_DAY, OUTCOME_KNOWN
from data.schema.feature_set import FeatureSet
from features.all_features import available_features
from features.build import build_features
from features.build_candidates import build_candidates
from features.build_in_blocks import BLOCK_ROWS, Closing, build_by_day
from tests.features.without_spark import build_in_partitions

__all__ = [
    "AT_ONCE",
    "BY_DAY",
    "CANDIDATES",
    "ENGINES",
    "KEPT_TOTALS",
    "KEY",
    "OTHERS",
    "PARTITIONS",
    "Engine",
]

KEY = ["id_search", "id_listing"]
_OUTCOMES = ["stage", *OUTCOME_DAY.values(), *OUTCOME_KNOWN.values()]

Build = Callable[[pl.DataFrame, FeatureSet | None, int | None], pl.DataFrame]


@dataclass(frozen=True)
class Engine:
    """A way to build.

    Attributes:
        name: what its tests are called.
        way: the rows with these features (all by default), of this day or later.
    """

    name: str
    way: Build

    def build(
        self,
        log: pl.DataFrame,
        features: FeatureSet | None = None,
        since_day: int | None = None,
    ) -> pl.DataFrame:
        """The features table, by search and listing."""
        return self.way(log, features, since_day).sort(KEY)

    def __str__(self) -> str:
        return self.name


def _at_once(log: pl.DataFrame, features: FeatureSet | None, since_day: int | None) -> pl.DataFrame:
    return build_features(log, log, features=features, since_day=since_day)


def _by_day(block_rows: int, *, is_shuffled: bool = False) -> Build:
    def way(log: pl.DataFrame, features: FeatureSet | None, since_day: int | None) -> pl.DataFrame:
        days = [d for d in log["search_day"].unique() if since_day is None or d >= since_day]
        rows = log.sample(fraction=1, shuffle=True, seed=1) if is_shuffled else log
        blocks = build_by_day(rows.lazy(), days, features=features, block_rows=block_rows)
        none = build_features(log.clear(), log.clear(), features=features)
        return pl.concat([none, *(block.rows for block in blocks)])

    return way


def _from_kept_totals(
    log: pl.DataFrame, features: FeatureSet | None, since_day: int | None
) -> pl.DataFrame:
    """Each day in a build of its own, from the closing totals of the day before."""
    parts = [build_features(log.clear(), log.clear(), features=features)]
    kept: dict[int, Closing] = {}
    for day in log["search_day"].unique().sort():
        before = log.filter(pl.col("search_day") < day)["search_day"].max()
        opening = kept.get(before)  # none, where that day had not ended when this one began
        blocks = build_by_day(
            log.lazy(),
            [day],
            features=features,
            block_rows=50,
            opening=opening,
            closing_days=[day],
            on_close=kept.__setitem__,
        )
        built = [block.rows for block in blocks]
        parts += built if since_day is None or day >= since_day else []
    return pl.concat(parts)


def _as_candidates(
    log: pl.DataFrame, features: FeatureSet | None, since_day: int | None
) -> pl.DataFrame:
    """The rows without their outcomes, as listings that were never shown; then with them again."""
    chosen = available_features(dict(log.schema)) if features is None else features
    rows = log.sort("search_s", *KEY)
    if since_day is not None:
        rows = rows.filter(pl.col("search_day") >= since_day)
    candidates = rows.drop(_OUTCOMES, strict=False)
    seconds = candidates.partition_by("search_s", maintain_order=True)
    blocks = [pl.concat(seconds[n : n + 8]) for n in range(0, len(seconds), 8)]
    pairs = candidates.select(n for n in ("id_user", "id_listing") if n in candidates.columns)
    built = build_candidates(blocks, log.lazy(), pairs=pairs, features=chosen, block_rows=60)
    like = build_features(log.clear(), log.clear(), features=chosen)
    found = pl.concat([like.drop(_OUTCOMES, strict=False), *built])
    outcomes = rows.select(n for n in _OUTCOMES if n in rows.columns)
    return found.hstack(outcomes).select(like.columns)


AT_ONCE = Engine("at once", _at_once)
BY_DAY = Engine("by day, in small blocks", _by_day(50))
CANDIDATES = Engine("as candidates", _as_candidates)
PARTITIONS = Engine("partitions of a cluster", build_in_partitions)
KEPT_TOTALS = Engine("days from kept totals", _from_kept_totals)
OTHERS = (
    BY_DAY,
    KEPT_TOTALS,
    Engine("by day, rows in any order", _by_day(60, is_shuffled=True)),
    Engine("by day, in one block", _by_day(BLOCK_ROWS)),
    CANDIDATES,
    PARTITIONS,
)
ENGINES = (AT_ONCE, *OTHERS)
