"""The effects of one market's nights: ridge least squares on the logarithms of prices.

    log price = level + log Σ over the nights exp(weekday + season + effect of the very night)

The levels (`distinct_prices`) are eliminated, the sum is linearised at the last solution
(Gauss-Newton), and what is left is a ridge regression in a few hundred effects, solved by
conjugate gradients. Two listings, 100 and 300 for a plain night:

    listing    plain night    Friday    Saturday of Carnival
    a                  100       112                     175
    b                  300       336                     525

Friday is 1.12 and that Saturday 1.75, whichever listing is asked. Effects are drawn to 0 by
variance of the residuals over the square of their spread: a night that n prices speak of, each
off by 10%, keeps n / (n + 0.10² / 0.05²) = n / (n + 4) of what they say. Both the residuals and
the effects of single nights have long tails (a mistyped price; Carnival), hence Cauchy's
weights, ``1 / (1 + (x / spread)²)``, from the last solution: a price far off counts less, and a
night that proved to be far off is drawn to 0 less. So Carnival does not make February dear.
(Iteratively reweighted least squares: Holland & Welsch 1977.)

Legend: C prices, L levels, G groups, D nights that are part of a stay, P effects: 7 weekdays,
12 knots of the season, D nights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from scipy import sparse

from data.ranges import ABOVE_0, refuse_outside
from models.arrow_columns import Codes, Numbers
from models.stay_price.distinct_prices import DistinctPrices
from models.stay_price.levelled_ridge import LevelledRidge
from models.stay_price.night_multipliers import KNOTS, WEEKDAYS, place_in_season, weekdays
from models.stay_price.stays import DATELESS

__all__ = ["EffectsConfig", "NightEffects", "fit_effects"]

_CALENDAR = WEEKDAYS + KNOTS


@dataclass(frozen=True, kw_only=True)
class EffectsConfig:
    """What is expected of the effects before the log is read; logarithms, about per cents.

    Attributes:
        weekday_spread, season_spread: how far weekdays and seasons are from a plain night.
        season_step: how far a knot of the season is from the one before.
        night_spread: how far a night that is no holiday is from its weekday and season.
        least_residual: residuals below this one are not taken for noise, whatever the others.
        tolerance: the sums of all stays moved less than this: it is done.
        max_iterations: of the linearisation; the last solution is taken then.
    """

    weekday_spread: float = 0.5
    season_spread: float = 0.5
    season_step: float = 0.1
    night_spread: float = 0.05
    least_residual: float = 0.01
    tolerance: float = 1e-4
    max_iterations: int = 30

    def __post_init__(self) -> None:
        refuse_outside(self, dict.fromkeys(vars(self), ABOVE_0))


@dataclass(frozen=True, kw_only=True)
class NightEffects:
    """Attributes:
    weekday, season: shapes (7,) and (12,).
    days, night: day numbers of the nights that are part of a stay, and their effects; (D,).
    """

    weekday: Numbers
    season: Numbers
    days: Codes
    night: Numbers

    @classmethod
    def none(cls) -> Self:
        """Every night is a plain one."""
        return cls(
            weekday=np.zeros(WEEKDAYS),
            season=np.zeros(KNOTS),
            days=np.zeros(0, dtype=np.int64),
            night=np.zeros(0),
        )


def fit_effects(prices: DistinctPrices, config: EffectsConfig) -> NightEffects:
    """The effects that explain the prices best; all 0 where no stay has dates."""
    group, day = _nights_of_groups(prices)
    if not len(day):
        return NightEffects.none()
    days, night = np.unique(day, return_inverse=True)
    design = _design(days)
    effects, weights = np.zeros(_CALENDAR + len(days)), np.ones(len(prices.log_price))
    for iteration in range(config.max_iterations):
        log_sums, slopes = _linearised(prices, design, (group, night), effects)
        gaps = prices.log_price - log_sums[prices.group]
        ridge = LevelledRidge.of_gaps(gaps, weights, (prices.level, prices.group), slopes)
        variance = max(ridge.variance, (config.least_residual / 10) ** 2)
        change = ridge.change(effects, variance * _precision(effects, config))
        effects += change
        if np.abs(slopes @ change).max() < config.tolerance:
            break
        # The first solution does not know Carnival yet, and would take it for a mistake.
        if iteration:
            weights = _cauchy_weights(ridge.residuals, config.least_residual)
    return NightEffects(
        weekday=effects[:WEEKDAYS],
        season=effects[WEEKDAYS:_CALENDAR],
        days=days,
        night=effects[_CALENDAR:],
    )


def _nights_of_groups(prices: DistinctPrices) -> tuple[Codes, Codes]:
    """Each group beside each of its nights' day numbers."""
    group = np.repeat(np.arange(len(prices.nights)), prices.nights)
    first = np.cumsum(prices.nights) - prices.nights
    return group, (prices.checkin - first)[group] + np.arange(len(group))


def _design(days: Codes) -> sparse.csr_matrix:
    """Which effects a night has, and how much of each; sparse (D, P)."""
    every, one = np.arange(len(days)), np.ones(len(days))
    knot, share = place_in_season(days)
    columns = [weekdays(days), WEEKDAYS + knot, WEEKDAYS + (knot + 1) % KNOTS, _CALENDAR + every]
    values = np.r_[one, 1 - share, share, one]
    shape = (len(days), _CALENDAR + len(days))
    return sparse.csr_matrix((values, (np.tile(every, 4), np.concatenate(columns))), shape=shape)


def _linearised(
    prices: DistinctPrices,
    design: sparse.csr_matrix,
    places: tuple[Codes, Codes],
    effects: Numbers,
) -> tuple[Numbers, sparse.csr_matrix]:
    """Log of the sum over each group's nights, (G,), and its slopes in the effects, (G, P)."""
    group, night = places
    multipliers = np.exp(design @ effects)
    sums = np.bincount(group, multipliers[night], len(prices.nights))
    # One plain night, which has no effect.
    sums[prices.nights == DATELESS] = 1.0
    share = multipliers[night] / sums[group]
    shape = (len(sums), len(multipliers))
    return np.log(sums), sparse.csr_matrix((share, (group, night)), shape=shape) @ design


def _precision(effects: Numbers, config: EffectsConfig) -> sparse.csr_matrix:
    """1 / spread² of each effect, sparse (P, P); off the diagonal, knots beside each other."""
    night = config.night_spread**2 + effects[_CALENDAR:] ** 2
    steps = np.eye(KNOTS) - np.roll(np.eye(KNOTS), 1, axis=1)
    season = steps.T @ steps / config.season_step**2 + np.eye(KNOTS) / config.season_spread**2
    weekday = np.eye(WEEKDAYS) / config.weekday_spread**2
    return sparse.block_diag([weekday, season, sparse.diags_array(1 / night)], format="csr")


def _cauchy_weights(residuals: Numbers, least: float) -> Numbers:
    # 1.4826: the standard deviation of a normal variable over its median distance from 0.
    spread = max(1.4826 * float(np.median(np.abs(residuals))), least)
    # Twice the spread: nearly all that normal residuals say is kept.
    return 1 / (1 + (residuals / (2 * spread)) ** 2)
