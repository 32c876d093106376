"""Results: which listings a search finds, and the order in which it shows them.

Retrieval draws candidates from the pool of the searched area and filters them. A production
ranker of limited quality orders them: by ratings, popularity, price, distance to the map's
centre and a part of the hidden appeal. It knows nothing about the guest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.simulator.availability import Calendar
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.listings import Catalogue
from data.simulator.parameters import load_world
from data.simulator.prices import PriceList, Quote, quote
from data.simulator.retrieval import Retrieval, candidates_of
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Queries

__all__ = ["Shown", "can_host", "show_results"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One entry per impression, by search and listing; prices aligned.

    ``search`` is the index in the chunk's queries; ``propensity`` is NaN unless the
    order is random.
    """

    search: Array
    listing: Array
    position: Array
    is_random_order: Array
    propensity: Array
    price: Quote


def show_results(
    config: SimulationConfig,
    world: tuple[Catalogue, PriceList, Retrieval, Calendar],
    queries: Queries,
    rng: np.random.Generator,
) -> tuple[Queries, Shown]:
    """The results of each search. Searches that would find too few zoom out first.

    Returns the queries as finally asked (radius and price filter may have changed) and
    the impressions. A search that finds nothing even then has no impressions.
    """
    settings = load_world().results
    order = _ordered(config, world, queries, rng)
    few = order[2] < settings.fewest
    if few.any():
        queries = _zoomed_out(queries, few)
        second = _ordered(config, world, queries.rows(few), rng)
        order[0][few], order[1][few], order[2][few] = second
    return queries, _flatten(config, world, queries, order, rng)


def _zoomed_out(queries: Queries, few: Array) -> Queries:
    largest = load_world().guests.city_radius_km[1]
    fields = {name: getattr(queries, name) for name in Queries.__dataclass_fields__}
    fields["radius"] = np.where(few, 2 * largest, queries.radius)
    for name in ("price_min", "price_max"):
        fields[name] = np.where(few, np.nan, fields[name])
    return Queries(**fields)


def _ordered(
    config: SimulationConfig,
    world: tuple[Catalogue, PriceList, Retrieval, Calendar],
    queries: Queries,
    rng: np.random.Generator,
) -> tuple[Array, Array, Array]:
    """Best candidates first: listings and random keys (searches, results), number of results."""
    catalogue, prices, retrieval, calendar = world
    settings = load_world().results
    listing, fresh = candidates_of(retrieval, queries, rng)
    search, column = np.nonzero(fresh)
    chosen = listing[search, column]
    keep = _fits(catalogue, calendar, queries, search, chosen)
    search, column, chosen = search[keep], column[keep], chosen[keep]
    price = quote(config, catalogue, prices, queries, (search, chosen)).shown_per_night
    distance = _distance_to_center(retrieval, queries, search, chosen)
    keep = ~(price > queries.price_max[search]) & ~(price < queries.price_min[search])
    keep &= distance <= queries.radius[search]
    score = np.full(listing.shape, -np.inf, dtype=np.float32)
    value = (
        retrieval.static_score[chosen]
        + settings.price_weight * np.log(price)
        + settings.distance_weight * distance
        + settings.noise_sd * rng.standard_normal(len(chosen), dtype=np.float32)
    )
    score[search[keep], column[keep]] = value[keep]
    best = np.argsort(-score, axis=1, kind="stable")[:, : config.results_per_search]
    counts = np.minimum(np.isfinite(score).sum(axis=1), config.results_per_search)
    keys = rng.random(best.shape, dtype=np.float32)
    return np.take_along_axis(listing, best, axis=1), keys, counts


def _fits(
    catalogue: Catalogue, calendar: Calendar, queries: Queries, search: Array, listing: Array
) -> Array:
    fits: Array = catalogue.capacity[listing] >= queries.party[search]
    # only what could fit is looked up in the calendar, by far the largest table
    dated = np.flatnonzero(fits & queries.is_dated[search])
    fits[dated] = can_host(catalogue, calendar, queries, (search[dated], listing[dated]))
    return fits


def can_host(
    catalogue: Catalogue, calendar: Calendar, queries: Queries, pairs: tuple[Array, Array]
) -> Array:
    """Whether the listing of each (search, listing) pair is free for the guest's real dates.

    A dated search shows only such listings. A dateless search shows all: where the listing
    is not free, its host declines the contact.
    """
    search, listing = pairs
    nights = queries.nights[search]
    takes: Array = catalogue.minimum_nights[listing] <= nights
    takes &= nights <= catalogue.maximum_nights[listing]
    open_to = np.flatnonzero(takes)
    checkin = queries.checkin[search[open_to]]
    takes[open_to] = calendar.is_shown_free(listing[open_to], checkin, nights[open_to])
    return takes


def _distance_to_center(
    retrieval: Retrieval, queries: Queries, search: Array, listing: Array
) -> Array:
    north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
    distance: Array = np.hypot(
        retrieval.north_km[listing] - north[search], retrieval.east_km[listing] - east[search]
    )
    return distance


def _flatten(
    config: SimulationConfig,
    world: tuple[Catalogue, PriceList, Retrieval, Calendar],
    queries: Queries,
    order: tuple[Array, Array, Array],
    rng: np.random.Generator,
) -> Shown:
    listing, keys, counts = order
    shuffled = rng.random(len(queries)) < load_world().results.random_order_share
    column = np.arange(listing.shape[1])
    is_shown = column[None, :] < counts[:, None]
    # sorting by keys: random ones below 1 shuffle a search, 2 + place leaves it as it is. Only
    # what is shown is shuffled, so each of n places has probability 1/n
    keys = np.where(is_shown & shuffled[:, None], keys, 2 + column[None, :])
    listing = np.take_along_axis(listing, np.argsort(keys, axis=1, kind="stable"), axis=1)
    search, place = np.nonzero(is_shown)
    chosen = listing[search, place]
    # by listing, not by place: the order of the log's rows must not tell the position
    by_listing = np.lexsort((chosen, search))
    chosen, place = chosen[by_listing], place[by_listing]
    random_order = shuffled[search]
    return Shown(
        search=search,
        listing=chosen,
        position=(place + 1).astype(np.int32),
        is_random_order=random_order,
        propensity=np.where(random_order, 1.0 / counts[search], np.nan),
        price=quote(config, world[0], world[1], queries, (search, chosen)),
    )
