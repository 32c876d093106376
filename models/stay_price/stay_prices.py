"""What a stay will cost, learnt from the prices that the log shows.

    price = base of the listing × Σ over the nights of multiplier(market, night) × factor + fee

`night_effects` learns the multipliers, one market at a time. The base is the price of a plain
night: the median of the listing's prices over their multipliers, so that a listing which was
only seen at Carnival is not told as dear for a Tuesday. Recent prices weigh more, by half for
every ``half_life_days`` before the listing's last one, since a price that was raised stays so.

    listing    searched    nights              price    multipliers    plain night    weight
    flat       day 0       Tue                   100           1.00            100      0.02
    flat       day 3       Sat of Carnival       175           1.75            100      1.00
    loft       day 3       Fri, Sat of Car.      574    1.12 + 1.75            200      1.00

Legend: N stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.ranges import ABOVE_0, Range, refuse_outside
from models.arrow_columns import Codes, Numbers, codes_in, sorted_ids
from models.serialization import read_table, write_table
from models.stay_price.distinct_prices import DistinctPrices
from models.stay_price.logged_prices import LoggedPrices
from models.stay_price.night_effects import EffectsConfig, NightEffects, fit_effects
from models.stay_price.night_multipliers import KNOTS, WEEKDAYS, NightMultipliers
from models.stay_price.stays import Stays
from models.stay_price.weighted_median import weighted_medians

__all__ = ["StayPrices", "StayPricesConfig"]

_MOST_HALVINGS = 60.0
_PARTS = ("weekday", "season", "night")


@dataclass(frozen=True, kw_only=True)
class StayPricesConfig:
    """Attributes:
    half_life_days: a price this much older than the listing's last one weighs half.
    stays_per_level: about so many distinct stays of a listing are compared with each other.
    effects: what is expected of weekdays, season and nights.
    """

    half_life_days: float = 0.5
    stays_per_level: int = 8
    effects: EffectsConfig = field(default_factory=EffectsConfig)

    def __post_init__(self) -> None:
        refuse_outside(self, {"half_life_days": ABOVE_0, "stays_per_level": Range(at_least=2)})


@dataclass(frozen=True, kw_only=True)
class StayPrices:
    """The estimate, fitted or loaded.

    Attributes:
        markets: the words of the markets, sorted; a market's code is its place.
        nights: multipliers of the nights, a row per market.
        bases: one row per listing that showed a price: ``market``, ``id_listing`` and
            ``base_price``, the price of a plain night. Ordered by market and listing.
    """

    markets: pa.Array
    nights: NightMultipliers
    bases: pa.Table

    @classmethod
    def fit(cls, rows: pa.Table, config: StayPricesConfig | None = None) -> Self:
        """Learn from every row that shows a price above its fee, in any order.

        Needs ``market``, ``id_listing``, ``listing_total_price``. Of ``checkin_day`` and
        ``checkout_day``, ``search_s`` or else ``search_day``, ``listing_cleaning_fee``,
        ``listing_weekly_price_factor`` and ``listing_monthly_price_factor`` what is absent takes
        no part; nulls mean what they mean in `Stays`. ``search_s`` is never null.

        Raises ``ValueError`` when a needed column is absent.
        """
        config = config or StayPricesConfig()
        logged = LoggedPrices.of_rows(rows)
        nights = _fit_nights(logged, config)
        bases = _bases(logged, nights, config.half_life_days)
        return cls(markets=logged.markets, nights=nights, bases=bases)

    def market_codes(self, markets: pa.ChunkedArray) -> Codes:
        """Code of each row's market; -1 for one that showed no price, and for null."""
        return codes_in(markets, self.markets)

    def estimate(self, base_N: Numbers, stays: Stays) -> Numbers:
        """Price of each stay, fee included; shape (N,).

        ``base_N`` is the ``base_price`` of each listing. NaN where it is NaN, where a stay with
        dates is in an unknown market, and where it ends before its first night is over.
        """
        price_N = np.empty(len(stays))
        for place, part in stays.chunks():
            nights = part.nights()
            plain = self.nights.plain_nights(part.market, part.first_nights(nights), nights)
            price_N[place] = base_N[place] * plain * part.length_factors(nights) + part.fees()
        return price_N

    def save(self, folder: Path) -> None:
        """Write the bases and the effects of the nights, as Parquet."""
        write_table(folder / "base_prices.parquet", self.bases)
        write_table(folder / "night_effects.parquet", _effects_table(self.markets, self.nights))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what :meth:`save` wrote; raises ``ValueError`` naming a file that it cannot."""
        markets, nights = _of_effects_table(read_table(folder / "night_effects.parquet"))
        bases = read_table(folder / "base_prices.parquet")
        return cls(markets=markets, nights=nights, bases=bases)


def _bases(logged: LoggedPrices, nights: NightMultipliers, half_life_days: float) -> pa.Table:
    plain = logged.for_nights / nights.plain_nights(logged.market, logged.checkin, logged.nights)
    # Since the listing's own last price: one that was not shown lately keeps what it had.
    latest = np.full(len(logged.listing_market), -np.inf)
    np.maximum.at(latest, logged.listing, logged.days)
    age = latest[logged.listing] - logged.days
    # Not as far as 0: a listing's weights are divided by their sum.
    weight = np.exp2(-np.minimum(age / half_life_days, _MOST_HALVINGS))
    return pa.table(
        {
            "market": logged.markets.take(pa.array(logged.listing_market)),
            "id_listing": logged.ids.take(pa.array(logged.listing_id)),
            "base_price": weighted_medians(logged.listing, plain, weight),
        }
    )


def _fit_nights(logged: LoggedPrices, config: StayPricesConfig) -> NightMultipliers:
    order = np.argsort(logged.market, kind="stable")
    bounds = np.searchsorted(logged.market[order], np.arange(len(logged.markets) + 1))
    effects = [_fit_market(logged, order[a:b], config) for a, b in pairwise(bounds)]
    return _side_by_side(effects)


def _fit_market(logged: LoggedPrices, rows: Codes, config: StayPricesConfig) -> NightEffects:
    if not len(rows):
        # No row of this market shows a price.
        return NightEffects.none()
    prices = DistinctPrices.of_market(logged, rows, stays_per_level=config.stays_per_level)
    return fit_effects(prices, config.effects)


def _side_by_side(effects: Sequence[NightEffects]) -> NightMultipliers:
    """The effects of several markets, over the nights from the first to the last of all."""
    seen = np.concatenate([np.zeros(0, dtype=np.int64), *(e.days for e in effects)])
    first, last = (int(seen.min()), int(seen.max())) if len(seen) else (0, -1)
    night = np.zeros((len(effects), last - first + 1))
    for market, of_market in enumerate(effects):
        night[market, of_market.days - first] = of_market.night
    return NightMultipliers(
        weekday=np.reshape([e.weekday for e in effects], (-1, WEEKDAYS)),
        season=np.reshape([e.season for e in effects], (-1, KNOTS)),
        night=night,
        first_night=first,
    )


def _effects_table(markets: pa.Array, nights: NightMultipliers) -> pa.Table:
    """One row per effect; its place is a weekday, a knot of the season, or a day number."""
    tables = []
    for part, effects in zip(_PARTS, (nights.weekday, nights.season, nights.night), strict=True):
        market, place = np.indices(effects.shape)
        first = nights.first_night if part == "night" else 0
        tables.append(
            pa.table(
                {
                    "market": markets.take(pa.array(market.ravel())),
                    "part": pa.array([part] * effects.size, pa.string()),
                    "place": place.ravel() + first,
                    "effect": effects.ravel(),
                }
            )
        )
    return pa.concat_tables(tables)


def _of_effects_table(table: pa.Table) -> tuple[pa.Array, NightMultipliers]:
    """What :func:`_effects_table` was made of."""
    markets = sorted_ids(table["market"])
    weekday, season, night = (table.filter(pc.equal(table["part"], part)) for part in _PARTS)

    def effects(part: pa.Table) -> Numbers:
        shape = (len(markets), part.num_rows // max(len(markets), 1))
        return np.array(part["effect"].to_numpy()).reshape(shape)

    return markets, NightMultipliers(
        weekday=effects(weekday),
        season=effects(season),
        night=effects(night),
        first_night=night["place"][0].as_py() if night.num_rows else 0,
    )
