"""Distances within a city, and the grid of neighbourhood cells."""

from __future__ import annotations

from math import pi

import polars as pl

from data.schema.geo import EARTH_RADIUS_KM

__all__ = ["CELLS_PER_DEGREE", "cell_of", "distance_km", "micro_degrees"]


CELLS_PER_DEGREE = 100
"""A cell is 0.01 degrees wide: about 1.1 km north to south, 1.0 km east to west in Rio."""

MICRO = 1_000_000
_ROW_STRIDE = 1 << 16  # 36,000 columns fit, and a cell is an integer of 31 bits
_RADIANS = pi / 180
_HALF_RADIANS = pi / 360


def distance_km(lat: pl.Expr, lng: pl.Expr, to_lat: pl.Expr, to_lng: pl.Expr) -> pl.Expr:
    """Haversine distance of two points in degrees, in km; null where one is unknown.

    Within a city the chord is the arc to 1e-5, and no engine but some have an arcsine:
    ``2·R·sqrt(h)``.
    """
    half_lat = (to_lat - lat) * _HALF_RADIANS
    half_lng = (to_lng - lng) * _HALF_RADIANS
    across = (lat * _RADIANS).cos() * (to_lat * _RADIANS).cos()
    h = half_lat.sin() * half_lat.sin() + across * half_lng.sin() * half_lng.sin()
    return h.sqrt() * (2 * EARTH_RADIUS_KM)


def micro_degrees(angle: pl.Expr) -> pl.Expr:
    """Degrees as an integer of millionths, about 0.1 m: sums of it are exact."""
    return (angle.cast(pl.Float64) * MICRO + 0.5).floor().cast(pl.Int64)


def cell_of(lat: pl.Expr, lng: pl.Expr) -> pl.Expr:
    """Integer name of the grid cell of a point; null where it is unknown."""
    row = ((lat.cast(pl.Float64) + 90) * CELLS_PER_DEGREE).floor().cast(pl.Int64)
    column = ((lng.cast(pl.Float64) + 180) * CELLS_PER_DEGREE).floor().cast(pl.Int64)
    return row * _ROW_STRIDE + column
