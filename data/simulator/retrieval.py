"""Retrieval: pools of listings by area, radius and party size, and draws from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.listings import Catalogue
from data.simulator.parameters import ResultParameters, load_world
from data.simulator.searches import Queries

__all__ = ["Retrieval", "build_retrieval", "candidates_of"]

PARTY_EDGES = (2, 4, 6)  # pools for parties of up to 2, 4, 6, and more
RADIUS_EDGES_KM = (2.5, 4.5, 7.5)


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """Pools of listings, best first by the static score, one after the other.

    ``first`` and ``size``: shape (markets, areas + 1, radii, parties); the last area is
    the whole city. ``centers_km``: per market, the areas' centres as (north, east).
    """

    members: Array
    first: Array
    size: Array
    static_score: Array
    north_km: Array
    east_km: Array
    centers_km: tuple[Array, ...]


def build_retrieval(catalogue: Catalogue) -> Retrieval:
    """The pools of every area, radius and party size, by market."""
    north, east = to_km(catalogue.market.astype(np.int64), catalogue.lat, catalogue.lng)
    score = _static_score(catalogue, load_world().results)
    centers = _area_centers()
    members, size = _pools(catalogue, score, np.column_stack([north, east]), centers)
    ends = np.cumsum(size).reshape(size.shape)
    return Retrieval(
        members=members,
        first=ends - size,
        size=size,
        static_score=score,
        north_km=north,
        east_km=east,
        centers_km=centers,
    )


def _area_centers() -> tuple[Array, ...]:
    """Per market, its areas' centres: (areas, 2) kilometres north and east."""
    return tuple(
        np.column_stack(
            to_km(np.full(len(fit.areas.lat), m), np.array(fit.areas.lat), np.array(fit.areas.lng))
        )
        for m, fit in enumerate(load_world().markets)
    )


def _pools(
    catalogue: Catalogue, score: Array, place: Array, centers: tuple[Array, ...]
) -> tuple[Array, Array]:
    """Members of all pools one after the other, and the pools' sizes.

    The last area is the whole city, and so is any that a market does not have.
    """
    slack = load_world().results.pool_slack_km
    best_first = np.argsort(-score, kind="stable")
    by_market = [best_first[catalogue.market[best_first] == m] for m in range(len(centers))]
    most_areas = max(len(center) for center in centers)
    shape = (len(centers), most_areas + 1, len(RADIUS_EDGES_KM), len(PARTY_EDGES) + 1)
    size = np.zeros(shape, dtype=np.int64)
    members = []
    for market, area, radius, party in np.ndindex(shape):
        here = by_market[market]
        if area < len(centers[market]):
            gap = np.hypot(*(place[here] - centers[market][area]).T)
            here = here[gap <= RADIUS_EDGES_KM[radius] + slack]
        fewest = 1 if party == 0 else PARTY_EDGES[party - 1] + 1
        members.append(here[catalogue.capacity[here] >= fewest].astype(np.int32))
        size[market, area, radius, party] = len(members[-1])
    return np.concatenate(members), size


def _static_score(catalogue: Catalogue, settings: ResultParameters) -> Array:
    rated = np.nan_to_num(catalogue.rating, nan=float(np.nanmedian(catalogue.rating)))
    return (
        settings.rating_weight * rated
        + settings.reviews_weight * np.log1p(catalogue.reviews)
        + settings.books_weight * np.log1p(catalogue.books_90day)
        + settings.photos_weight * catalogue.pro_pictures
        + settings.appeal_weight * catalogue.appeal
        + settings.new_weight * catalogue.is_new
    )


def candidates_of(
    retrieval: Retrieval, queries: Queries, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Stratified draws from each search's pool, denser at its top: (searches, candidates).

    The second array is false where a draw repeats the one before it. With 4 candidates the
    draws fall one each into the quarters of 0 to 1; ``pool_skew`` above 1 bends them towards
    0, the top of the pool. They rise along a row, so that repeats are neighbours.
    """
    settings = load_world().results
    pool = _pool_of(retrieval, queries)
    first, size = retrieval.first[pool], retrieval.size[pool]
    strata = np.arange(settings.candidates, dtype=np.float32)
    uniform = rng.random((len(queries), settings.candidates), dtype=np.float32)
    depth = ((strata + uniform) / settings.candidates) ** settings.pool_skew
    place = np.minimum((depth * size[:, None]).astype(np.int64), size[:, None] - 1)
    fresh = np.diff(place, axis=1, prepend=-1) != 0
    fresh &= size[:, None] > 0
    at = np.minimum(first[:, None] + np.maximum(place, 0), len(retrieval.members) - 1)
    return retrieval.members[at].astype(np.int64), fresh


def _pool_of(retrieval: Retrieval, queries: Queries) -> tuple[Array, Array, Array, Array]:
    party = np.searchsorted(np.asarray(PARTY_EDGES), queries.party)
    radius = np.searchsorted(np.asarray(RADIUS_EDGES_KM), queries.radius)
    area = np.full(len(queries), retrieval.first.shape[1] - 1)
    north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
    for market, centers in enumerate(retrieval.centers_km):
        here = np.flatnonzero((queries.market == market) & (radius < len(RADIUS_EDGES_KM)))
        gap = np.hypot(
            north[here, None] - centers[None, :, 0], east[here, None] - centers[None, :, 1]
        )
        area[here] = gap.argmin(axis=1)
    return queries.market, area, np.minimum(radius, len(RADIUS_EDGES_KM) - 1), party
