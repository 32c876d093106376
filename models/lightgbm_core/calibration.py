"""From scores to probabilities that can be believed: Platt and isotonic, per market.

A calibrator maps the log-odds that a model gives to a probability. Where a market has
enough outcomes the map is any rising curve (isotonic regression), where it has fewer a
line in log-odds (Platt 1999, shrunk towards the model as it stands), and where it has
hardly any, or was never seen, the line of all markets together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit

from models.arrow_columns import Numbers

__all__ = ["ALL_MARKETS", "CalibrationConfig", "Calibrator", "calibrate"]

ALL_MARKETS = "*"

# Keeps a probability off 0 and 1, whose log-loss is infinite.
_SMALLEST = 1e-6


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
        if not 0 < self.platt_outcomes <= self.isotonic_outcomes or self.shrinkage <= 0:
            raise ValueError(f"CalibrationConfig out of range: {self}")


@dataclass(frozen=True)
class Calibrator:
    """The map of each market: log-odds knots, rising, and the log-odds they become.

    A line goes on for ever; a curve is flat outside its knots.
    """

    maps: dict[str, dict[str, Any]]

    def of(self, log_odds: Numbers, markets: np.ndarray[Any, Any]) -> Numbers:
        """The probability of each row, strictly between 0 and 1."""
        probabilities = np.empty(len(log_odds))
        for market in np.unique(markets):
            at = markets == market
            chosen = self.maps.get(str(market), self.maps[ALL_MARKETS])
            probabilities[at] = _mapped(chosen, log_odds[at])
        return np.clip(probabilities, _SMALLEST, 1 - _SMALLEST)


def calibrate(
    log_odds: Numbers,
    happened: Numbers,
    markets: np.ndarray[Any, Any],
    config: CalibrationConfig,
) -> Calibrator:
    """Fit the maps on rows that the model did not learn from.

    ``happened`` is one per row: 0, or 1 divided by the share of such outcomes that are
    known by now, so that its mean is the rate in the end. Without rows the log-odds are
    taken as they are.
    """
    maps = {ALL_MARKETS: _line(log_odds, happened, config.shrinkage)}
    for market in np.unique(markets):
        at = markets == market
        positives = int((happened[at] > 0).sum())
        rarer = min(positives, int(at.sum()) - positives)
        if rarer >= config.isotonic_outcomes:
            maps[str(market)] = _curve(log_odds[at], happened[at])
        elif rarer >= config.platt_outcomes:
            maps[str(market)] = _line(log_odds[at], happened[at], config.shrinkage)
    return Calibrator(maps)


def _line(log_odds: Numbers, happened: Numbers, shrinkage: float) -> dict[str, Any]:
    def loss_and_slope(b: Numbers) -> tuple[float, Numbers]:
        z = b[0] + b[1] * log_odds
        error = expit(z) - happened
        away = b - (0.0, 1.0)
        loss = np.logaddexp(0, z).sum() - happened @ z + shrinkage / 2 * (away @ away)
        return float(loss), np.array([error.sum(), error @ log_odds]) + shrinkage * away

    found = minimize(loss_and_slope, np.array([0.0, 1.0]), jac=True, method="L-BFGS-B")
    # A falling line would turn the model's order round: then only the level is trusted.
    return {"intercept": float(found.x[0]), "slope": max(float(found.x[1]), 0.0)}


def _curve(log_odds: Numbers, happened: Numbers) -> dict[str, Any]:
    """Isotonic regression, drawn through the middles of its level pieces.

    Steps would tie rows that the model tells apart.
    """
    values, place = np.unique(log_odds, return_inverse=True)
    weight = np.bincount(place).astype(np.float64)
    rates = np.bincount(place, happened) / weight
    fitted = isotonic_regression(rates, weights=weight).x
    piece = np.cumsum(np.r_[0, np.diff(fitted) != 0])
    middles = np.bincount(piece, values * weight) / np.bincount(piece, weight)
    levels = fitted[np.unique(piece, return_index=True)[1]]
    return {"knots": middles.tolist(), "rates": levels.tolist()}


def _mapped(chosen: dict[str, Any], log_odds: Numbers) -> Numbers:
    if "knots" in chosen:
        return np.asarray(np.interp(log_odds, chosen["knots"], chosen["rates"]))
    return np.asarray(expit(chosen["intercept"] + chosen["slope"] * log_odds))
