"""Names of neighbourhoods: of the two cities whose neighbourhoods the simulator knows.

Their centres are medians of real listings (Rio de Janeiro) or of the real places (São Paulo), so
that the names hold for a real log of these cities too. Other cities have none here.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from data.schema.geo import KM_PER_DEGREE
from data.simulator.parameters import load_world

__all__ = ["Area", "area_name", "areas_of"]

# What is left of a city beside its largest neighbourhoods has a centre, and is no place.
_NO_PLACE = "elsewhere"
# Further from every centre than this a place is in none of the named neighbourhoods.
_FURTHEST_KM = 4.0


class Area(NamedTuple):
    """A neighbourhood: its name, centre in degrees, and share of the market's listings."""

    name: str
    lat: float
    lng: float
    share: float


def areas_of(market: str) -> tuple[Area, ...]:
    """A market's named neighbourhoods, the largest first; empty where none are known.

    >>> [area.name for area in areas_of("rio_de_janeiro")][:2]
    ['Copacabana', 'Ipanema']
    >>> areas_of("lisbon")
    ()
    """
    fits = [fit.areas for fit in load_world().markets if fit.market == market]
    if not fits:
        return ()
    known = zip(fits[0].names, fits[0].lat, fits[0].lng, fits[0].shares, strict=True)
    areas = [Area(*each) for each in known if each[0] != _NO_PLACE]
    return tuple(sorted(areas, key=lambda area: (-area.share, area.name)))


def area_name(market: str, lat: float, lng: float) -> str | None:
    """The named neighbourhood whose centre is nearest; ``None`` where none is near.

    >>> area_name("rio_de_janeiro", -22.985, -43.2), area_name("rio_de_janeiro", -22.6, -43.2)
    ('Ipanema', None)
    """
    scale = math.cos(math.radians(lat))
    distances = [
        (math.hypot(area.lat - lat, (area.lng - lng) * scale) * KM_PER_DEGREE, area.name)
        for area in areas_of(market)
    ]
    km, name = min(distances, default=(math.inf, ""))
    return name if km <= _FURTHEST_KM else None
