"""The third truth: P(book) to one who remembers all that the guest has done in the log.

Between the truth given observables and the truth given taste (:mod:`data.simulator.truth`).
Tastes are weighed by the likelihood of what the guest clicked and did not click in all of its
earlier searches, P(examined) known, and of not having booked so far; and by every map and
price filter that it has used. A model that reads a guest's history can come near this ceiling,
and no model that reads the log alone should pass it, but by luck.

Importance sampling: nodes are drawn given what the map and the filter of the guest's first
judged search tell, the same for all of its searches that know as much. The clicks, and maps
that came later, are weights. The more a guest has done, the fewer nodes carry the weight:
their effective number, 1 / Σ weight², is handed back. Of 2,048 nodes the median search of the
default week's last day has 126, one in four less than 26, one in twenty less than 4; all the
same two seeds agree to 0.5% of G, since few guests have searched that much.

What the guest did is known as the log has it in the end: a booking counts from its search on.
In a scenario where guests stop looking (a cascade), what stands below the last click of a
search tells nothing here, since it may not have been seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from data.simulator.choice_over_nodes import ChoiceOverNodes, Known, known_of, rows_at_once
from data.simulator.choices import Offers, examination
from data.simulator.converged_truth import ConvergedTruth, ShownRows, offers_of_rows
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import Guests
from data.simulator.parameters import load_world
from data.simulator.searches import Queries
from data.simulator.taste_nodes import NODE_SEED, taste_nodes

__all__ = ["NODES", "GuestRows", "PersonalTruth", "personal_truth"]

NODES = 2048
DRAWS = 16
GUESTS_AT_ONCE = 2_000
# what a node cannot explain still has a logarithm: a click, and a sure one that did not come
_NEVER, _ALWAYS = np.float32(1e-30), np.float32(1e-7)


@dataclass(frozen=True, kw_only=True)
class PersonalTruth:
    """One entry per row asked for.

    Attributes:
        book: P(book | what the log shows of the guest, examined); NaN of rows not judged.
        effective_nodes: how many nodes of equal weight would tell as much; the same for all
            rows of a search.
    """

    book: Array
    effective_nodes: Array


@dataclass(frozen=True, kw_only=True)
class GuestRows:
    """All that the judged guests were ever shown, until they are judged.

    Attributes:
        shown: the rows, in any order.
        clicked: the guest clicked, or went further.
        judged: rows of the searches to judge, whole searches.
    """

    shown: ShownRows
    clicked: Array
    judged: Array


def personal_truth(
    truth: ConvergedTruth,
    rows: GuestRows,
    *,
    nodes: int = NODES,
    draws: int = DRAWS,
    seed: int = NODE_SEED,
    threads: int = 2,
) -> PersonalTruth:
    """P(book) of the judged rows.

    A guest has one of the ``draws`` of the nodes by its number. Takes 15 seconds of one core
    for 500,000 rows, too long for every evaluation; benchmarks call it.
    """
    choices = [_Nodes.drawn(truth, nodes, seed + draw) for draw in range(draws)]
    book, effective_nodes = np.full((2, len(rows.shown.search)), np.nan)
    with ThreadPoolExecutor(threads) as pool:
        for at in _some_guests(truth, rows.shown):
            history = _history(truth, rows, at)
            work = partial(_judge, choices, truth.world.guests, history)
            for own in pool.map(work, history.searches_of_guests()):
                for part in own:
                    book[at[part.rows]] = part.book
                    effective_nodes[at[part.rows]] = part.effective_nodes
    return PersonalTruth(book=book, effective_nodes=effective_nodes)


def _some_guests(truth: ConvergedTruth, rows: ShownRows) -> Iterator[Array]:
    """Rows of some guests at a time, by search and listing."""
    guest = truth.world.plan.guest[rows.search]
    numbered = np.unique(guest, return_inverse=True)[1]
    for start in range(0, int(numbered.max(initial=-1)) + 1, GUESTS_AT_ONCE):
        own = np.flatnonzero((numbered >= start) & (numbered < start + GUESTS_AT_ONCE))
        yield own[np.lexsort((rows.listing[own], rows.search[own]))]


@dataclass(frozen=True, kw_only=True)
class _Nodes:
    choice: ChoiceOverNodes
    north: Array
    east: Array

    @classmethod
    def drawn(cls, truth: ConvergedTruth, nodes: int, seed: int) -> _Nodes:
        own = taste_nodes(nodes, seed)
        choice = ChoiceOverNodes(truth.config.choice, nodes, seed)
        return cls(choice=choice, north=own["north"][:, 0], east=own["east"][:, 0])

    def __len__(self) -> int:
        return len(self.north)


@dataclass(frozen=True, kw_only=True)
class _History:
    """What some guests searched and did.

    Attributes:
        queries: all their searches, in the order of time.
        is_judged: per search.
        north_km: of each search's map; ``east_km`` likewise.
        first: first row of each search, and at the end the number of rows.
        offers: per row; what could not be booked is worth nothing.
        seen: P(examined) per row; 0 of what tells nothing.
        clicked: per row.
    """

    queries: Queries
    is_judged: Array
    north_km: Array
    east_km: Array
    first: Array
    offers: Offers
    seen: Array
    clicked: Array

    def searches_of_guests(self) -> Iterator[Array]:
        """The searches of each guest, in the order of time."""
        by_guest = np.argsort(self.queries.guest, kind="stable")
        guest = self.queries.guest[by_guest]
        yield from np.split(by_guest, np.flatnonzero(np.diff(guest)) + 1)

    def rows(self, search: int) -> slice:
        return slice(int(self.first[search]), int(self.first[search + 1]))


def _history(truth: ConvergedTruth, of_guests: GuestRows, at: Array) -> _History:
    rows, clicked = of_guests.shown.part(at), of_guests.clicked[at]
    queries, search, offers = offers_of_rows(truth.world, rows)
    is_judged = np.zeros(len(queries), dtype=bool)
    is_judged[search[of_guests.judged[at]]] = True
    offers = replace(
        offers,
        accept=np.where(rows.can_book, offers.accept, np.float32(0)),
        direct_base=np.where(rows.can_book, offers.direct_base, np.float32(-np.inf)),
    )
    seen = examination(rows.position).astype(np.float32)
    if truth.config.changes.stop_after_click is not None:
        last = np.zeros(len(queries), dtype=np.int64)
        np.maximum.at(last, search[clicked], rows.position[clicked])
        seen *= (rows.position <= last[search]) | (last[search] == 0)
    north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
    return _History(
        queries=queries,
        is_judged=is_judged,
        north_km=north,
        east_km=east,
        first=np.searchsorted(search, np.arange(len(queries) + 1)),
        offers=offers,
        seen=seen,
        clicked=clicked,
    )


@dataclass(frozen=True, kw_only=True)
class _Judged:
    rows: slice
    book: Array
    effective_nodes: float


def _judge(
    choices: list[_Nodes], guests: Guests, history: _History, searches: Array
) -> list[_Judged]:
    """The judged searches of one guest; ``searches``: all of its own, in the order of time."""
    nodes = choices[history.queries.guest[searches[0]] % len(choices)]
    price_max = np.fmax.accumulate(history.queries.price_max[searches])
    stages = np.stack([history.queries.knows_area[searches], ~np.isnan(price_max)], axis=1)
    is_judged = history.is_judged[searches]
    judged: list[_Judged] = []
    for stage in np.unique(stages[is_judged], axis=0):
        places = np.flatnonzero(is_judged & (stages == stage).all(axis=1))
        told = _Told.by_first(guests, history, searches[: places[0] + 1], price_max[places[0]])
        judged += _weighed(nodes, told, history, searches[: places[-1] + 1], set(places.tolist()))
    return judged


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What maps and filters have told of the guest up to some search: nodes are drawn given it.

    ``searches``: how many they are; ``spread_km``: of the wished place, 0 where no map told it.
    """

    known: Known
    searches: int
    spread_km: float

    @classmethod
    def by_first(
        cls, guests: Guests, history: _History, searches: Array, price_max: float
    ) -> _Told:
        """By the last of these searches."""
        query = replace(
            history.queries.rows(searches[-1:]), price_max=np.array([price_max], dtype=np.float64)
        )
        known = known_of(guests, query)
        mapped = searches[history.queries.knows_area[searches]]
        if len(mapped) == 0:
            return cls(known=known, searches=len(searches), spread_km=0.0)
        # n maps around the place, each with the same noise: their mean, with 1/sqrt(n) of it
        spread = load_world().guests.center_noise_km / np.sqrt(len(mapped))
        wish = known.wish.copy()
        wish[0, 0] = spread
        known = replace(
            known,
            wish=wish,
            north_km=history.north_km[mapped].mean(keepdims=True).astype(np.float32),
            east_km=history.east_km[mapped].mean(keepdims=True).astype(np.float32),
        )
        return cls(known=known, searches=len(searches), spread_km=float(spread))

    def map_likelihood(self, nodes: _Nodes, north_km: float, east_km: float) -> Array:
        """Of a further map: log, per node."""
        north = self.known.north_km[0] + self.spread_km * nodes.north - north_km
        east = self.known.east_km[0] + self.spread_km * nodes.east - east_km
        variance = load_world().guests.center_noise_km ** 2
        return np.asarray(-(north**2 + east**2) / (2 * variance))


def _weighed(
    nodes: _Nodes, told: _Told, history: _History, searches: Array, judged: set[int]
) -> list[_Judged]:
    """The searches at the places ``judged`` of a guest's ``searches``, each by those before it."""
    likelihood = np.zeros(len(nodes))
    found = []
    for place, search in enumerate(searches.tolist()):
        if told.spread_km and place >= told.searches:
            likelihood += told.map_likelihood(
                nodes, history.north_km[search], history.east_km[search]
            )
        weight = np.exp(likelihood - likelihood.max())
        weight = (weight / weight.sum()).astype(np.float32)
        book, of_clicks = _values(nodes, told.known, history, history.rows(search), weight)
        likelihood += of_clicks
        if place in judged:
            effective = 1 / float(weight @ weight)
            rows = history.rows(search)
            found.append(_Judged(rows=rows, book=book, effective_nodes=effective))
    return found


def _values(
    nodes: _Nodes, known: Known, history: _History, rows: slice, weight: Array
) -> tuple[Array, Array]:
    """P(book) of a search's rows under the weights; log likelihood of its clicks, per node."""
    book, likelihood = [np.zeros(0, dtype=np.float32)], np.zeros(len(nodes))
    step = rows_at_once(len(nodes))
    for start in range(rows.start, rows.stop, step):
        part = slice(start, min(start + step, rows.stop))
        one_guest = np.zeros(part.stop - part.start, dtype=np.int64)
        chances = nodes.choice.chances(history.offers.part(part), known, one_guest)
        book.append(chances.book @ weight)
        passed = ~history.clicked[part]
        not_clicked = 1 - history.seen[part][passed, None] * chances.click[passed]
        not_booked = (chances.click - chances.book)[~passed]
        likelihood += np.log(np.maximum(not_clicked, _ALWAYS)).sum(axis=0)
        likelihood += np.log(np.maximum(not_booked, _NEVER)).sum(axis=0)
    return np.concatenate(book), likelihood
