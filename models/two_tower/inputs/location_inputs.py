"""Coordinates as inputs that generalise: waves over the distance to the market's centre.

The inner product of two such encodings is a sum of cosines of their difference, so it
falls with distance at each scale and holds for places that were never searched before:
random Fourier features (Rahimi & Recht 2007) with evenly spread directions.

Four listings of a market on the equator: at its centre, and 0.2, 1 and 4 km east of it. The
mean over the 20 waves of the cosine between the first and each tells how near it is (never
below 0.25: the waves that run north do not see east):

>>> lng = np.array([0.0, 0.2, 1.0, 4.0]) / KM_PER_DEGREE
>>> places = LocationInputs(latitudes=(0.0, 0.0), longitudes=(0.0, 0.0))
>>> waves = places.transform(np.zeros(4), lng, market=np.ones(4, dtype=np.int64))[:, 3:]
>>> [round(float(waves[0] @ other) / 20, 2) for other in waves]
[1.0, 0.98, 0.65, 0.38]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from data.schema.geo import KM_PER_DEGREE
from models.two_tower.inputs.arrays import FloatArray, IntArray
from models.two_tower.inputs.numeric_inputs import column_values

__all__ = ["LocationInputs"]

_WAVELENGTHS_KM = (2.0, 5.0, 12.0, 30.0, 75.0)
_DIRECTIONS = 4
# The plain offsets are read in units of this many km, and held within five of them.
_OFFSET_KM = 20.0
_OFFSET_LIMIT = 5.0

_Places = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, kw_only=True)
class LocationInputs:
    """Centre (latitude, longitude in degrees) of each market; index 0 = unseen market."""

    latitudes: tuple[float, ...]
    longitudes: tuple[float, ...]

    @classmethod
    def fit(cls, lat: _Places, lng: _Places, market: IntArray, markets: int) -> Self:
        """Median place of each market's listings; of all listings for an unseen market."""
        known = np.isfinite(lat) & np.isfinite(lng)
        centres = []
        for code in range(markets):
            here = known & (market == code) if code else known
            here = here if here.any() else known
            centre = (np.median(lat[here]), np.median(lng[here])) if here.any() else (0.0, 0.0)
            centres.append((float(centre[0]), float(centre[1])))
        return cls(latitudes=tuple(c[0] for c in centres), longitudes=tuple(c[1] for c in centres))

    @property
    def input_names(self) -> tuple[str, ...]:
        """The name of each input, for messages."""
        waves = (
            f"{wave} of place, {length} km, direction {direction}"
            for length in _WAVELENGTHS_KM
            for direction in range(_DIRECTIONS)
            for wave in ("sine", "cosine")
        )
        return ("km north", "km east", "place is missing", *waves)

    def transform(self, lat: _Places, lng: _Places, market: IntArray) -> FloatArray:
        """Inputs per place, all 0 but the indicator where a coordinate is missing."""
        centre_lat = np.asarray(self.latitudes)[market]
        centre_lng = np.asarray(self.longitudes)[market]
        missing = ~(np.isfinite(lat) & np.isfinite(lng))
        north = np.where(missing, 0.0, (lat - centre_lat) * KM_PER_DEGREE)
        shrink = np.cos(np.radians(centre_lat))  # meridians meet at the poles
        east = np.where(missing, 0.0, (lng - centre_lng) * KM_PER_DEGREE * shrink)
        offsets = [
            np.clip(north / _OFFSET_KM, -_OFFSET_LIMIT, _OFFSET_LIMIT),
            np.clip(east / _OFFSET_KM, -_OFFSET_LIMIT, _OFFSET_LIMIT),
        ]
        waves = [wave * ~missing for wave in _waves(north, east)]
        return np.stack([*offsets, missing.astype(np.float64), *waves], axis=1).astype(np.float32)

    def of_table(self, table: pa.Table, names: tuple[str, str], market: IntArray) -> FloatArray:
        """Inputs from the latitude and longitude columns of ``table``.

        Raises ``ValueError`` naming the columns when one is absent.
        """
        lat, lng = (column_values(table, name) for name in names)
        if lat is None or lng is None:
            raise ValueError(
                f"the two-tower was fitted with columns {names[0]} and {names[1]}; "
                "these rows lack one of them"
            )
        return self.transform(lat, lng, market)


def _waves(north: _Places, east: _Places) -> list[_Places]:
    waves = []
    for length in _WAVELENGTHS_KM:
        for direction in range(_DIRECTIONS):
            angle = np.pi * direction / _DIRECTIONS
            phase = 2 * np.pi * (np.cos(angle) * north + np.sin(angle) * east) / length
            waves += [np.sin(phase), np.cos(phase)]
    return waves
