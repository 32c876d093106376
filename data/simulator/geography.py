"""Kilometres and degrees in a city, which is small enough for a flat earth."""

from __future__ import annotations

import numpy as np

from data.simulator.draws import Array
from data.simulator.parameters import MARKETS, load_world

__all__ = ["KM_PER_DEGREE", "longitude_scale", "to_km"]

# Part of the world that is drawn: another digit would change every simulated log. What
# measures real distances takes data.schema.geo.
KM_PER_DEGREE = 111.19


def longitude_scale(market: int) -> float:
    """Kilometres per degree of longitude at a market's centre."""
    return KM_PER_DEGREE * float(np.cos(np.radians(load_world().demand[market].center[0])))


def to_km(market: Array, lat: Array, lng: Array) -> tuple[Array, Array]:
    """Kilometres north and east of the market's centre (flat earth: a city is small)."""
    centers = np.array([d.center for d in load_world().demand])[market]
    scale = np.array([longitude_scale(m) for m in range(len(MARKETS))])[market]
    return (lat - centers[:, 0]) * KM_PER_DEGREE, (lng - centers[:, 1]) * scale
