"""What is measured of a market's day: the rows of the ``quality`` table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import polars as pl

from data.schema.tables import QUALITY
from pipelines.monitoring.config import MonitoringConfig

__all__ = ["MarketDays", "Measure", "as_frame", "measure_in_words"]

# Kinds of the table ``quality``, before the name of what is measured.
_KINDS = {
    "psi": "the distribution of",
    "null_share": "the share of empty values of",
    "rate": "the rate of",
    "rows": "the number of",
    "quarantine": "the share in quarantine for",
}

_SCHEMA = {
    "market": pl.String,
    "ds": pl.Date,
    "kind": pl.String,
    "name": pl.String,
    "value": pl.Float64,
    "reference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "is_flagged": pl.Boolean,
}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One measure of one market on one day; a row of the ``quality`` table.

    ``is_flagged`` is ``None`` where nothing was compared: no earlier day, or a measure that
    cannot be compared.
    """

    market: str
    ds: date
    kind: str
    name: str
    value: float
    reference: float | None = None
    low: float | None = None
    high: float | None = None
    is_flagged: bool | None = None


def measure_in_words(kind: str, name: str) -> str:
    """A measure for a person.

    >>> measure_in_words("psi", "query_nights"), measure_in_words("rows", "searches")
    ('the distribution of query_nights', 'the number of searches')
    """
    return f"{_KINDS.get(kind, f'{kind} of')} {name}"


def as_frame(measures: Iterable[Measure]) -> pl.DataFrame:
    """The measures as rows of the table, in its order."""
    rows = [asdict(measure) for measure in measures]
    frame = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
    return frame.sort(list(QUALITY.key))


@dataclass(frozen=True, kw_only=True)
class MarketDays:
    """The days of one market, in order, and the limits that they are compared by."""

    market: str
    days: Sequence[date]
    last_training: date
    config: MonitoringConfig

    def flagged(
        self, is_odd: Callable[[int, list[int]], bool | None]
    ) -> Iterator[tuple[int, bool | None]]:
        """Each day's position and whether it is flagged.

        ``is_odd(day, earlier)`` is handed positions: a day, and the training days before it
        that were not flagged; it returns ``None`` where it cannot tell. Without an earlier
        day it is not asked.
        """
        earlier: list[int] = []
        for place, day in enumerate(self.days):
            is_flagged = is_odd(place, earlier) if earlier else None
            if not is_flagged and day <= self.last_training:
                earlier.append(place)
            yield place, is_flagged

    def measure(self, place: int, **values: Any) -> Measure:
        """A measure of one of the days."""
        return Measure(market=self.market, ds=self.days[place], **values)
