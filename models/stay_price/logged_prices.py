"""The prices that a log shows, without fee and length factor: what the estimate learns from.

Legend: N rows with a price.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from data.schema.time import DAY_S
from models.arrow_columns import Codes, Numbers, codes_in, numbers, require_columns, sorted_ids
from models.stay_price.stays import IMPOSSIBLE, Stays

__all__ = ["LoggedPrices"]


@dataclass(frozen=True, kw_only=True)
class LoggedPrices:
    """One entry per row of the log that shows a price, shape (N,).

    Attributes:
        markets, ids: the words behind the codes, sorted.
        market, listing: codes; a listing of two markets has two.
        listing_market, listing_id: the codes behind each listing's.
        days: days since the log's first day began; 0 in every row where the log has no time.
        checkin, nights: first night and number of nights; 0 and ``DATELESS`` without dates.
        for_nights: price less the fee, over the length factor.
    """

    markets: pa.Array
    ids: pa.Array
    market: Codes
    listing: Codes
    listing_market: Codes
    listing_id: Codes
    days: Numbers
    checkin: Codes
    nights: Codes
    for_nights: Numbers

    @classmethod
    def of_rows(cls, rows: pa.Table) -> Self:
        """The rows that can be learnt from; see `StayPrices.fit` for columns and nulls."""
        require_columns(
            rows, ("market", "id_listing", "listing_total_price"), model="the estimate of prices"
        )
        markets, ids = sorted_ids(rows["market"]), sorted_ids(rows["id_listing"])
        market, listing_id = codes_in(rows["market"], markets), codes_in(rows["id_listing"], ids)
        stays = Stays.of_rows(rows, market)
        nights = stays.nights()
        for_nights = numbers(rows, "listing_total_price") - stays.fees()
        for_nights /= stays.length_factors(nights)
        known = (market >= 0) & (listing_id >= 0) & (nights != IMPOSSIBLE)
        known &= np.isfinite(for_nights) & (for_nights > 0)
        pairs, listing = np.unique((market * len(ids) + listing_id)[known], return_inverse=True)
        return cls(
            markets=markets,
            ids=ids,
            market=market[known],
            listing=listing,
            listing_market=pairs // max(len(ids), 1),
            listing_id=pairs % max(len(ids), 1),
            days=_days(rows)[known],
            checkin=stays.first_nights(nights)[known],
            nights=nights[known],
            for_nights=for_nights[known],
        )


def _days(rows: pa.Table) -> Numbers:
    if "search_s" in rows.column_names:
        days = numbers(rows, "search_s") / DAY_S
    elif "search_day" in rows.column_names:
        days = numbers(rows, "search_day")
    else:
        days = np.zeros(rows.num_rows)
    return days - np.floor(days.min()) if len(days) else days
