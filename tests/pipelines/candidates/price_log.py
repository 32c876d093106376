"""Impressions whose prices follow known factors of weekdays and a holiday."""

from __future__ import annotations

import polars as pl

from pipelines.feature_table.arrow_conversion import frame_of
from tests.models.stay_price.made_up_log import FIRST_DAY, HOLIDAY, rows, shown

__all__ = ["BASES", "CARNIVAL", "MARKET", "guest_asks", "price_log"]

BASES = {f"l{i}": 80.0 + 40 * i for i in range(8)}
"""What a plain night costs, by listing."""

CARNIVAL = (min(HOLIDAY), max(HOLIDAY) + 1)
"""Check-in and check-out of the two nights that cost 2 and 2.5 times as much."""

MARKET = "m"


def price_log(*asked: pl.DataFrame) -> pl.DataFrame:
    """Sixty searches for each listing, and these: all of ``FIRST_DAY``."""
    log = frame_of(shown(BASES, stays_each=60)).with_row_index("row")
    named = log.with_columns(
        id_search=pl.concat_str(pl.lit("s"), "row"), id_user=pl.concat_str(pl.lit("u"), "row")
    )
    together = pl.concat([named.drop("row"), *asked], how="diagonal")
    return together.with_columns(
        search_day=pl.lit(FIRST_DAY, pl.Int32), ds_search=pl.lit(FIRST_DAY, pl.Int32).cast(pl.Date)
    )


def guest_asks(
    guest: str, checkin: int | None, checkout: int | None, **query: object
) -> pl.DataFrame:
    """One search of one guest, which shows the first listing without a price."""
    stay = {"id_listing": "l0", "checkin_day": checkin, "checkout_day": checkout}
    row = frame_of(rows(stay))
    # The last second of the day: the guest has not searched since.
    given = {"id_search": f"of {guest}", "id_user": guest, **query}
    return row.with_columns(pl.col("search_s") + 86_399, **{n: pl.lit(v) for n, v in given.items()})
