"""What a night costs beside a plain one, per market: weekday × season × that very night.

    multiplier = exp(weekday effect + season effect + effect of the very night)

A plain night is what a dateless search shows. The season is a curve over the year: straight
lines between 12 knots, a twelfth of a year apart, the first on 1 January; the last knot is
followed by the first. A night that the log never showed has no effect of its own: its
multiplier is weekday × season.

Legend: M markets, D nights from the first to the last that the log showed, N stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.arrow_columns import Codes, Numbers
from models.stay_price.stays import DATELESS

__all__ = ["KNOTS", "WEEKDAYS", "NightMultipliers", "place_in_season", "weekdays"]

WEEKDAYS, KNOTS = 7, 12

_YEAR_DAYS = 365.2425
# Day 0, 1 January 1970, was a Thursday.
_FIRST_WEEKDAY = 3


@dataclass(frozen=True, kw_only=True)
class NightMultipliers:
    """The effects, natural logarithms.

    Attributes:
        weekday: shape (M, 7), Monday first.
        season: shape (M, 12), 1 January first.
        night: shape (M, D); 0 where the market's log says nothing of the night.
        first_night: day number of the first of the D nights.
    """

    weekday: Numbers
    season: Numbers
    night: Numbers
    first_night: int

    def between(self, first: int, last: int) -> Numbers:
        """Multipliers of the nights ``first`` to ``last``; shape (M, last - first + 1)."""
        days = np.arange(first, last + 1)
        knot, share = place_in_season(days)
        log = self.season[:, knot] * (1 - share) + self.season[:, (knot + 1) % KNOTS] * share
        log += self.weekday[:, weekdays(days)]
        place = days - self.first_night
        has_effect = (place >= 0) & (place < self.night.shape[1])
        log[:, has_effect] += self.night[:, place[has_effect]]
        return np.exp(log)

    def plain_nights(self, market: Codes, first_night: Codes, nights: Codes) -> Numbers:
        """How many plain nights each stay costs: the sum of its nights' multipliers; (N,).

        1 for a dateless one; NaN for an impossible one, and for one with dates in an unknown
        market (-1).
        """
        count = np.where(nights == DATELESS, 1.0, np.nan)
        is_dated = (nights > DATELESS) & (market >= 0)
        if is_dated.any():
            market, start, nights = market[is_dated], first_night[is_dated], nights[is_dated]
            first, last = int(start.min()), int((start + nights).max()) - 1
            count[is_dated] = _sums(self.between(first, last), market, start - first, nights)
        return count


def _sums(night_MD: Numbers, market: Codes, start: Codes, nights: Codes) -> Numbers:
    """Of each stay the sum of its nights, one after the other.

    Not as a difference of running totals: these would begin with the first night of any stay,
    and a price must not hang on the last bit on which others it is asked with.
    """
    sums, longer, night = np.zeros(len(start)), np.arange(len(start)), 0
    while len(longer):
        sums[longer] += night_MD[market[longer], start[longer] + night]
        night += 1
        longer = longer[nights[longer] > night]
    return sums


def weekdays(days: Codes) -> Codes:
    """Weekday of each day number; Monday is 0.

    >>> weekdays(np.array([0, 4])).tolist()
    [3, 0]
    """
    return (days + _FIRST_WEEKDAY) % WEEKDAYS


def place_in_season(days: Codes) -> tuple[Codes, Numbers]:
    """The knot at or before each day number, and how far the day is on the way to the next.

    >>> knot, share = place_in_season(np.array([0, 15]))
    >>> knot.tolist(), share.round(2).tolist()
    ([0, 0], [0.0, 0.49])
    """
    position = days / _YEAR_DAYS % 1 * KNOTS
    knot = np.floor(position).astype(np.int64)
    return knot % KNOTS, position - knot
