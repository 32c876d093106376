"""Nightly price and price of a stay: one formula and its inverse.

``stay = nightly × nights × factor + cleaning fee`` where the factor is the monthly one
from 28 nights on, else the weekly one from 7 nights on, else 1. A dateless search counts
as one night. A fee or factor that is not stated takes no part (0 and 1): that is what
not stating one means to a guest.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from data.schema.long_stay import MONTH_NIGHTS, WEEK_NIGHTS

__all__ = [
    "PRICE_PARTS",
    "nightly_price",
    "nights",
    "stay_price",
]

PRICE_PARTS = (
    "checkin_day",
    "checkout_day",
    "listing_cleaning_fee",
    "listing_weekly_price_factor",
    "listing_monthly_price_factor",
)
"""What is taken off the price of a stay, where the log has it."""


def nights(columns: Collection[str]) -> pl.Expr:
    """Searched nights, 1 for a dateless search or a log without dates; never null."""
    if not {"checkin_day", "checkout_day"} <= set(columns):
        return pl.lit(1)
    return (pl.col("checkout_day") - pl.col("checkin_day")).fill_null(1)


def nightly_price(columns: Collection[str]) -> pl.Expr:
    """The listing's nightly price before discounts, from ``listing_total_price``.

    ``columns`` are those of the frame; fee and factors that it lacks take no part. Null
    where the price is unknown, or where the fee leaves nothing of it.
    """
    for_nights = pl.col("listing_total_price").cast(pl.Float64) - _fee(columns)
    price = for_nights / (nights(columns) * _factor(columns))
    return pl.when(price > 0).then(price)


def stay_price(columns: Collection[str], *, nightly: str) -> pl.Expr:
    """The price of the searched stay from the nightly price in column ``nightly``.

    The inverse of :func:`nightly_price`: fee included, null where ``nightly`` is null.
    """
    return pl.col(nightly) * nights(columns) * _factor(columns) + _fee(columns)


def _fee(columns: Collection[str]) -> pl.Expr:
    return _stated("listing_cleaning_fee", 0.0, columns)


def _factor(columns: Collection[str]) -> pl.Expr:
    stay = nights(columns)
    weekly = _stated("listing_weekly_price_factor", 1.0, columns)
    monthly = weekly
    if "listing_monthly_price_factor" in columns:
        monthly = pl.coalesce(pl.col("listing_monthly_price_factor").cast(pl.Float64), weekly)
    one = pl.lit(1.0)
    return (
        pl.when(stay >= MONTH_NIGHTS)
        .then(monthly)
        .when(stay >= WEEK_NIGHTS)
        .then(weekly)
        .otherwise(one)
    )


def _stated(name: str, otherwise: float, columns: Collection[str]) -> pl.Expr:
    if name not in columns:
        return pl.lit(otherwise)
    return pl.col(name).cast(pl.Float64).fill_null(otherwise)
