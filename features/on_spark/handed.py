"""What every worker is handed: small tables that were made from all rows."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from features.formulas.listing_vectors import VectorConfig, vector_names
from features.history.clicked_vectors import DayVectors, coded_vectors
from features.history.known_totals import KnownTotals
from features.history.stage_aggregates import StageAggregate

__all__ = ["Handed"]


class Handed:
    """The sums of few keys, and the vectors of each day.

    Made ready for lookups when a worker first asks, and once: what is sent is the tables alone.
    """

    def __init__(
        self, totals: Mapping[int, pl.DataFrame], vectors: Mapping[int, pl.DataFrame]
    ) -> None:
        """``totals``: of each part by number, ``key``, ``visible_s``, ``s0``…; ``vectors``: of
        each day (since 1970), ``id_listing`` and ``_v0``…."""
        self._totals, self._vectors = dict(totals), dict(vectors)
        self._ready: dict[int, KnownTotals] = {}
        self._coded: dict[int, DayVectors] = {}

    @classmethod
    def of(cls, totals: pl.DataFrame, vectors: pl.DataFrame) -> Handed:
        """From the sums of all parts, told apart by ``part``, and the vectors by ``day``."""
        return cls(_apart(totals, "part"), _apart(vectors, "day"))

    def totals(self, number: int, part: StageAggregate) -> KnownTotals:
        """The sums of the part of this number."""
        if number not in self._ready:
            sums = len(part.names)
            none = {"key": pl.String, "visible_s": pl.Int64}
            none |= {f"s{n}": pl.Int64 for n in range(sums)}
            table = self._totals.get(number, pl.DataFrame(schema=none))
            self._ready[number] = KnownTotals(table, sums=sums, window_s=part.window_s)
        return self._ready[number]

    def vectors_of(self, day: int) -> DayVectors:
        """The vectors that were learnt before this day; none where none were."""
        if day not in self._coded:
            none = dict.fromkeys(vector_names(VectorConfig()), pl.Int64)
            learnt = self._vectors.get(day, pl.DataFrame(schema={"id_listing": pl.String, **none}))
            self._coded[day] = coded_vectors(learnt)
        return self._coded[day]

    def __getstate__(self) -> dict[str, object]:
        return {"_totals": self._totals, "_vectors": self._vectors, "_ready": {}, "_coded": {}}


def _apart(frame: pl.DataFrame, by: str) -> dict[int, pl.DataFrame]:
    if frame.is_empty():
        return {}
    parts = frame.partition_by(by, as_dict=True, include_key=False)
    return {int(key[0]): part for key, part in parts.items()}
