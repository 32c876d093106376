"""What was seen of every listing's nights before a moment, and what of it speaks on a stay.

A dated search shows only listings that can be booked on its nights. So a night that was shown
was free when it was shown; a night that many searches could have shown, and none did, is
probably taken. Three searches of a market with two listings, for the nights 1 to 4:

==========  ===========  ===========  ==================================
search for  showed       night        1    2    3    4
==========  ===========  ===========  ==================================
1, 2        a            demand       1    2    2    1   searches for it
2, 3        a, b         a shown      1    2    1    0   times
3, 4        b            b shown      0    1    2    1   times
==========  ===========  ===========  ==================================

Nights 1 to 3 of a are *covered*: a stay there is known to have been free. Night 4 of a was
searched once and not shown; how much that says depends on how often a is shown when it is free:

>>> from models.availability.stays import Booked, DatedSearches
>>> log = StayLog(
...     shown=ShownStays(
...         listing_R=np.array([0, 0, 1, 1]),
...         checkin_R=np.array([1, 2, 2, 3]),
...         checkout_R=np.array([3, 4, 4, 5]),
...         second_R=np.array([10, 20, 20, 30]),
...     ),
...     searches=DatedSearches(
...         market_S=np.zeros(3, int),
...         checkin_S=np.array([1, 2, 3]),
...         checkout_S=np.array([3, 4, 5]),
...         second_S=np.array([10, 20, 30]),
...     ),
...     booked=Booked(
...         listing_B=np.array([1]),
...         checkin_B=np.array([4]),
...         checkout_B=np.array([5]),
...         known_B=np.array([40]),
...     ),
... )
>>> both = Listings(
...     market_L=np.zeros(2, int),
...     occupancy_L=np.array([0.5, 0.5]),
...     attributes_LA=np.zeros((2, 0)),
...     fewest_L=np.ones(2),
...     most_L=np.full(2, np.nan),
... )
>>> seen = NightEvidence.of(log, both, first_night=1, nights=4)
>>> a, b = np.array([0, 0]), np.array([1, 1])
>>> seen.is_covered(a, np.array([1, 3]), np.array([4, 5])).tolist()  # nights 1-3, nights 3-4
[True, False]
>>> seen.is_booked(b, np.array([3, 4]), np.array([4, 5])).tolist()  # night 3, night 4
[False, True]
>>> seen.last_shown(a, np.array([1, 3]), np.array([4, 5])).tolist()  # oldest news of its nights
[10, -1]

Shapes: L listings, M markets, H nights of the horizon, P pairs of listing and stay, D inputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from models.arrow_columns import Codes, Numbers
from models.availability.stays import Listings, ShownStays, StayLog

__all__ = ["INPUTS", "MOST_NIGHTS", "NightEvidence"]

INPUTS = (
    "covered",
    "covered_share",
    "times_shown",
    "log_occupancy_ahead",
    "covered_and_occupied",
    "missed",
    "missed_nights",
    "log_nights",
    "is_booked",
)
"""What :meth:`NightEvidence.inputs` gives, in its order."""

OCCUPANCY_DAYS = 30.0
"""Nights are booked ahead: a listing's occupancy is expected to fall to 1/e so many days ahead."""

MOST_NIGHTS = 550
"""The farthest horizon: a year and a half ahead."""

NEVER_SHOWN = -1

Flags = np.ndarray[Any, np.dtype[np.bool_]]
_FLOOR = 0.01  # of occupancy ahead, so that its logarithm is finite


@dataclass(frozen=True, kw_only=True)
class NightEvidence:
    """Sums over nights, as they were known before a moment.

    Attributes:
        first_night: of the horizon, days since 1970; earlier nights are not asked for.
        listings: the catalogue.
        covered_LH, booked_LH: nights before each night that were shown, and that are booked.
        count_LH: sum over the nights before of the times that each was shown.
        demand_MH: sum over the nights before of the dated searches that hold them.
        missed_LH: the same over the nights that the listing was not shown for.
        last_shown_LH: second of the last search that showed the night; -1 = never.
        rate_L: times shown per search for a night: how often a listing is shown at all.
    """

    first_night: int
    listings: Listings
    covered_LH: Codes
    booked_LH: Codes
    count_LH: Codes
    demand_MH: Numbers
    missed_LH: Numbers
    last_shown_LH: Codes
    rate_L: Numbers

    @classmethod
    def of(cls, log: StayLog, listings: Listings, *, first_night: int, nights: int) -> Self:
        """From a log that was cut at the moment (:meth:`StayLog.before`)."""
        window = _Window(first_night, nights)
        shown, booked, searches = log.shown, log.booked, log.searches
        markets = int(listings.market_L.max(initial=0)) + 1
        count_LH = window.counts(len(listings), shown.listing_R, shown.checkin_R, shown.checkout_R)
        taken_LH = window.counts(
            len(listings), booked.listing_B, booked.checkin_B, booked.checkout_B
        )
        demand_MH = window.counts(
            markets, searches.market_S, searches.checkin_S, searches.checkout_S
        ).astype(np.float32)
        is_covered = count_LH > 0
        missed_LH = np.where(is_covered, np.float32(0), demand_MH[listings.market_L])
        of_market = demand_MH.sum(axis=1, dtype=np.float64)[listings.market_L]
        return cls(
            first_night=first_night,
            listings=listings,
            covered_LH=_before(is_covered, np.int16),
            booked_LH=_before(taken_LH > 0, np.int16),
            count_LH=_before(count_LH, np.int32),
            demand_MH=_before(demand_MH, np.float64),
            missed_LH=_before(missed_LH, np.float32),
            last_shown_LH=window.latest(len(listings), shown),
            # half a time shown in one more search: a listing never shown has a small rate
            rate_L=(count_LH.sum(axis=1) + 0.5) / (of_market + 1.0),
        )

    @property
    def horizon(self) -> int:
        """Nights from ``first_night`` on that can be asked for."""
        return int(self.covered_LH.shape[1]) - 1

    def is_covered(self, listing_P: Codes, checkin_P: Codes, checkout_P: Codes) -> Flags:
        """Whether each night of the stay was shown."""
        start_P, end_P = self._places(checkin_P, checkout_P)
        covered_P = self.covered_LH[listing_P, end_P] - self.covered_LH[listing_P, start_P]
        return np.asarray(covered_P == end_P - start_P)

    def is_booked(self, listing_P: Codes, checkin_P: Codes, checkout_P: Codes) -> Flags:
        """Whether a night of the stay is known to be booked."""
        start_P, end_P = self._places(checkin_P, checkout_P)
        return np.asarray(self.booked_LH[listing_P, end_P] > self.booked_LH[listing_P, start_P])

    def last_shown(self, listing_P: Codes, checkin_P: Codes, checkout_P: Codes) -> Codes:
        """The second up to which all nights of the stay are known to have been free; -1 = never.

        Of a stay whose nights were last shown at different times it is the earliest of these.
        """
        start_P, end_P = self._places(checkin_P, checkout_P)
        earliest_P = self.last_shown_LH[listing_P, start_P].astype(np.int64)
        for night in range(1, int((end_P - start_P).max(initial=0))):
            at = np.flatnonzero(start_P + night < end_P)
            seen = self.last_shown_LH[listing_P[at], start_P[at] + night]
            earliest_P[at] = np.minimum(earliest_P[at], seen)
        return earliest_P

    def inputs(self, listing_P: Codes, checkin_P: Codes, checkout_P: Codes) -> Numbers:
        """What speaks on each stay, shape (P, D), in the order of :data:`INPUTS`.

        ``missed``: log(1 + how often the listing should have been shown, were it free, by the
        searches for the nights for which it was not): the rate at which it is shown times the
        searches, per night of the stay.
        """
        start_P, end_P = self._places(checkin_P, checkout_P)
        nights_P = (end_P - start_P).astype(np.float32)

        def over_stay(sums: Numbers | Codes) -> Numbers:
            return np.asarray(sums[listing_P, end_P] - sums[listing_P, start_P], dtype=np.float32)

        covered_P = over_stay(self.covered_LH)
        is_covered_P = covered_P >= nights_P
        ahead_P = self._occupancy_ahead(listing_P, start_P)
        missed_P = self.rate_L[listing_P] * over_stay(self.missed_LH)
        columns = (
            is_covered_P,
            covered_P / nights_P,
            np.log1p(over_stay(self.count_LH) / nights_P),
            np.log(ahead_P + _FLOOR),
            is_covered_P * ahead_P,
            np.log1p(missed_P),
            np.log1p(nights_P - covered_P),
            np.log(nights_P),
            over_stay(self.booked_LH) > 0,
        )
        return np.stack([np.asarray(c, dtype=np.float32) for c in columns], axis=1)

    def expected_and_seen(
        self, listing_P: Codes, checkin_P: Codes, checkout_P: Codes
    ) -> tuple[Numbers, Numbers]:
        """Times that the stay's nights should have been shown if free, and were; per night."""
        start_P, end_P = self._places(checkin_P, checkout_P)
        nights_P = end_P - start_P
        market_P = self.listings.market_L[listing_P]
        demand_P = self.demand_MH[market_P, end_P] - self.demand_MH[market_P, start_P]
        seen_P = self.count_LH[listing_P, end_P] - self.count_LH[listing_P, start_P]
        return self.rate_L[listing_P] * demand_P / nights_P, seen_P / nights_P

    def demand_per_night(self, market_P: Codes, checkin_P: Codes, checkout_P: Codes) -> Numbers:
        """Dated searches of the market per night of the stay."""
        start_P, end_P = self._places(checkin_P, checkout_P)
        demand_P = self.demand_MH[market_P, end_P] - self.demand_MH[market_P, start_P]
        return np.asarray(demand_P / (end_P - start_P))

    def _occupancy_ahead(self, listing_P: Codes, start_P: Codes) -> Numbers:
        occupancy_L = self.listings.occupancy_L
        known = np.isfinite(occupancy_L)
        mean = float(occupancy_L[known].mean()) if known.any() else 0.0
        filled_L = np.where(known, occupancy_L, mean).astype(np.float32)
        decay_H = np.exp(-np.arange(self.horizon + 1, dtype=np.float32) / OCCUPANCY_DAYS)
        return np.asarray(filled_L[listing_P] * decay_H[start_P], dtype=np.float32)

    def _places(self, checkin_P: Codes, checkout_P: Codes) -> tuple[Codes, Codes]:
        """Columns of first and last night, within the horizon; at least one night."""
        start_P = np.clip(checkin_P - self.first_night, 0, self.horizon - 1)
        end_P = np.clip(checkout_P - self.first_night, start_P + 1, self.horizon)
        return start_P, end_P


@dataclass(frozen=True)
class _Window:
    """Nights of the horizon, and sums over stays that hold them."""

    first_night: int
    nights: int

    def counts(self, rows: int, row_E: Codes, checkin_E: Codes, checkout_E: Codes) -> Codes:
        """Entries whose stay holds each night, (rows, nights): +1 at its start, −1 at its end."""
        start_E, end_E = self._clipped(checkin_E, checkout_E)
        width = self.nights + 1
        size = rows * width
        steps = np.bincount(row_E * width + start_E, minlength=size)
        steps = steps - np.bincount(row_E * width + end_E, minlength=size)
        return np.cumsum(steps.reshape(rows, width)[:, :-1], axis=1, dtype=np.int32)

    def latest(self, rows: int, shown: ShownStays) -> Codes:
        """The last second at which each night was shown, (rows, nights); -1 = never."""
        start_R, end_R = self._clipped(shown.checkin_R, shown.checkout_R)
        latest = np.full(rows * self.nights, NEVER_SHOWN, dtype=np.int64)
        # In order of time: of several writes to one place NumPy keeps the last.
        order = np.argsort(shown.second_R, kind="stable")
        longest = int((end_R - start_R).max(initial=0))
        row_R, second_R = shown.listing_R[order], shown.second_R[order]
        start_R, end_R = start_R[order], end_R[order]
        for night in range(longest):
            at = np.flatnonzero(start_R + night < end_R)
            cell = row_R[at] * self.nights + start_R[at] + night
            np.maximum.at(latest, cell, second_R[at])
        return latest.reshape(rows, self.nights)

    def _clipped(self, checkin_E: Codes, checkout_E: Codes) -> tuple[Codes, Codes]:
        start = np.clip(checkin_E - self.first_night, 0, self.nights)
        return start, np.clip(checkout_E - self.first_night, start, self.nights)


def _before(values: Any, dtype: Any) -> Any:
    """Sums over the nights before each night: one column more than ``values``."""
    sums = np.zeros((values.shape[0], values.shape[1] + 1), dtype=dtype)
    np.cumsum(values, axis=1, out=sums[:, 1:], dtype=dtype)
    return sums
