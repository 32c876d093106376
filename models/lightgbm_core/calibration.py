"""Calibrated probabilities from log-odds, per market: isotonic regression or Platt scaling.

Rows to which a model gives log-odds of -1 (27%), and of which 10% were clicked, shall get 10%.
Where a market has enough outcomes the map from log-odds to probability is any rising curve
(isotonic regression), where it has fewer a line in log-odds (Platt 1999), shrunk towards the
model as it stands, and where it has hardly any, or was never seen, the line of all markets
together. Measured on rows that the model did not learn from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from data.ranges import ABOVE_0, Range, refuse_outside
from models.arrow_columns import Codes, Numbers

__all__ = [
    "ALL_MARKETS",
    "CalibrationConfig",
    "Calibrator",
    "calibrate",
    "calibrate_levels",
    "trend_of_levels",
]

ALL_MARKETS = "*"

# Keeps a probability off 0 and 1, whose log-loss is infinite.
_SMALLEST = 1e-6
_MOST_LEVEL = 10.0
_LEVEL_STEPS = 40
_FEWEST_DAYS = 3
_DAY_SPREAD, _TREND_SPREAD = 0.04, 0.02


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """When which map is used.

    Attributes:
        isotonic_outcomes: rows of each outcome from which a market gets its own curve.
        platt_outcomes: the same for a line of its own.
        shrinkage: ridge penalty on the line's distance from the identity.
    """

    isotonic_outcomes: int = 300
    platt_outcomes: int = 100
    shrinkage: float = 1.0

    def __post_init__(self) -> None:
        isotonic = Range(at_least=self.platt_outcomes)
        above_0 = {"platt_outcomes": ABOVE_0, "shrinkage": ABOVE_0}
        refuse_outside(self, {**above_0, "isotonic_outcomes": isotonic})


@dataclass(frozen=True)
class Calibrator:
    """The map of each market, by its name, and of the others under ``ALL_MARKETS``.

    A line is ``intercept`` and ``slope`` in log-odds and goes on for ever. A curve is
    ``knots`` (log-odds, rising) and ``rates`` (probabilities), flat outside its knots. A
    ``level`` is added to the log-odds of what either gives.
    """

    maps: dict[str, dict[str, Any]]

    def probabilities(self, log_odds: Numbers, markets: np.ndarray[Any, Any]) -> Numbers:
        """The probability of each row, strictly between 0 and 1."""
        probabilities, is_unknown = np.empty(len(log_odds)), np.ones(len(log_odds), dtype=bool)
        for market in self.maps.keys() - {ALL_MARKETS}:
            at = markets == market
            probabilities[at] = _apply(self.maps[market], log_odds[at])
            is_unknown &= ~at
        probabilities[is_unknown] = _apply(self.maps[ALL_MARKETS], log_odds[is_unknown])
        return np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)

    def shifted(self, log_odds: float) -> Calibrator:
        """The same maps with so much added to all log-odds."""
        return Calibrator(
            {name: m | {"level": m.get("level", 0.0) + log_odds} for name, m in self.maps.items()}
        )


def calibrate(
    log_odds: Numbers,
    outcomes: Numbers,
    markets: np.ndarray[Any, Any],
    config: CalibrationConfig,
) -> Calibrator:
    """Fit the maps on rows that the model did not learn from.

    ``outcomes`` is one per row: 0, or how many outcomes in the end a known one stands for
    (``label_completeness.expected_outcomes``; 1 where all are known), so that its mean is the
    rate in the end. Without rows the log-odds are taken as they are.
    """
    maps = {ALL_MARKETS: _line(log_odds, outcomes, config.shrinkage)}
    for market in np.unique(markets):
        at = markets == market
        positives = int((outcomes[at] > 0).sum())
        rarer = min(positives, int(at.sum()) - positives)
        if rarer >= config.isotonic_outcomes:
            maps[str(market)] = _curve(log_odds[at], outcomes[at])
        elif rarer >= config.platt_outcomes:
            maps[str(market)] = _line(log_odds[at], outcomes[at], config.shrinkage)
    return Calibrator(maps)


def calibrate_levels(
    log_odds: Numbers,
    outcomes: Numbers,
    markets: np.ndarray[Any, Any],
    shape: Calibrator,
    *,
    shrinkage: float = 1.0,
) -> Calibrator:
    """The maps of ``shape``, moved so that as much is predicted in each market as came.

    For rows of many days: a single day gives a shape, but no level, since days differ by more
    than chance. ``outcomes`` as in :func:`calibrate`. Without maps in ``shape`` the log-odds are
    taken as they are. The level of a market is drawn to that of all by ``shrinkage``, a ridge
    penalty.
    """
    maps = shape.maps or {ALL_MARKETS: {"intercept": 0.0, "slope": 1.0}}
    predicted = _log_odds(Calibrator(maps).probabilities(log_odds, markets))
    of_all = _level(predicted, outcomes, 0.0, shrinkage)
    levels = {
        str(market): _level(predicted[at], outcomes[at], of_all, shrinkage)
        for market in np.unique(markets)
        for at in [markets == market]
    }
    moved = {
        market: maps.get(market, maps[ALL_MARKETS]) | {"level": level}
        for market, level in levels.items()
    }
    return Calibrator({ALL_MARKETS: maps[ALL_MARKETS] | {"level": of_all}} | moved)


def trend_of_levels(days: Codes, predicted: Numbers, actual: Numbers) -> float:
    """Log-odds to add on the day after the last, by how actual over predicted moved until then.

    ``predicted`` and ``actual`` are shares of each of ``days`` (day numbers). Counts of the past
    grow from day to day, and a model takes some of their growth for more clicks: what it
    predicts drifts away from what comes. A line through the logarithms of actual over predicted,
    its slope drawn to 0 (ridge regression): days differ by about ``_DAY_SPREAD`` whatever the
    trend, and a slope is expected to be about ``_TREND_SPREAD`` a day.

    Five days, predicted 2% more too much on each: the next would be 6% above their middle, of
    which 10 / (10 + 4) is believed:

    >>> drift = np.exp(0.02 * np.arange(5))
    >>> round(trend_of_levels(np.arange(5), 0.05 * drift, np.full(5, 0.05)), 4)
    -0.0429
    """
    known = (predicted > 0) & (actual > 0)
    if known.sum() < _FEWEST_DAYS:
        return 0.0
    away = days[known] - days[known].mean()
    ratio = np.log(actual[known] / predicted[known])
    doubt = (_DAY_SPREAD / _TREND_SPREAD) ** 2
    slope = float(away @ ratio) / (float(away @ away) + doubt)
    return slope * float(days[known].max() + 1 - days[known].mean())


def _level(predicted: Numbers, outcomes: Numbers, centre: float, shrinkage: float) -> float:
    """What to add to the log-odds so that the sum predicted is the sum that came."""

    def error_and_slope(level: float) -> tuple[float, float]:
        chance = expit(predicted + level)
        away = shrinkage * (level - centre)
        return float(chance.sum() - outcomes.sum() + away), float((chance * (1 - chance)).sum())

    # Rising in the level, so that what lies between a sign and the other holds the root.
    low, high = centre - _MOST_LEVEL, centre + _MOST_LEVEL
    level = centre
    for _ in range(_LEVEL_STEPS):
        error, slope = error_and_slope(level)
        low, high = (low, level) if error > 0 else (level, high)
        newton = level - error / (slope + shrinkage)
        level = newton if low < newton < high else (low + high) / 2
    return level


def _log_odds(probabilities: Numbers) -> Numbers:
    return np.asarray(np.log(probabilities / (1 - probabilities)))


def _line(log_odds: Numbers, outcomes: Numbers, shrinkage: float) -> dict[str, Any]:
    """Platt scaling: the line of least log-loss plus shrinkage/2 · |(intercept, slope - 1)|²."""

    def loss_and_slope(b: Numbers) -> tuple[float, Numbers]:
        z = b[0] + b[1] * log_odds
        error = expit(z) - outcomes
        away = b - (0.0, 1.0)
        loss = np.logaddexp(0, z).sum() - outcomes @ z + shrinkage / 2 * (away @ away)
        return float(loss), np.array([error.sum(), error @ log_odds]) + shrinkage * away

    intercept, slope = minimize(loss_and_slope, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B").x
    # A falling line would turn the model's order round: then only the level is trusted.
    return {"intercept": float(intercept), "slope": max(float(slope), 0.0)}


def _curve(log_odds: Numbers, outcomes: Numbers) -> dict[str, Any]:
    """Isotonic regression, drawn through the middles of its level pieces.

    Isotonic regression is a staircase, whose steps would tie rows that the model tells
    apart. Rates of 0.1, 0.4, 0.3 and 0.8 at log-odds 0, 1, 2 and 3 become the levels 0.1,
    0.35, 0.35, 0.8; the knots are 0, 1.5 and 3, with straight lines between them.
    """
    values, place = np.unique(log_odds, return_inverse=True)
    weight = np.bincount(place).astype(np.float64)
    rates = np.bincount(place, outcomes) / weight
    fitted = isotonic_regression(rates, weights=weight).x
    piece = np.cumsum(np.r_[0, np.diff(fitted) != 0])
    middles = np.bincount(piece, values * weight) / np.bincount(piece, weight)
    levels = fitted[np.unique(piece, return_index=True)[1]]
    return {"knots": middles.tolist(), "rates": levels.tolist()}


def _apply(market_map: dict[str, Any], log_odds: Numbers) -> Numbers:
    if "knots" in market_map:
        given = np.asarray(np.interp(log_odds, market_map["knots"], market_map["rates"]))
    else:
        given = np.asarray(expit(market_map["intercept"] + market_map["slope"] * log_odds))
    if not market_map.get("level"):
        return given
    return np.asarray(
        expit(_log_odds(np.clip(given, _SMALLEST, 1 - _SMALLEST)) + market_map["level"])
    )
