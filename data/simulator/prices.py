"""What a stay costs: nightly price by night, length-of-stay factors, cleaning fee, shocks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from data.schema.time import day_number
from data.simulator.draws import Array, Draw, generator
from data.simulator.listings import Catalogue
from data.simulator.parameters import load_world
from data.simulator.scenario import DAYS, SimulationConfig, carnival_day
from data.simulator.searches import Queries

__all__ = ["HORIZON_DAYS", "PriceList", "Quote", "draw_prices", "quote"]

# the last night that any guest can ask for: seven days of searches, the longest lead,
# a week to the usual weekday, a shifted date, the longest stay
HORIZON_DAYS = 260
CARNIVAL_NIGHTS = 5
WEEK, MONTH = 7, 28


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """``nights_before[m, d]``: sum of market ``m``'s night multipliers before day ``d``
    of the horizon; ``shock``: each listing's multiplier from ``shock_day`` on."""

    nights_before: Array
    shock: Array
    shock_day: int


@dataclass(frozen=True, kw_only=True)
class Quote:
    """Prices of (search, listing) pairs: of the stay as shown, and per night as felt.

    A dateless search shows one night with its fee; the guest spreads the fee over a stay.
    """

    total: Array
    shown_per_night: Array
    felt_per_night: Array


def draw_prices(config: SimulationConfig, catalogue: Catalogue) -> PriceList:
    """Night multipliers of both markets (weekday, Carnival) and the scenario's shock."""
    world, scenario = load_world(), config.changes
    days = config.first_day + np.arange(HORIZON_DAYS)
    friday = day_number(carnival_day(config.start + timedelta(days=DAYS)))
    is_carnival = (days >= friday) & (days < friday + CARNIVAL_NIGHTS)
    sums = []
    for demand in world.demand:
        nightly = np.take(demand.night_multipliers, (days + 3) % 7)
        surcharge = 1 + (demand.carnival_multiplier - 1) * scenario.carnival_price_factor
        sums.append(np.concatenate([[0.0], np.cumsum(np.where(is_carnival, surcharge, nightly))]))
    mean, spread = scenario.price_shock_log
    noise = generator(config.seed, Draw.SHOCK).standard_normal(len(catalogue))
    day = config.first_day + (
        DAYS if scenario.price_shock_day is None else scenario.price_shock_day
    )
    return PriceList(
        nights_before=np.array(sums), shock=np.exp(mean + spread * noise), shock_day=day
    )


def quote(
    config: SimulationConfig,
    catalogue: Catalogue,
    prices: PriceList,
    queries: Queries,
    pairs: tuple[Array, Array],
) -> Quote:
    """Prices of ``pairs``: index of the search in ``queries``, index of the listing."""
    search, listing = pairs
    nights = queries.nights[search]
    dated = queries.is_dated[search]
    start = queries.checkin[search] - config.first_day
    before = prices.nights_before
    market = queries.market[search]
    multiplier = np.where(dated, before[market, start + nights] - before[market, start], 1.0)
    nightly = catalogue.price[listing]
    shocked = queries.day[search] >= prices.shock_day
    nightly = np.where(shocked, nightly * prices.shock[listing], nightly)
    stay = nightly * multiplier * np.where(dated, _length_factor(catalogue, listing, nights), 1.0)
    fee = np.nan_to_num(catalogue.cleaning_fee[listing])
    total = np.round(stay + fee, 2)
    shown_nights = np.where(dated, nights, 1)
    spread_over = np.where(dated, nights, load_world().catalogue.mean_stay_nights)
    return Quote(
        total=total,
        shown_per_night=total / shown_nights,
        felt_per_night=stay / shown_nights + fee / spread_over,
    )


def _length_factor(catalogue: Catalogue, listing: Array, nights: Array) -> Array:
    weekly = np.nan_to_num(catalogue.weekly_factor[listing], nan=1.0)
    monthly = np.nan_to_num(catalogue.monthly_factor[listing], nan=1.0)
    return np.where(nights >= MONTH, monthly, np.where(nights >= WEEK, weekly, 1.0))
