"""The size of the earth, as everything that measures a distance takes it.

The simulator has a rounding of its own (:mod:`data.simulator.geography`): it is part of the
world that is drawn, and another digit would change every simulated log.
"""

from __future__ import annotations

__all__ = ["EARTH_RADIUS_KM", "KM_PER_DEGREE"]

EARTH_RADIUS_KM = 6_371.0088
"""Mean radius R1 of the GRS 80 ellipsoid (Moritz 2000)."""

KM_PER_DEGREE = 111.195
"""Kilometres per degree of latitude, ``pi / 180 * EARTH_RADIUS_KM`` to the metre."""
