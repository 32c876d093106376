"""What a worker of a cluster has to know of a build, small enough to be sent to it.

The plan is worked out again in each worker process, from the columns and the features: once,
not once a task.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import polars as pl

from data.schema.feature_set import FeatureSet
from features.all_features import catalogue_for
from features.definitions.plan import Plan, plan_for
from features.history.aggregation_declaration import HistoryAggregation
from features.history.clicked_vectors import ListingVectors
from features.history.known_totals import is_summable
from features.history.past_sources import PastSource

__all__ = ["Work"]


@dataclass(frozen=True)
class Work:
    """The features to build, of a log with these columns.

    Attributes:
        columns: names and Polars types of the log.
        features: what to build.
        since_day: rows of earlier days are events alone; days since 1970.
    """

    columns: tuple[tuple[str, Any], ...]
    features: FeatureSet
    since_day: int

    @classmethod
    def of(cls, columns: Mapping[str, Any], features: FeatureSet, since_day: int | None) -> Work:
        """For a log with these columns; ``None`` builds every day."""
        return cls(tuple(columns.items()), features, -(1 << 31) if since_day is None else since_day)

    @property
    def plan(self) -> Plan:
        """See :mod:`features.definitions.plan`."""
        return _plan(self)

    @property
    def shuffles(self) -> dict[str, tuple[PastSource, ...]]:
        """The sources that are answered where the rows of one key lie together, by that key's name.

        All of a guest's are answered together, and all of a listing's.
        """
        families: dict[str, list[PastSource]] = {}
        for source in self.plan.sources:
            if not (isinstance(source, ListingVectors) or source in self.summed):
                by = next((n for n in ("id_user", "id_listing") if n in source.key), source.key[0])
                families.setdefault(by, []).append(source)
        return {by: tuple(sources) for by, sources in families.items()}

    @property
    def summed(self) -> tuple[HistoryAggregation, ...]:
        """The aggregations of few keys: summed beforehand, and handed to all."""
        return tuple(
            source
            for source in self.plan.sources
            if isinstance(source, HistoryAggregation)
            and not {"id_user", "id_listing"} & set(source.key)
            and is_summable(source)
        )

    def empty(self) -> pl.DataFrame:
        """The log without rows."""
        return pl.DataFrame(schema=dict(self.columns))


@lru_cache(maxsize=4)
def _plan(work: Work) -> Plan:
    columns = dict(work.columns)
    return plan_for(catalogue_for(columns), work.features, list(columns))
