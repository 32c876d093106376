"""Prices of nights of listings: of few, since a night that nobody contests costs nothing.

Legend: G guests, K candidates of a guest, M nights of listings that have a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from models.allocation.listing_nights import ListingNights
from models.arrow_columns import Codes, Numbers, codes_in, numbers, require_columns

__all__ = ["NightPrices"]


@dataclass(frozen=True, kw_only=True, eq=False)
class NightPrices:
    """What a night of a listing costs: the share of a booking's worth that others lose by it.

    At a price of 0.2 a booking that holds the night is worth a fifth less. A stay costs the sum
    over its nights, which may be above 1: it takes more from others than it brings.

    Raises ``ValueError`` where a price is not above 0 and finite, a code or night is below 0, or
    a night stands twice or out of order.

    >>> prices = NightPrices(
    ...     listing_M=np.array([7, 7]), night_M=np.array([3, 4]), price_M=np.array([0.2, 0.5])
    ... )
    >>> listings, check_in, check_out = np.array([[7, 8]]), np.array([3]), np.array([5])
    >>> prices.of_stays(listings, check_in, check_out).tolist()
    [[0.7, 0.0]]

    Attributes:
        listing_M: code of the listing; the rows are sorted by it, then by night.
        night_M: days after the first day.
        price_M: above 0.
    """

    listing_M: Codes
    night_M: Codes
    price_M: Numbers

    def __post_init__(self) -> None:
        if not (self.listing_M.shape == self.night_M.shape == self.price_M.shape):
            raise ValueError("NightPrices: one listing, night and price per row")
        if not ((self.price_M > 0) & np.isfinite(self.price_M)).all():
            raise ValueError("NightPrices: a price is finite and above 0")
        if (self.listing_M < 0).any() or (self.night_M < 0).any():
            raise ValueError("NightPrices: listing and night are at least 0")
        step, days = np.diff(self.listing_M), np.diff(self.night_M)
        if not ((step > 0) | ((step == 0) & (days > 0))).all():
            raise ValueError("NightPrices: each night once, sorted by listing, then by night")

    def __len__(self) -> int:
        return len(self.listing_M)

    @classmethod
    def none(cls) -> Self:
        """Prices of a day without a contested night."""
        no_code = np.zeros(0, dtype=np.int64)
        return cls(listing_M=no_code, night_M=no_code, price_M=np.zeros(0))

    @classmethod
    def from_table(cls, table: pa.Table, listing_ids: pa.Array, *, days_later: int = 0) -> Self:
        """Prices that an earlier day wrote, counted from a first day ``days_later`` after its own.

        Args:
            table: as :meth:`to_table` gives it, in any order of rows.
            listing_ids: id of the listing of each code. A price of another listing is left out,
                and so is that of a night before the new first day.
            days_later: from the first day of the table to the new one.
        """
        require_columns(table, ("listing", "night", "price"), model="prices of nights")
        listing = codes_in(table["listing"], listing_ids)
        night = np.asarray(table["night"].to_numpy(), dtype=np.int64) - days_later
        is_kept = (listing >= 0) & (night >= 0)
        listing, night, price = listing[is_kept], night[is_kept], numbers(table, "price")[is_kept]
        order = np.lexsort((night, listing))
        return cls(listing_M=listing[order], night_M=night[order], price_M=price[order])

    def to_table(self, listing_ids: pa.Array) -> pa.Table:
        """One row per night that has a price: ``listing`` (its id), ``night``, ``price``.

        Args:
            listing_ids: id of the listing of each code.
        """
        return pa.table(
            {
                "listing": listing_ids.take(pa.array(self.listing_M)),
                "night": pa.array(self.night_M, pa.int32()),
                "price": pa.array(self.price_M, pa.float64()),
            }
        )

    def of_stays(self, listing_GK: Codes, first_night_G: Codes, end_night_G: Codes) -> Numbers:
        """The sum of the prices of the nights that each stay holds; shape (G, K).

        0 for a stay that holds none of them, has no dates or has no listing. Nights are counted
        as in :class:`~models.allocation.problem.AllocationProblem`.
        """
        nights = ListingNights(listing_M=self.listing_M, night_M=self.night_M)
        return nights.stays(listing_GK, first_night_G, end_night_G).sums(self.price_M)
