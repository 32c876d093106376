"""The truth given observables, integrated over as many tastes as it takes to converge.

The truth table of a simulated log holds this truth too (:mod:`data.simulator.truth`), as a
mean over 32 nodes: cheap enough for a whole log, and too coarse to hold a model against. The
order that it calls best wins 0.98 of what the best order wins under 512 nodes. Here the same
integral is computed with 512 nodes or more (:func:`nodes_for`), for the searches that are judged:
two seeds of the nodes agree to half a per cent of every G that is reported.

The simulated world is drawn again from its configuration. Beside it three things are needed:
the price filter as it was finally asked, from the log; and from the truth table the place in
the results, and whether a booking can be (the guest had not booked, the listing is free).

Memory is bounded by the world, a few thousand searches, and a block of rows per thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa

from data.simulator.catalogue_truth import CatalogueTruth
from data.simulator.choice_over_nodes import ChoiceOverNodes, Known, known_of, rows_at_once
from data.simulator.choices import Offers, examination, offers_of
from data.simulator.draws import Array
from data.simulator.prices import quote
from data.simulator.results import Shown
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Queries
from data.simulator.tables import numbers_of
from data.simulator.taste_nodes import NODE_SEED
from data.simulator.truth import blocks_of_whole_searches, sizes_of_searches, weight_of_tastes

__all__ = ["ConvergedTruth", "ShownRows", "nodes_for", "offers_of_rows"]

FEWEST_NODES, MOST_NODES = 512, 4096
VALUES = 1 << 25
"""Rows times nodes, where more than the fewest nodes are taken: what few searches do not
average out, more nodes do. Half a second of one core."""

DRAWS = 64
"""Draws of the nodes: a search has one of them by its number, the same for all its rows. What
a draw is off by (512 guests who are a little too rich) differs from search to search then, and
averages out of G."""

SEARCHES_AT_ONCE = 10_000
ROWS_COMPARED = 1_000
NO_BOOKINGS = pa.table(
    {
        "id_search": pa.array([], pa.string()),
        "id_user": pa.array([], pa.string()),
        "id_listing": pa.array([], pa.string()),
        "stage": pa.array([], pa.int8()),
    }
)


@dataclass(frozen=True, kw_only=True)
class ShownRows:
    """Impressions of whole searches, in any order; one entry per impression.

    Attributes:
        id_search: of the log.
        search: its number in the simulated week.
        listing: number of the listing in the simulated catalogue.
        position: place in the results, 1 on top.
        can_book: the guest has not booked before, and the listing is free for its dates.
        price_max: of the query as it was finally asked; NaN without a filter.
    """

    id_search: pa.ChunkedArray
    search: Array
    listing: Array
    position: Array
    can_book: Array
    price_max: Array

    @classmethod
    def of_table(cls, rows: pa.Table) -> ShownRows:
        """From the columns ``id_search``, ``id_listing``, ``position`` and ``can_book`` of the
        truth table, and ``query_price_max`` of the log.

        Raises ``ValueError`` where the ids are not those of a simulated log.
        """
        return cls(
            id_search=rows["id_search"],
            search=numbers_of(rows["id_search"]),
            listing=numbers_of(rows["id_listing"]),
            position=rows["position"].to_numpy(),
            can_book=rows["can_book"].to_numpy(),
            price_max=rows["query_price_max"].to_numpy(),
        )

    def part(self, rows: Array) -> ShownRows:
        """These rows, in this order."""
        return ShownRows(
            id_search=self.id_search.take(pa.array(rows)),
            search=self.search[rows],
            listing=self.listing[rows],
            position=self.position[rows],
            can_book=self.can_book[rows],
            price_max=self.price_max[rows],
        )


def nodes_for(rows: int) -> int:
    """How many nodes the truth of so many impressions takes, a power of two.

    >>> [nodes_for(rows) for rows in (1_000, 20_000, 1_000_000)]
    [4096, 1024, 512]
    """
    affordable = VALUES // max(1, rows)
    return min(max(1 << affordable.bit_length() >> 1, FEWEST_NODES), MOST_NODES)


class ConvergedTruth:
    """A simulated world, drawn again as it was before its log began.

    What could be booked in the log had its nights free then too.
    """

    def __init__(self, config: SimulationConfig) -> None:
        self.config = config
        self.world = CatalogueTruth(config, NO_BOOKINGS)

    def observables(
        self,
        rows: ShownRows,
        *,
        nodes: int | None = None,
        draws: int = DRAWS,
        seed: int = NODE_SEED,
        threads: int = 2,
    ) -> Array:
        """P(book | observables, examined) of each row; float64, in the order of ``rows``.

        ``nodes``: a power of two; ``None``: :func:`nodes_for` so many rows. ``seed``: of the
        first draw of nodes, the others following. One draw of as many nodes as the truth table
        has gives its column ``p_book_observables``, up to rounding. A search must come with all
        that it showed: what a guest has seen weighs its tastes.

        Raises ``ValueError`` where the world lacks a search.
        """
        count = nodes or nodes_for(len(rows.search))
        choices = [ChoiceOverNodes(self.config.choice, count, seed + i) for i in range(draws)]
        found = np.zeros(len(rows.search))
        with ThreadPoolExecutor(threads) as pool:
            for at in _some_searches(rows):
                offered = _offered(self.world, rows.part(at), draws)
                blocks = _blocks(offered, rows_at_once(count))
                means = pool.map(partial(_means, choices, offered), blocks)
                found[at[offered.rows]] = np.concatenate([np.zeros(0), *means])
        return found

    def is_of(self, rows: ShownRows, told: Array) -> bool:
        """Whether the truth table was written by this world, as the first searches tell.

        ``told``: the column ``p_book_observables`` of the rows.
        """
        first = np.flatnonzero(rows.search <= np.sort(rows.search)[:ROWS_COMPARED].max(initial=0))
        nodes = self.config.choice.taste_nodes
        found = self.observables(rows.part(first), nodes=nodes, draws=1)
        return bool(np.allclose(found, told[first], rtol=1e-4, atol=1e-9))


def _some_searches(rows: ShownRows) -> Iterator[Array]:
    """Rows of some whole searches at a time, by search and listing."""
    order = np.lexsort((rows.listing, rows.search))
    starts = np.flatnonzero(np.diff(rows.search[order], prepend=-1))
    for start, end in pairwise([*starts[::SEARCHES_AT_ONCE].tolist(), len(order)]):
        yield order[start:end]


@dataclass(frozen=True, kw_only=True)
class _Offered:
    """What whole searches showed, of what can be booked: by draw of the nodes and by search.

    Attributes:
        rows: which of the rows asked for these are.
        draw: of the nodes, per row.
        offers: one per row.
        search: row of the queries, per offer.
        seen: P(examined) of each offer.
        queries: the searches.
        known: what each query reveals.
    """

    rows: Array
    draw: Array
    offers: Offers
    search: Array
    seen: Array
    queries: Queries
    known: Known


def _offered(world: CatalogueTruth, rows: ShownRows, draws: int) -> _Offered:
    queries, search, offers = offers_of_rows(world, rows)
    draw = rows.search % draws
    can = np.flatnonzero(rows.can_book)
    can = can[np.argsort(draw[can], kind="stable")]
    return _Offered(
        rows=can,
        draw=draw[can],
        offers=offers.part(can),
        search=search[can],
        seen=examination(rows.position[can]).astype(np.float32),
        queries=queries,
        known=known_of(world.guests, queries),
    )


def offers_of_rows(world: CatalogueTruth, rows: ShownRows) -> tuple[Queries, Array, Offers]:
    """The searches as they were finally asked, the row of them that each impression has, and
    what the impressions offer to a guest who can book."""
    queries, search = _asked(world, rows)
    shown = Shown(
        search=search,
        listing=rows.listing,
        position=rows.position,
        is_random_order=np.zeros(len(search), dtype=bool),
        propensity=np.full(len(search), np.nan),
        price=quote(world.config, world.catalogue, world.prices, queries, (search, rows.listing)),
    )
    places = (world.catalogue, world.retrieval, world.calendar)
    # of all that was shown, since an impression may be held against those beside it
    return queries, search, offers_of(world.config, places, queries, shown)


def _asked(world: CatalogueTruth, rows: ShownRows) -> tuple[Queries, Array]:
    """The searches as they were finally asked, and the row of them that each impression has."""
    _, first, search = np.unique(rows.search, return_index=True, return_inverse=True)
    ids = pa.table({"id_search": rows.id_search.take(pa.array(first))})
    return world.queries(ids, {"price_max": rows.price_max[first]}), search


def _blocks(offered: _Offered, at_once: int) -> Iterator[slice]:
    """Rows of whole searches that have the same draw."""
    edges = [*np.flatnonzero(np.diff(offered.draw, prepend=-1)).tolist(), len(offered.draw)]
    for start, end in pairwise(edges):
        for rows in blocks_of_whole_searches(offered.search[start:end], at_once):
            yield slice(start + rows.start, start + rows.stop)


def _means(choices: list[ChoiceOverNodes], offered: _Offered, rows: slice) -> Array:
    """P(book) of these rows, the mean over the nodes as the past weighs them."""
    search, offers = offered.search[rows], offered.offers.part(rows)
    book = choices[offered.draw[rows.start]].chances(offers, offered.known, search).book
    # what can be booked has not been booked before
    past = (offered.queries.ordinal, np.zeros(len(offered.queries), dtype=bool))
    expected = (book * offered.seen[rows, None]).T
    weight = weight_of_tastes(offers.settings, expected, search, past)
    means = np.einsum("nr,rn->r", np.repeat(weight, sizes_of_searches(search), axis=1), book)
    return np.asarray(means)
