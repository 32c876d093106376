"""One market's prices, each stay once, and the levels within which they are compared.

A row of the log says little new when the same listing was shown for the same stay on the same
day: of such rows the middle price counts once. A *level* is one listing over one stretch of
days. Prices are compared within a level only, so that neither a dear listing nor a price that
was raised on Thursday counts as a dear night. A listing's days are put together until they
have some distinct stays to compare. With 3 of them:

    day of the log       0    1    2    3    4
    distinct stays       2    2    5    1    1
    stays before         0    2    4    9   10
    level                0    0    1    3    3        stays before, divided by 3, rounded down

Legend: C distinct prices, L levels, G groups: distinct check-ins and numbers of nights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from models.arrow_columns import Codes, Numbers
from models.stay_price.logged_prices import LoggedPrices

__all__ = ["DistinctPrices"]


@dataclass(frozen=True, kw_only=True)
class DistinctPrices:
    """Attributes:
    log_price: logarithm of the price for the nights, shape (C,).
    level, group: codes from 0, shape (C,).
    checkin, nights: of each group, shape (G,); nights are 0 without dates.
    """

    log_price: Numbers
    level: Codes
    group: Codes
    checkin: Codes
    nights: Codes

    @classmethod
    def of_market(cls, logged: LoggedPrices, rows: Codes, *, stays_per_level: int) -> Self:
        """The prices of ``rows`` (places in ``logged``), which are of one market."""
        stays = np.stack([logged.checkin[rows], logged.nights[rows]], axis=1)
        longest = int(stays[:, 1].max()) + 1
        groups, group = np.unique(stays[:, 0] * longest + stays[:, 1], return_inverse=True)
        day = np.floor(logged.days[rows]).astype(np.int64)
        days = int(day.max()) + 1
        shown = logged.listing[rows] * days + day
        cell = shown * len(groups) + group
        middle = _middle_of_each(cell, logged.for_nights[rows])
        shown, group = shown[middle], group[middle]
        return cls(
            log_price=np.log(logged.for_nights[rows][middle]),
            level=_levels(shown, days, stays_per_level),
            group=group,
            checkin=groups // longest,
            nights=groups % longest,
        )


def _middle_of_each(cell: Codes, value: Numbers) -> Codes:
    """Place of the (lower) median value of each cell, in order of the cells."""
    order = np.lexsort((value, cell))
    starts = np.flatnonzero(np.diff(cell[order], prepend=-1))
    ends = np.r_[starts[1:], len(order)]
    return np.asarray(order[(starts + ends - 1) // 2])


def _levels(shown: Codes, days: int, stays_per_level: int) -> Codes:
    """Levels of distinct stays, from listing × days + day, which is sorted."""
    listing_days, place, stays = np.unique(shown, return_inverse=True, return_counts=True)
    listing = listing_days // days
    before = np.cumsum(stays) - stays
    before -= before[np.searchsorted(listing, listing)]
    stretch = listing * (int(before.max()) + 1) + before // stays_per_level
    return np.asarray(np.unique(stretch, return_inverse=True)[1][place])
