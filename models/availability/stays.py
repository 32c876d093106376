"""What a log says of stays: where dated searches showed a listing, who searched, what was booked.

Codes are rows of the catalogue that the caller has at hand; days count from 1970, nights are
named by the day on which they begin.

Shapes: R rows that showed a listing, S searches, B bookings, L listings, P pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from models.arrow_columns import Codes, Numbers

__all__ = ["Booked", "DatedSearches", "Listings", "ShownStays", "StayLog"]

Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, kw_only=True)
class ShownStays:
    """One entry per listing that a dated search showed: it could be booked for these nights.

    Attributes:
        listing_R, checkin_R, checkout_R: of which listing, for which nights.
        second_R: when the search was made.
    """

    listing_R: Codes
    checkin_R: Codes
    checkout_R: Codes
    second_R: Codes

    def __len__(self) -> int:
        return len(self.listing_R)


@dataclass(frozen=True, kw_only=True)
class DatedSearches:
    """One entry per dated search: its market (a code), its nights, and when it was made."""

    market_S: Codes
    checkin_S: Codes
    checkout_S: Codes
    second_S: Codes


@dataclass(frozen=True, kw_only=True)
class Booked:
    """One entry per booking; known from the second ``known_B`` on."""

    listing_B: Codes
    checkin_B: Codes
    checkout_B: Codes
    known_B: Codes


@dataclass(frozen=True, kw_only=True)
class Listings:
    """The catalogue: one entry per listing.

    Attributes:
        market_L: code of its market.
        occupancy_L: share of its nights that are usually taken, 0 to 1; NaN where not given.
        attributes_LA: numbers by which searches may rank it, in a fixed order; NaN where
            unknown.
        fewest_L, most_L: nights that a stay must have; NaN where there is no such bound.
    """

    market_L: Codes
    occupancy_L: Numbers
    attributes_LA: Numbers
    fewest_L: Numbers
    most_L: Numbers

    def __len__(self) -> int:
        return len(self.market_L)

    def takes(self, listing_P: Codes, nights_P: Codes) -> Flags:
        """Whether a listing takes stays of so many nights; an unknown bound forbids nothing."""
        too_short_P = nights_P < self.fewest_L[listing_P]
        too_long_P = nights_P > self.most_L[listing_P]
        return np.asarray(~too_short_P & ~too_long_P)


@dataclass(frozen=True, kw_only=True)
class StayLog:
    """All that a log says of stays, up to some second."""

    shown: ShownStays
    searches: DatedSearches
    booked: Booked

    def since(self, second: int) -> Self:
        """What was shown, asked and booked from this second on."""
        return type(self)(
            shown=_chosen(self.shown, self.shown.second_R >= second),
            searches=_chosen(self.searches, self.searches.second_S >= second),
            booked=_chosen(self.booked, self.booked.known_B > second),
        )

    def before(self, second: int) -> Self:
        """What was known strictly before this second."""
        return type(self)(
            shown=_chosen(self.shown, self.shown.second_R < second),
            searches=_chosen(self.searches, self.searches.second_S < second),
            # known from the second on: a search of that second knows it
            booked=_chosen(self.booked, self.booked.known_B <= second),
        )


def _chosen(entries: Any, mask: Flags) -> Any:
    return type(entries)(**{f.name: getattr(entries, f.name)[mask] for f in fields(entries)})
