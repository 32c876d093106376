"""A made-up log whose prices follow known factors to the cent."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from data.schema.time import DAY_S

__all__ = ["FIRST_DAY", "HOLIDAY", "WEEKDAY", "multiplier", "rows", "shown"]

# A Monday.
FIRST_DAY = 20_472
WEEKDAY = (0.9, 0.9, 0.9, 1.0, 1.2, 1.3, 1.0)
HOLIDAY = {FIRST_DAY + 19: 2.0, FIRST_DAY + 20: 2.5}

Factor = Callable[[int], float]


def multiplier(night: int) -> float:
    """Of a night of the made-up calendar: a holiday's own, else its weekday's."""
    return HOLIDAY.get(night, WEEKDAY[(night - FIRST_DAY) % 7])


def rows(*stays: Mapping[str, object]) -> pa.Table:
    """Rows of ``market`` m and of day ``FIRST_DAY``, unless they say otherwise."""
    columns = {
        "market": pa.string(),
        "id_listing": pa.string(),
        "search_s": pa.int64(),
        "checkin_day": pa.int32(),
        "checkout_day": pa.int32(),
        "listing_total_price": pa.float64(),
        "listing_cleaning_fee": pa.float64(),
        "listing_weekly_price_factor": pa.float64(),
        "listing_monthly_price_factor": pa.float64(),
    }
    given = {"market": "m", "search_s": FIRST_DAY * DAY_S}
    table = [{**given, **stay} for stay in stays]
    return pa.table({n: pa.array([r.get(n) for r in table], t) for n, t in columns.items()})


def shown(
    bases: Mapping[str, float],
    *,
    stays_each: int,
    seed: int = 0,
    nights: tuple[int, int] = (1, 5),
    days_ahead: int = 40,
    dateless_share: float = 0.2,
    factor: Factor = multiplier,
    noise: float = 0.0,
) -> pa.Table:
    """Listings shown for drawn stays, at base × Σ factor(night) × exp(noise × a normal).

    No fee and no length factor. Check-ins are 0 to ``days_ahead`` days after the first day.
    """
    rng, table = np.random.default_rng(seed), []
    for listing, base in bases.items():
        for _ in range(stays_each):
            checkin = FIRST_DAY + int(rng.integers(0, days_ahead + 1))
            checkout = checkin + int(rng.integers(nights[0], nights[1] + 1))
            plain = sum(factor(night) for night in range(checkin, checkout))
            row: dict[str, object] = {"checkin_day": checkin, "checkout_day": checkout}
            if rng.random() < dateless_share:
                plain, row = 1.0, {}
            price = base * plain * np.exp(noise * rng.standard_normal())
            table.append({"id_listing": listing, "listing_total_price": float(price), **row})
    return rows(*table)
