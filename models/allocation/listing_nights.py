"""Nights of listings, in the order of (listing, night), and which of them each stay holds.

In that order the nights of a stay at one listing stand side by side: a stay is a range from
``begin`` to ``end``. Sums over stays are differences of running totals, and sums over nights are
running totals of differences, so that both take one pass over the pairs, however long stays are.
Listing 7 with the nights 3, 4 and 9, at places 0, 1 and 2:

    stay at listing 7       begin    end    holds
    nights 4 to 9               1      3    4 and 9
    nights 5 to 8               2      2    none

Legend: G guests, K candidates of a guest, M nights of listings.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.allocation.problem import NO_LISTING, AllocationProblem
from models.arrow_columns import Codes, Numbers

__all__ = ["ListingNights", "Stays", "contested_nights"]

Index = Codes | tuple[Codes, ...]

# Use equal to the capacity is no contest, whatever the last bits of its sum are.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Stays:
    """Which of M nights each pair of guest and candidate holds: those from begin to before end."""

    begin_GK: Codes
    end_GK: Codes
    nights: int

    def sums(self, of_night_M: Numbers) -> Numbers:
        """The sum over each stay's nights; shape (G, K), exactly 0 where it holds none."""
        totals = np.concatenate([[0.0], np.cumsum(of_night_M)])
        return np.asarray(totals[self.end_GK] - totals[self.begin_GK])

    def totals(self, of_stay_GK: Numbers) -> Numbers:
        """The sum over the stays that hold each night; shape (M,)."""
        flat, places = of_stay_GK.ravel(), self.nights + 1
        starting = np.bincount(self.begin_GK.ravel(), flat, places)
        ending = np.bincount(self.end_GK.ravel(), flat, places)
        return np.asarray(np.cumsum(starting - ending)[: self.nights])

    def maxima(self, of_night_M: Numbers) -> Numbers:
        """The largest of each stay's nights; shape (G, K), 0 where it holds none.

        From maxima over 1, 2, 4, … nights: two of them, which may overlap, cover a stay.
        """
        length_GK = self.end_GK - self.begin_GK
        largest_GK, width, widest = np.zeros(length_GK.shape), 1, of_night_M
        while width <= length_GK.max(initial=0):
            at = np.nonzero((length_GK >= width) & (length_GK < 2 * width))
            last = self.end_GK[at] - width
            largest_GK[at] = np.maximum(widest[self.begin_GK[at]], widest[last])
            widest, width = np.maximum(widest[:-width], widest[width:]), 2 * width
        return largest_GK

    def some(self, which: Index) -> Stays:
        """The stays of some guests, by their rows, or of some pairs, by rows and columns."""
        return Stays(begin_GK=self.begin_GK[which], end_GK=self.end_GK[which], nights=self.nights)


@dataclass(frozen=True, kw_only=True, eq=False)
class ListingNights:
    """Nights of listings, each once, sorted by listing and then by night; shapes (M,)."""

    listing_M: Codes
    night_M: Codes

    def __len__(self) -> int:
        return len(self.listing_M)

    def stays(self, listing_GK: Codes, first_night_G: Codes, end_night_G: Codes) -> Stays:
        """Which of these nights a stay at each candidate holds; none where there is no listing."""
        span = int(self.night_M.max(initial=0)) + 1
        key_M = self.listing_M * span + self.night_M
        # Without a listing both bounds are at the begin of listing 0: an empty range.
        listing_GK = listing_GK.astype(np.int64)
        of_listing_GK = np.maximum(listing_GK, 0) * span
        is_absent_GK = listing_GK == NO_LISTING

        def place(night_G: Codes) -> Codes:
            night_G1 = np.clip(night_G.astype(np.int64), 0, span)[:, None]
            key_GK = of_listing_GK + np.where(is_absent_GK, 0, night_G1)
            return np.searchsorted(key_M, key_GK)

        return Stays(begin_GK=place(first_night_G), end_GK=place(end_night_G), nights=len(self))


def contested_nights(problem: AllocationProblem, capacity: float) -> ListingNights:
    """The nights whose expected bookings could exceed the capacity.

    They could if every guest who has the listing as a candidate had it in the first place.
    """
    # One cell more than there are nights, for a check-out on the day after the last.
    listings, span = int(problem.listing_GK.max(initial=0)) + 1, problem.nights + 1
    most_GK = problem.value_GK * problem.examined_R[0]
    of_listing_GK = np.maximum(problem.listing_GK.astype(np.int64), 0) * span

    def from_night(night_G: Codes) -> Numbers:
        cell_GK = of_listing_GK + np.clip(night_G, 0, problem.nights)[:, None]
        at_cell = np.bincount(cell_GK.ravel(), most_GK.ravel(), listings * span)
        return np.asarray(at_cell, dtype=np.float64)

    change = from_night(problem.first_night_G) - from_night(problem.end_night_G)
    use = np.cumsum(change.reshape(listings, span), axis=1)
    listing_M, night_M = np.nonzero(use > capacity * (1 + _ROUNDING))
    return ListingNights(listing_M=listing_M, night_M=night_M)
