"""What a guest clicked before, as vectors of listings that are learnt once a day.

Two things are known up to different times. For a search at 15:00 on day 3:

===========================  ============================  ==================================
what                         clicks that count             because
===========================  ============================  ==================================
vectors of the listings      of days 1 and 2, all guests   factorising once a day is affordable,
                                                           once a search is not; no click of
                                                           day 3 can leak into day 3
sum of the vectors that      of days 1, 2 and of day 3     a sum is cheap to keep current, and
this guest clicked           before 15:00                  the session's clicks say most
===========================  ============================  ==================================

The sum is one of day 3's vectors also for clicks of earlier days: vectors that were learnt on
different days have different axes and must not be added.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from data.schema.tables import CLICKED
from data.schema.time import DAY_S
from features.formulas.listing_vectors import VectorConfig, listing_vectors, vector_names
from features.history.id_codes import codes_of, text_of
from features.history.keyed_events import KeyedEvents, PointInTimeQuery
from features.history.packed_keys import Array, Rows, is_member, sorted_unique
from features.history.running_totals import totals_before_each_query

__all__ = [
    "ClickLog",
    "ClickedVectorSums",
    "DayVectors",
    "ListingVectors",
    "coded_vectors",
    "learnt_vectors",
]

_PAIR = ("id_user", "id_listing")
_READ = ("id_user", "stage")  # every row has a listing


@dataclass(frozen=True, kw_only=True)
class ClickedVectorSums:
    """Per search: the clicks of its guest on listings with a vector, and the vectors' sum.

    Columns: ``_vector_clicks`` and one ``_clicked_vector_v*`` per dimension (millionths); all
    null for a guest without an id.
    """

    config: VectorConfig = field(default_factory=VectorConfig)
    key: tuple[str, ...] = ("id_user",)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it adds, in their order."""
        return ("_vector_clicks", *(f"_clicked_vector{n}" for n in vector_names(self.config)))

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of rows and events that they are made from."""
        return _READ


@dataclass(frozen=True, kw_only=True)
class ListingVectors:
    """Per row: the vector of its listing, as it was learnt for the day of the search.

    Columns ``_v0``… in millionths; null where the listing has none.
    """

    config: VectorConfig = field(default_factory=VectorConfig)
    key: tuple[str, ...] = ("id_listing",)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that it adds, in their order."""
        return vector_names(self.config)

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of rows and events that they are made from."""
        return _READ


@dataclass(frozen=True, kw_only=True)
class DayVectors:
    """The vectors of one day: codes of the listings with one, sorted, and millionths (n, D)."""

    listings: Array
    vectors: Array

    def of(self, listings: Array) -> tuple[Array, Array]:
        """The vectors (n, D) of these listings, and which of them have one."""
        if len(self.listings) == 0:
            return np.zeros((len(listings), self.vectors.shape[1]), dtype=np.int64), np.zeros(
                len(listings), dtype=bool
            )
        place = np.minimum(np.searchsorted(self.listings, listings), len(self.listings) - 1)
        return self.vectors[place], self.listings[place] == listings


class ClickLog:
    """All clicks of guests with an id, so far, and the vectors of the days at hand."""

    def __init__(
        self, config: VectorConfig, vectors_of: Callable[[int], DayVectors] | None
    ) -> None:
        """``vectors_of``: where the vectors of a day were learnt already; else they are here."""
        self._config = config
        self._guests = self._listings = self._seconds = np.empty(0, dtype=np.int64)
        self._given = vectors_of
        self._learnt: dict[int, DayVectors] = {}

    def add(self, rows: Rows) -> None:
        """Add the clicks among these impressions."""
        if len(rows):
            # Blocks follow one another: what was learnt for days that are over is not asked again.
            first = int(rows.integers("search_s").min()) // DAY_S
            self._learnt = {day: of_day for day, of_day in self._learnt.items() if day >= first}
        at = np.flatnonzero((rows.integers("stage") >= int(CLICKED)) & rows.is_known("id_user"))
        self._guests = np.append(self._guests, rows.integers("id_user")[at])
        self._listings = np.append(self._listings, rows.integers("id_listing")[at])
        self._seconds = np.append(self._seconds, rows.integers("search_s")[at])

    def closing(self) -> tuple[Array, Array, Array]:
        """Guest, listing and second of each click."""
        return self._guests, self._listings, self._seconds

    def resume(self, guests: Array, listings: Array, seconds: Array) -> None:
        """Begin where another closed."""
        self._guests, self._listings, self._seconds = guests, listings, seconds

    @property
    def _days(self) -> Array:
        """The day of each click, by the clock that all seconds are counted on."""
        return np.asarray(self._seconds // DAY_S)

    def sums_before(self, query: PointInTimeQuery, days: Array) -> list[Array]:
        """Per query: clicks on listings with a vector, and the sum of each dimension.

        ``query`` is keyed by guest; ``days`` of its rows. The clicks of the queries' own block
        are among those added.
        """
        totals = [
            np.zeros(len(query.rows), dtype=np.int64) for _ in range(self._config.dimensions + 1)
        ]
        is_asking = is_member(self._guests.astype(np.uint64), query.unique)
        for day in sorted_unique(days):
            own = days == day
            vectors, has_vector = self.of_day(int(day)).of(self._listings)
            at = np.flatnonzero(is_asking & has_vector & (self._days <= day))
            clicks = KeyedEvents(
                keys=self._guests[at].astype(np.uint64),
                visible_s=self._seconds[at] + 1,
                sums=(np.ones(len(at), dtype=np.int64), *vectors[at].T),
                latest=(),
            )
            sums, _ = totals_before_each_query(query, clicks)
            totals = [np.where(own, new, old) for new, old in zip(sums, totals, strict=True)]
        return totals

    def vectors_before(self, listings: Array, days: Array) -> tuple[Array, Array]:
        """The vector (n, D) of each listing on its day, and which of them have one."""
        found = np.zeros((len(listings), self._config.dimensions), dtype=np.int64)
        has_vector = np.zeros(len(listings), dtype=bool)
        for day in sorted_unique(days):
            own = np.flatnonzero(days == day)
            found[own], has_vector[own] = self.of_day(int(day)).of(listings[own])
        return found, has_vector

    def of_day(self, day: int) -> DayVectors:
        """The vectors learnt from all clicks before this day."""
        if self._given is not None:
            return self._given(day)
        if day not in self._learnt:
            earlier = self._days < day
            self._learnt[day] = coded_vectors(
                learnt_vectors(
                    text_of(self._guests[earlier]), text_of(self._listings[earlier]), self._config
                )
            )
        return self._learnt[day]


def learnt_vectors(guests: pl.Series, listings: pl.Series, config: VectorConfig) -> pl.DataFrame:
    """Vectors from clicks: one row per listing that has one, ``id_listing`` and ``_v0``….

    The clicks may come in any order and more than once: they are learnt from as pairs in
    order of the ids, so that the last bit depends on nothing else.
    """
    pairs = pl.DataFrame({"id_user": guests, "id_listing": listings}).unique().sort(_PAIR)
    learnt: Any = pl.from_arrow(listing_vectors(pairs.to_arrow(), config))
    return pl.DataFrame(learnt)


def coded_vectors(learnt: pl.DataFrame) -> DayVectors:
    """What :func:`learnt_vectors` gave, by the codes of this process."""
    codes = codes_of(learnt["id_listing"])
    order = np.argsort(codes)
    vectors = learnt.drop("id_listing").to_numpy().astype(np.int64)
    return DayVectors(listings=codes[order], vectors=vectors[order])
