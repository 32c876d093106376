"""A world whose free nights are known, and the log that it leaves."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from models.availability.availability_model import OccupancyRows
from models.availability.config import AvailabilityConfig
from models.availability.detection import DetectionRows
from models.availability.night_evidence import NightEvidence
from models.availability.stays import Booked, DatedSearches, Listings, ShownStays, StayLog

DAY, DAY_S = 100, 86_400
CONFIG = AvailabilityConfig(rounds=40, min_rows_per_leaf=50, shapes=(4.0, 16.0, 1e9), threads=1)
"""As small as still learns what there is to learn here."""

_LISTINGS, _SEARCHES, _NIGHTS, _LONGEST = 120, 700, 20, 3
_HORIZON = 30


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def catalogue(size: int, **known: Any) -> Listings:
    """Listings of one market of which nothing else is known."""
    unknown = np.full(size, np.nan)
    fields = {
        "market_L": np.zeros(size, dtype=np.int64),
        "occupancy_L": unknown,
        "attributes_LA": np.zeros((size, 0)),
        "fewest_L": unknown,
        "most_L": unknown,
    }
    return Listings(**{**fields, **known})


NO_STAYS = StayLog(
    shown=ShownStays(listing_R=ints(), checkin_R=ints(), checkout_R=ints(), second_R=ints()),
    searches=DatedSearches(market_S=ints(), checkin_S=ints(), checkout_S=ints(), second_S=ints()),
    booked=Booked(listing_B=ints(), checkin_B=ints(), checkout_B=ints(), known_B=ints()),
)


class World:
    """Listings with free and taken nights; each search shows a free one with its own chance.

    Two days of searches are what is known on the morning of ``DAY``, which is learnt from.
    Nights are taken by chance as often as the listing's occupancy says.
    """

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.listings = catalogue(_LISTINGS, occupancy_L=rng.uniform(0.1, 0.9, _LISTINGS))
        nights = _NIGHTS + _LONGEST
        is_free = rng.random((_LISTINGS, nights)) > self.listings.occupancy_L[:, None]
        often = rng.uniform(0.02, 0.2, _LISTINGS)
        self._first = rng.integers(0, _NIGHTS, _SEARCHES)
        self._length = rng.integers(1, _LONGEST + 1, _SEARCHES)
        self._second = np.sort(rng.integers((DAY - 2) * DAY_S, (DAY + 1) * DAY_S, _SEARCHES))
        stays = zip(self._first, self._length, strict=True)
        self._is_free = np.stack([is_free[:, f : f + n].all(axis=1) for f, n in stays])
        self._is_shown = self._is_free & (rng.random(self._is_free.shape) < often)

    def log(self) -> StayLog:
        search, listing = np.nonzero(self._is_shown)
        checkin, checkout = DAY + self._first, DAY + self._first + self._length
        return StayLog(
            shown=ShownStays(
                listing_R=listing,
                checkin_R=checkin[search],
                checkout_R=checkout[search],
                second_R=self._second[search],
            ),
            searches=DatedSearches(
                market_S=np.zeros(_SEARCHES, dtype=np.int64),
                checkin_S=checkin,
                checkout_S=checkout,
                second_S=self._second,
            ),
            booked=NO_STAYS.booked,
        )

    def evidence(self, log: StayLog) -> NightEvidence:
        return NightEvidence.of(log, self.listings, first_night=DAY, nights=_HORIZON)

    def morning(self) -> NightEvidence:
        return self.evidence(self.log().before(DAY * DAY_S))

    def _pairs(self) -> tuple[Any, Any]:
        """Search and listing of all pairs of ``DAY``."""
        today = np.flatnonzero(self._second >= DAY * DAY_S)
        return np.repeat(today, _LISTINGS), np.tile(np.arange(_LISTINGS), len(today))

    def stays(self) -> tuple[Any, Any, Any]:
        """Listing, check-in and check-out of all pairs of ``DAY``."""
        search, listing = self._pairs()
        checkin = DAY + self._first[search]
        return listing, checkin, checkin + self._length[search]

    def is_free(self) -> Any:
        """Whether each of these stays is."""
        return self._is_free[self._pairs()]

    def rows(self) -> OccupancyRows:
        """What is learnt from: these pairs, with what was known that morning."""
        search, listing = self._pairs()
        morning, whole = self.morning(), self.evidence(self.log())
        expected, times = whole.expected_and_seen(*self.stays())
        was_shown = self._is_shown[search, listing]
        detection = DetectionRows(
            inputs_PD=np.log(morning.rate_L[listing])[:, None],
            search_P=search - search.min(),
            was_shown_P=was_shown,
            weight_P=np.ones(len(search)),
            is_anchor_P=morning.is_covered(*self.stays()),
            expected_P=expected - whole.rate_L[listing],
            seen_P=times - was_shown,
        )
        return OccupancyRows(inputs_PD=morning.inputs(*self.stays()), detection=detection)


@cache
def world() -> World:
    return World(3)


@cache
def rows() -> OccupancyRows:
    return world().rows()


def chosen(of: OccupancyRows, at: Any) -> OccupancyRows:
    """These rows alone."""
    names = DetectionRows.__dataclass_fields__
    detection = DetectionRows(**{name: getattr(of.detection, name)[at] for name in names})
    return replace(of, inputs_PD=of.inputs_PD[at], detection=detection)
