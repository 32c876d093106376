"""The true probabilities behind each impression, kept apart from the log.

Two truths, both of an *examined* impression (position plays no part):

- given **taste**: everything that decides the choice is known.
- given **observables**: the guest's taste is integrated out. Known are the query (dates,
  party, map, price filter), the market, all of the listing as guests see it (its hidden
  appeal and style included: other guests' behaviour reveals them in the long run), the
  price, how many searches the guest has made before, and whether it has booked already.
  Not known is what those earlier searches and clicks tell of its taste; a model that
  reads a guest's history may therefore do better than this ceiling, never better than
  the first.

The integral is a mean over ``taste_nodes`` scrambled Sobol points of the guest's taste,
the same for all impressions, so that the error is alike within a search. The budget
given a price filter is the exact Gaussian posterior (the filter is the budget plus
Gaussian noise). The wished place given a map of an area is Gaussian around its centre
(flat prior); given a map of the city it is the prior of all wishes. Tastes that would
have booked in the earlier searches weigh less; each of these counts as a share of the
present one, chosen so that the mean of this truth is the mean of the first after few
searches and after many.

Both truths are of one impression by itself. A guest who would have booked two books one,
and of two guests who want one night the first gets it, so that the bookings of a log are
a few per cent fewer than the sum of P(book) over the impressions examined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from data.simulator.choice_over_nodes import ChoiceOverNodes, known_of, rows_at_once
from data.simulator.choices import (
    Offers,
    Probabilities,
    Taste,
    examination,
    from_normal,
    probabilities,
)
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import Guests
from data.simulator.parameters import ChoiceParameters, load_world
from data.simulator.results import Shown
from data.simulator.searches import Queries
from data.simulator.taste_nodes import budget_given_filter, taste_nodes, wish_nodes

__all__ = [
    "Given",
    "blocks_of_whole_searches",
    "given_observables",
    "given_taste",
    "means_over_tastes",
    "sizes_of_searches",
    "weight_of_tastes",
    "weight_of_the_past",
]

IMPRESSIONS_AT_A_TIME = 4096


@dataclass(frozen=True, kw_only=True)
class Given:
    """P(click), P(contact) and P(book) of each impression, examined; float64.

    ``can_book``: the guest has not booked before, and the listing is free for its dates.
    """

    click: Array
    contact: Array
    book: Array
    can_book: Array


def given_taste(chances: Probabilities) -> Given:
    """The truth when the guest's taste is known."""
    parts = (chances.click, chances.contact, chances.book)
    click, contact, book = (part.astype(np.float64) for part in parts)
    can_book = (chances.accept_given_contact > 0) & (chances.has_booked == 0)
    return Given(click=click, contact=contact, book=book, can_book=can_book)


def given_observables(offers: Offers, guests: Guests, queries: Queries, shown: Shown) -> Given:
    """The truth when only the log's row is known; see the head of this file."""
    has_booked = np.zeros(len(queries), dtype=bool)
    has_booked[shown.search] = offers.has_booked > 0
    means = np.empty((3, len(shown.search)))
    settings = offers.settings
    nodes = settings.taste_nodes
    for rows in blocks_of_whole_searches(shown.search, IMPRESSIONS_AT_A_TIME):
        search = shown.search[rows]
        tastes = _tastes_given_query(settings, guests, queries, (search, nodes))
        chances = probabilities(offers.part(rows), tastes)
        seen = examination(shown.position[rows]).astype(np.float32)
        weight = weight_of_tastes(
            settings, chances.book_unless_booked * seen, search, (queries.ordinal, has_booked)
        )
        weight_of_row = np.repeat(weight, sizes_of_searches(search), axis=1)
        for row, chance in enumerate((chances.click, chances.contact, chances.book)):
            means[row, rows] = np.einsum("nr,nr->r", weight_of_row, chance)
    can_book = (offers.accept > 0) & (offers.has_booked == 0)
    return Given(click=means[0], contact=means[1], book=means[2], can_book=can_book)


def weight_of_the_past(
    offers: Offers, guests: Guests, queries: Queries, shown: tuple[Array, Array], nodes: int
) -> Array:
    """Weights of ``nodes`` tastes for each of the queries: (nodes, queries), each column sums to 1.

    ``shown``: index of the query, sorted, and P(examined) of each of ``offers``, which stand
    for what the guest has seen before. A query of which nothing was shown has equal weights.
    """
    search, seen = shown
    has_booked = np.zeros(len(queries), dtype=bool)
    has_booked[search] = offers.has_booked > 0
    weight = np.full((nodes, len(queries)), np.float32(1 / nodes))
    choice, known = ChoiceOverNodes(offers.settings, nodes), known_of(guests, queries)
    past = (queries.ordinal, has_booked)
    for rows in blocks_of_whole_searches(search, rows_at_once(nodes)):
        chances = choice.chances(offers.part(rows), known, search[rows])
        expected = chances.book * seen[rows, None].astype(np.float32)
        weight[:, np.unique(search[rows])] = weight_of_tastes(
            offers.settings, expected.T, search[rows], past
        )
    return weight


def means_over_tastes(
    offers: Offers, guests: Guests, queries: Queries, search: Array, weight: Array
) -> Array:
    """P(book) of each offer to the guest of its search, the taste integrated out; float64.

    ``weight``: of the tastes, one column per query (:func:`weight_of_the_past`).
    """
    means = np.empty(len(search))
    choice, known = ChoiceOverNodes(offers.settings, len(weight)), known_of(guests, queries)
    step = rows_at_once(len(weight))
    for start in range(0, len(search), step):
        rows = slice(start, start + step)
        book = choice.chances(offers.part(rows), known, search[rows]).book
        means[rows] = np.einsum("nr,rn->r", weight[:, search[rows]], book)
    return np.asarray(means * (1 - offers.has_booked))


def sizes_of_searches(search: Array) -> Array:
    """Rows of each search, in their order."""
    starts = np.flatnonzero(np.diff(search, prepend=-1))
    return np.diff(starts, append=len(search))


def blocks_of_whole_searches(search: Array, at_once: int) -> Iterator[slice]:
    """About ``at_once`` impressions at a time; ``search``: of each of them, in order."""
    if len(search) == 0:
        return
    starts = np.flatnonzero(np.diff(search, prepend=-1))
    wanted = np.arange(0, len(search), at_once)
    edges = np.unique(starts[np.searchsorted(starts, wanted, side="right") - 1])
    for start, end in pairwise([*edges.tolist(), len(search)]):
        yield slice(start, end)


def weight_of_tastes(
    settings: ChoiceParameters, expected: Array, search: Array, past: tuple[Array, Array]
) -> Array:
    """Weights of the tastes, (nodes, searches): who wants much has booked by now.

    ``expected``: P(examined and booked) per node and impression, of a guest who has not
    booked. ``past``: per search, how many the guest made before, and whether one of them
    led to its booking. The likelihood takes each of them to be like a share of this one:
    they were broader, and often without dates.

    Two tastes that would book in this search with probabilities 0.5 and 0.1, after earlier
    searches that count as one such search, of which none led to a booking: likelihoods 0.5
    and 0.9, weights 0.36 and 0.64. After a booking: 0.5 and 0.1, weights 0.83 and 0.17.
    """
    ordinal, has_booked = past
    starts = np.flatnonzero(np.diff(search, prepend=-1))
    which = search[starts]
    chance = np.add.reduceat(expected, starts, axis=1).clip(0, 0.95)
    earlier = settings.earlier_search_weight * ordinal[which]
    none = (1 - chance) ** earlier.astype(np.float32)
    # 1e-9: where no taste would have booked, the weights are equal and not 0 / 0
    weight = np.where(has_booked[which], 1 - none + np.float32(1e-9), none)
    weight /= weight.sum(axis=0)
    return np.asarray(weight)


def _tastes_given_query(
    settings: ChoiceParameters, guests: Guests, queries: Queries, of: tuple[Array, int]
) -> Taste:
    """Equally likely tastes of each impression's guest: shapes (nodes, impressions or 1).

    ``of``: index of each impression's query, and the number of nodes.
    """
    search, count = of
    nodes = taste_nodes(count)
    mean, spread = (of_query[search] for of_query in budget_given_filter(guests, queries))
    north, east = _wish_given_map(queries, search, count)
    own = {name: column.astype(np.float32) for name, column in from_normal(settings, nodes).items()}
    return Taste(
        log_budget=mean + spread * nodes["budget"], wish_north_km=north, wish_east_km=east, **own
    )


def _wish_given_map(queries: Queries, search: Array, count: int) -> tuple[Array, Array]:
    nodes, settings = taste_nodes(count), load_world().guests
    north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
    noise = np.float32(settings.center_noise_km)
    near_north = north.astype(np.float32)[search] + noise * nodes["north"]
    near_east = east.astype(np.float32)[search] + noise * nodes["east"]
    priors = [wish_nodes(market, count) for market in range(len(load_world().markets))]
    market, knows = queries.market[search], queries.knows_area[search]
    any_north = np.where(market == 0, priors[0][0], priors[1][0])
    any_east = np.where(market == 0, priors[0][1], priors[1][1])
    return np.where(knows, near_north, any_north), np.where(knows, near_east, any_east)
