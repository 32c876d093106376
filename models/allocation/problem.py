"""What is to be allocated: guests with their candidates and nights, and how lists are examined.

Legend: G guests, K candidates of a guest, R places of a list.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrow_columns import Codes, Numbers

__all__ = ["NO_LISTING", "AllocationProblem"]

NO_LISTING = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class AllocationProblem:
    """Guests who search on one day, and what each candidate is worth to each of them.

    Raises ``ValueError`` where shapes do not fit, or a value is out of its range.

    Attributes:
        value_GK: P(the guest books the candidate | examined), availability included, from 0 to 1;
            0 where there is no candidate.
        listing_GK: code of the candidate's listing, from 0; ``NO_LISTING`` where there is none.
            A guest has a listing once.
        first_night_G: the day of check-in, counted from the first day, which is 0.
        end_night_G: the day of check-out, whose night is not part of the stay. A guest without
            dates has it equal to the check-in, and takes no night.
        examined_R: P(examined) of the places 1 to R of a list, from 1 to 0, never rising.
        nights: days from the first one; nights outside are not counted.
    """

    value_GK: Numbers
    listing_GK: Codes
    first_night_G: Codes
    end_night_G: Codes
    examined_R: Numbers
    nights: int

    def __post_init__(self) -> None:
        guests = len(self.value_GK)
        if self.value_GK.ndim != 2 or self.listing_GK.shape != self.value_GK.shape:
            raise ValueError(
                "value_GK and listing_GK have one shape (guests, candidates); "
                f"found {self.value_GK.shape} and {self.listing_GK.shape}"
            )
        for name, days in (("first", self.first_night_G), ("end", self.end_night_G)):
            if days.shape != (guests,) or days.dtype.kind not in "iu":
                raise ValueError(
                    f"{name}_night_G has one whole number for each of {guests} guests; "
                    f"found shape {days.shape} of {days.dtype}"
                )
        self._check_candidates()
        _refuse_first(self.end_night_G < self.first_night_G, "check-out is before check-in")
        if self.nights < 1:
            raise ValueError(f"nights is at least 1; found {self.nights}")
        falls = np.diff(self.examined_R) <= 0
        if self.examined_R.ndim != 1 or not len(self.examined_R) or not falls.all():
            raise ValueError(f"examined_R never rises, one place at least; found {self.examined_R}")
        if not 0 < self.examined_R[0] <= 1 or self.examined_R[-1] < 0:
            raise ValueError(f"examined_R is from 1 to 0, not all 0; found {self.examined_R}")

    def _check_candidates(self) -> None:
        if self.listing_GK.dtype.kind not in "iu":
            raise ValueError(f"listing_GK has whole numbers; found {self.listing_GK.dtype}")
        # Written so that NaN is refused.
        _refuse_first(~((self.value_GK >= 0) & (self.value_GK <= 1)), "value is not from 0 to 1")
        _refuse_first(self.listing_GK < NO_LISTING, "listing code is below -1")
        is_absent = self.listing_GK == NO_LISTING
        _refuse_first(is_absent & (self.value_GK != 0), "a value without a listing")
        in_order = np.sort(self.listing_GK, axis=1)
        is_twice = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] != NO_LISTING)
        _refuse_first(is_twice, "a listing stands twice")


def _refuse_first(is_wrong: np.ndarray, what: str) -> None:
    guests = np.flatnonzero(is_wrong.any(axis=1) if is_wrong.ndim == 2 else is_wrong)
    if len(guests):
        raise ValueError(f"{what}: guest {guests[0]}, and {len(guests) - 1} more")
