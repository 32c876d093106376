"""The choice of impressions under many tastes at once: what an integral over tastes adds up.

The formulas are those of :func:`data.simulator.choices.probabilities`, which a test holds them
to; they are written here for speed. Each is a matrix of impressions and nodes. What is linear
in the node (the gap to the budget, the way to the wished place, most of the utility) is one
matrix product, and the rest is done in place, a block of rows that stays in the processor's
cache. NumPy's logarithm and exponential of float32 use vector instructions, ``log1p`` and
``hypot`` do not: 14 instead of 110 ns per impression and node. A kernel in numba compiles for
seconds in every new process or needs a cache to be kept, and gains nothing on that.

Shapes: R impressions, N nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.simulator.choices import Offers, from_normal
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import Guests
from data.simulator.parameters import MARKETS, ChoiceParameters, load_world
from data.simulator.searches import Queries
from data.simulator.taste_nodes import NODE_SEED, budget_given_filter, taste_nodes, wish_nodes

__all__ = ["Chances", "ChoiceOverNodes", "Known", "known_of", "rows_at_once"]

VALUES_AT_ONCE = 1 << 16
"""Impressions times nodes, float32: some such matrices fit the processor's cache."""

_MOST_LOSS = np.float32(30)
"""Of utility: no product of the odds leaves float32; P(click) is below 1e-13 there."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """What each query reveals of its guest's taste: turns the nodes into tastes; float32.

    Attributes:
        budget_mean: of the log budget.
        budget_spread: of the same.
        north_km: of the map's centre where the area is known, else 0; ``east_km`` likewise.
        wish: how much each kind of node is the wished place, shape (queries, 1 + markets): the
            noise around the centre (km), or 1 for the prior of the query's market.
    """

    budget_mean: Array
    budget_spread: Array
    north_km: Array
    east_km: Array
    wish: Array


def known_of(guests: Guests, queries: Queries) -> Known:
    """What each of the queries reveals by itself."""
    mean, spread = budget_given_filter(guests, queries)
    north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
    knows = queries.knows_area
    wish = np.zeros((len(queries), 1 + len(MARKETS)), dtype=np.float32)
    wish[knows, 0] = load_world().guests.center_noise_km
    wish[~knows, 1 + queries.market[~knows]] = 1
    return Known(
        budget_mean=mean,
        budget_spread=spread,
        north_km=np.where(knows, north, 0).astype(np.float32),
        east_km=np.where(knows, east, 0).astype(np.float32),
        wish=wish,
    )


@dataclass(frozen=True, kw_only=True)
class Chances:
    """Of each examined impression under each node, shape (R, N), float32.

    Attributes:
        click: P(clicked).
        book: P(booked) of a guest who has not booked yet.
    """

    click: Array
    book: Array


class ChoiceOverNodes:
    """The nodes as the matrices that impressions are multiplied with."""

    def __init__(self, settings: ChoiceParameters, count: int, seed: int = NODE_SEED) -> None:
        self._settings = settings
        nodes = {name: column[:, 0] for name, column in taste_nodes(count, seed).items()}
        own = from_normal(settings, nodes)
        one = np.ones(count)
        wishes = [wish_nodes(market, count, seed) for market in range(len(MARKETS))]
        self._budget = _matrix(one, nodes["budget"])
        self._north = _matrix(one, nodes["north"], *(north[:, 0] for north, _ in wishes))
        self._east = _matrix(one, nodes["east"], *(east[:, 0] for _, east in wishes))
        self._linear = _matrix(
            one,
            own["entire"],
            settings.rating_weight * own["quality_factor"],
            own["style_first"],
            own["style_second"],
        )
        self._price = (settings.price_weight * own["price_factor"]).astype(np.float32)
        self._way = (settings.distance_weight * own["distance_factor"]).astype(np.float32)
        self._intent = own["intent"].astype(np.float32)

    def chances(self, offers: Offers, known: Known, search: Array) -> Chances:
        """``search``: row of ``known`` that each of the offers belongs to.

        With the odds A, C, D, K against a click, a contact, a direct booking and a completion,
        and h = P(host accepts): P(click) = 1 / (1 + A), and

            P(book) = (1/D + h / ((1 + C) (1 + K))) / (1 + 1/D) / (1 + A)

        where 1/D, the odds for a direct booking, is 0 of what cannot be booked directly.
        """
        settings = self._settings
        loss = self._loss(offers, known, search)
        against_click = _odds(loss, 1, -offers.click_base)
        against_click += 1
        rest = _odds(loss, settings.contact_slope, -offers.contact_base, -self._intent)
        rest += 1
        no_completion = _odds(loss, settings.complete_slope, -settings.complete_intercept)
        no_completion += 1
        rest *= no_completion
        direct = _odds(loss, -settings.direct_slope, offers.direct_base, self._intent)
        book = np.multiply(direct, rest, out=no_completion)
        book += offers.accept[:, None]
        direct += 1
        rest *= direct
        rest *= against_click
        book /= rest
        return Chances(click=np.reciprocal(against_click, out=against_click), book=book)

    def _loss(self, offers: Offers, known: Known, search: Array) -> Array:
        """The utility with its sign turned."""
        settings = self._settings
        gap = _matrix(offers.log_price - known.budget_mean[search], -known.budget_spread[search]).T
        loss = gap @ self._budget
        money = loss * np.float32(settings.price_kink)
        loss = np.maximum(loss, money, out=loss)
        loss *= self._price
        loss += self._loss_of_way(offers, known, search, out=money)
        gain = np.matmul(
            _matrix(
                offers.plain,
                offers.is_entire,
                offers.quality,
                offers.style_first,
                offers.style_second,
            ).T,
            self._linear,
            out=money,
        )
        loss -= gain
        return np.asarray(np.minimum(loss, _MOST_LOSS, out=loss))

    def _loss_of_way(self, offers: Offers, known: Known, search: Array, *, out: Array) -> Array:
        scale = np.float32(1 / self._settings.distance_scale_km)
        wish = -known.wish[search].T
        north = _matrix(offers.north_km - known.north_km[search], *wish).T * scale
        east = _matrix(offers.east_km - known.east_km[search], *wish).T * scale
        way = np.matmul(north, self._north, out=out)
        way *= way
        other = east @ self._east
        other *= other
        way += other
        np.sqrt(way, out=way)
        way += 1
        np.log(way, out=way)
        way *= self._way
        return way


def rows_at_once(nodes: int) -> int:
    """Impressions that are valued under so many nodes at a time."""
    return max(1, VALUES_AT_ONCE // nodes)


def _odds(loss: Array, slope: float, base: Array | float, own: Array | float = 0.0) -> Array:
    """exp(slope · loss + base + own), ``base`` of the impressions and ``own`` of the nodes."""
    logit = loss * np.float32(slope)
    logit += np.reshape(np.asarray(base, dtype=np.float32), (-1, 1))
    if isinstance(own, np.ndarray):
        logit += own
    return np.exp(logit, out=logit)


def _matrix(*rows: Array) -> Array:
    return np.stack([row.astype(np.float32) for row in rows])
