"""Stays as arrays: what was asked for, and what the host adds and takes off for it.

    price = base × Σ over the nights of the night's multiplier × factor + cleaning fee

The factor is the monthly one from 28 nights on, else the weekly one from 7 nights on, else 1
(`data.schema.long_stay`). A dateless search shows one plain night with the fee: the sum is 1,
and so is the factor.

Legend: N stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import pyarrow as pa

from data.schema.long_stay import MONTH_NIGHTS, WEEK_NIGHTS
from models.arrow_columns import Codes, Numbers, numbers

__all__ = ["DATELESS", "IMPOSSIBLE", "Stays"]

Values = np.ndarray[Any, Any]

DATELESS = 0
"""Nights of a search without dates."""

IMPOSSIBLE = -1
"""Nights of a stay that ends before its first night is over."""

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Stays:
    """One entry per stay, shape (N,); ``None`` is a column that the log does not have.

    Attributes:
        market: code of the market, from 0; -1 is an unknown one.
        checkin, checkout: days since 1970-01-01. NaN in one of them, or no column: dateless.
        fee: cleaning fee, part of the price. NaN, or no column: no fee.
        weekly_factor: multiplies the nightly price. NaN, or no column: 1.
        monthly_factor: likewise. NaN, or no column: the weekly one.
    """

    market: Codes
    checkin: Values | None = None
    checkout: Values | None = None
    fee: Values | None = None
    weekly_factor: Values | None = None
    monthly_factor: Values | None = None

    @classmethod
    def of_rows(cls, rows: pa.Table, market: Codes) -> Self:
        """The stays of ``rows``, in the columns of impressions; any may be absent."""

        def column(name: str) -> Numbers | None:
            return numbers(rows, name) if name in rows.column_names else None

        return cls(
            market=market,
            checkin=column("checkin_day"),
            checkout=column("checkout_day"),
            fee=column("listing_cleaning_fee"),
            weekly_factor=column("listing_weekly_price_factor"),
            monthly_factor=column("listing_monthly_price_factor"),
        )

    def __len__(self) -> int:
        return len(self.market)

    def chunks(self) -> Iterator[tuple[slice, Self]]:
        """The stays about a million at a time, each chunk with its place."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        given = {name: values for name, values in given.items() if values is not None}
        for start in range(0, len(self), _CHUNK):
            place = slice(start, start + _CHUNK)
            yield place, replace(self, **{name: values[place] for name, values in given.items()})

    def nights(self) -> Codes:
        """Nights of each stay, or ``DATELESS``, or ``IMPOSSIBLE``."""
        if self.checkin is None or self.checkout is None:
            return np.full(len(self), DATELESS)
        length = np.subtract(self.checkout, self.checkin, dtype=np.float64)
        is_dated = np.isfinite(length)
        length[is_dated & (length < 1)] = IMPOSSIBLE
        length[~is_dated] = DATELESS
        return length.astype(np.int64)

    def first_nights(self, nights: Codes) -> Codes:
        """Day number of each stay's first night; 0 where there is none."""
        if self.checkin is None:
            return np.zeros(len(self), dtype=np.int64)
        return np.where(nights > DATELESS, self.checkin, 0).astype(np.int64)

    def length_factors(self, nights: Codes) -> Numbers:
        """What the price of the nights is multiplied by for their number."""
        factor = np.ones(len(self))
        for values, least in (
            (self.weekly_factor, WEEK_NIGHTS),
            (self.monthly_factor, MONTH_NIGHTS),
        ):
            if values is not None:
                counts = (nights >= least) & np.isfinite(values)
                factor[counts] = values[counts]
        return factor

    def fees(self) -> Numbers:
        """Cleaning fee of each stay, 0 where none is stated."""
        if self.fee is None:
            return np.zeros(len(self))
        return np.where(np.isfinite(self.fee), self.fee, 0.0)
