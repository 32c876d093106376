"""The worth of any listing to any search of a simulated week, shown or not.

The truth table (:mod:`data.simulator.truth`) holds what was shown. What a recommender gives is
drawn from the whole catalogue, so that its worth has to be computed for pairs that no row of
the log has. The simulated world is drawn again from its configuration, and brought to the state
in which the log left it: the nights that its guests have booked are taken.

This is a door that only evaluation may open: an import contract keeps ``features`` and
``models`` out of this package.

A pair is worth P(book | the guest's taste, examined); 0 where the search would not find the
listing (party, nights, price, place), where a night is taken, and where the guest has booked
already. A guest with a dateless search has dates in mind that the log does not show; a listing
that is taken then is worth 0 all the same, since its host declines.

In the scenario ``contrast`` a price or a rating counts beside others. A pair that no row of the
log has is held against the mean of all free listings that the search allows: what a guest who
looked at all of them would take for usual. It is one figure per search, so that the worth of a
listing does not depend on the list that it stands in. What a search showed can be held against
what stood beside it (``shown``): then it is worth what the truth table says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.schema.types import BOOKED
from data.simulator.availability import Calendar
from data.simulator.choices import (
    Beside,
    Offers,
    after_booking,
    beside_of,
    examination,
    offers_of,
    probabilities,
    taste_of,
)
from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import draw_guests
from data.simulator.listings import draw_catalogue
from data.simulator.parameters import MARKETS
from data.simulator.prices import draw_prices, quote
from data.simulator.results import Shown
from data.simulator.retrieval import build_retrieval
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Queries, chunks_of, draw_plan, queries_of
from data.simulator.tables import numbers_of
from data.simulator.truth import means_over_tastes, weight_of_the_past

__all__ = ["CatalogueTruth", "Pairs", "examined_at"]

OBSERVABLE_NODES = 512
"""Sobol points of the taste: two draws of so many agree to half a per cent of G."""

PAIRS_AT_ONCE = 1 << 20


def examined_at(places: int) -> Array:
    """P(examined) of the places 1, 2, … of a list; no place of it is sponsored.

    >>> examined_at(3).round(2).tolist()[0]
    1.0
    """
    return examination(np.arange(1, places + 1), has_sponsored=False)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Listings that searches allow, by search; one entry per pair.

    Attributes:
        search: row of the queries, ascending.
        listing: number of the listing in the simulated catalogue.
        is_free: no night of the stay is taken.
        taste: P(book | taste, examined), 0 where it is not free.
        observables: the same with the taste integrated out; ``None`` where not asked for.
        log_price: of the stay per night as shown, natural logarithm of the price.
    """

    search: Array
    listing: Array
    is_free: Array
    taste: Array
    observables: Array | None
    log_price: Array


class CatalogueTruth:
    """A simulated world as its log left it.

    Args:
        config: of the simulation that wrote the log.
        bookings: the log's rows of stage booked, with ``id_user``, ``id_listing`` and the days
            of the stay: rows of other stages are left out.

    Raises ``ValueError`` where the bookings name guests or listings that this world lacks.
    """

    def __init__(self, config: SimulationConfig, bookings: pa.Table) -> None:
        self.config = config
        self.catalogue = draw_catalogue(config)
        medians = [np.median(self.catalogue.price[self.catalogue.market == m]) for m in _markets()]
        self.guests = draw_guests(config, np.array(medians))
        self.plan = draw_plan(config, self.guests)
        self.prices = draw_prices(config, self.catalogue)
        self.retrieval = build_retrieval(self.catalogue)
        self.calendar = Calendar(config, self.catalogue)
        self.has_booked = np.zeros(len(self.guests), dtype=bool)
        self._take(bookings.filter(pc.equal(bookings["stage"], int(BOOKED))))

    def _take(self, bookings: pa.Table) -> None:
        """Take the nights that were booked out of the calendar."""
        guests = numbers_of(bookings["id_user"])
        listings = numbers_of(bookings["id_listing"])
        if guests.max(initial=-1) >= len(self.guests) or listings.max(initial=-1) >= len(
            self.catalogue
        ):
            raise ValueError("the bookings name guests or listings that the simulated world lacks")
        self.has_booked[guests] = True
        # A dateless search shows no dates; the world knows for which the guest booked.
        queries = self.queries(bookings.select(["id_search"]), {})
        for listing, checkin, nights in zip(
            listings.tolist(), queries.checkin.tolist(), queries.nights.tolist(), strict=True
        ):
            self.calendar.take(listing, (checkin, checkin + nights))

    def queries(self, searches: pa.Table, asked: Mapping[str, Array], day: int = 0) -> Queries:
        """The searches of these ids as they were asked, in their order.

        Args:
            searches: ``id_search``.
            asked: what the log says of them and the plan does not: ``radius``, ``price_min``
                and ``price_max`` (a search that finds too little zooms out).
            day: the day on which they are asked again, if later than their own.

        Raises ``ValueError`` where this world lacks a search.
        """
        numbers = numbers_of(searches["id_search"])
        if numbers.max(initial=-1) >= len(self.plan.minute):
            raise ValueError("the log holds searches that the simulated world lacks")
        parts: list[Queries] = []
        order: list[Array] = []
        for _, chunk in chunks_of(self.config, self.plan):
            rows = np.flatnonzero((numbers >= chunk[0]) & (numbers < chunk[1]))
            # The first chunk also where it holds none: the fields of no query have types too.
            if len(rows) or not parts:
                drawn = queries_of(self.config, self.guests, self.plan, chunk)
                parts.append(drawn.rows(numbers[rows] - chunk[0]))
                order.append(rows)
        placed = np.argsort(np.concatenate(order))
        names = [field.name for field in fields(Queries)]
        whole = {n: np.concatenate([getattr(p, n) for p in parts])[placed] for n in names}
        again = whole["day"] < day
        whole["ordinal"] = whole["ordinal"] + again
        whole["day"] = np.maximum(whole["day"], day)
        whole["checkin"] = np.maximum(whole["checkin"], whole["day"] * ~whole["is_dated"])
        return Queries(**{**whole, **asked})

    def listings(self, ids: pa.ChunkedArray | pa.Array) -> Array:
        """Numbers of these listings in the simulated catalogue."""
        return numbers_of(ids)

    def pairs(
        self, queries: Queries, *, weights: Array | None = None, at_once: int = PAIRS_AT_ONCE
    ) -> Iterator[Pairs]:
        """All listings that the queries allow, some whole searches at a time.

        ``weights`` of the tastes (:meth:`taste_weights`): with them the truth under
        observables is computed too, which takes a hundred times as long.
        """
        for rows in self._steps(np.arange(len(queries)), at_once):
            search, listing = self._allowed(queries, rows)
            # a contrast is one to the others here: they are all that the search allows
            yield self._valued(queries, (search, listing), None, weights)

    def worth(
        self,
        queries: Queries,
        search: Array,
        listing: Array,
        *,
        weights: Array | None = None,
        shown: tuple[Array, Array] | None = None,
    ) -> Pairs:
        """These pairs alone; what the search does not allow is worth 0.

        ``shown``: pairs (row of the queries, number of the listing) that the searches showed:
        a contrast is then one to these, and not to all that the search allows.
        """
        beside = None
        if self.config.changes.has_contrast:
            beside = (
                self._beside_allowed(queries, np.unique(search))
                if shown is None
                else beside_of(self._offers(queries, *shown), shown[0], len(queries))
            )
        pairs = self._valued(queries, (search, listing), beside, weights)
        allowed = self._allows(queries, search, listing)
        observables = None if pairs.observables is None else pairs.observables * allowed
        return replace(
            pairs,
            taste=pairs.taste * allowed,
            is_free=pairs.is_free & allowed,
            observables=observables,
        )

    def taste_weights(self, queries: Queries, shown: tuple[Array, Array]) -> Array:
        """Weights of the tastes given what the guests of these queries were shown before.

        ``shown``: row of the queries (ascending) and number of the listing. The log does not
        say in which places they stood, so each counts with the mean examination of a list.
        """
        search, listing = shown
        offers = self._offers(queries, search, listing)
        sizes = np.bincount(search, minlength=len(queries))[search]
        most = int(sizes.max(initial=1))
        mean = np.cumsum(examined_at(most)) / np.arange(1, most + 1)
        seen = (search, mean[sizes - 1])
        return weight_of_the_past(offers, self.guests, queries, seen, OBSERVABLE_NODES)

    def _steps(self, rows: Array, at_once: int = PAIRS_AT_ONCE) -> Iterator[Array]:
        """Rows of the queries, so many at a time that their pairs fit the memory."""
        step = max(1, at_once // max(1, len(self.catalogue)))
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def _beside_allowed(self, queries: Queries, rows: Array) -> Beside:
        """The free listings that each of these queries allows, in the mean; NaN of the others."""
        price, quality = np.full((2, len(queries)), np.nan)
        for part in self._steps(rows):
            search, listing = self._allowed(queries, part)
            at = np.flatnonzero(self._is_free(queries, search, listing))
            offers = self._offers(queries, search[at], listing[at])
            beside = beside_of(offers, search[at], len(queries))
            price[part], quality[part] = beside.log_price[part], beside.quality[part]
        return Beside(log_price=price, quality=quality)

    def _is_free(self, queries: Queries, search: Array, listing: Array) -> Array:
        nights = queries.nights[search]
        is_free: Array = self.calendar.is_shown_free(listing, queries.checkin[search], nights)
        is_free &= self.catalogue.minimum_nights[listing] <= nights
        return is_free & (nights <= self.catalogue.maximum_nights[listing])

    def _valued(
        self,
        queries: Queries,
        of: tuple[Array, Array],
        beside: Beside | None,
        weights: Array | None,
    ) -> Pairs:
        search, listing = of
        is_free = self._is_free(queries, search, listing)
        taste = np.zeros(len(search))
        observables = None if weights is None else np.zeros(len(search))
        # The worth of what is taken is 0 and need not be computed: that is most pairs.
        at = np.flatnonzero(is_free)
        offers = self._offers(queries, search[at], listing[at], beside)
        tastes = taste_of(offers.settings, self.guests, queries, search[at])
        taste[at] = probabilities(offers, tastes).book
        if observables is not None and weights is not None:
            observables[at] = means_over_tastes(offers, self.guests, queries, search[at], weights)
        price = quote(self.config, self.catalogue, self.prices, queries, (search, listing))
        return Pairs(
            search=search,
            listing=listing,
            is_free=is_free,
            taste=taste,
            observables=observables,
            log_price=np.log(price.shown_per_night),
        )

    def _offers(
        self, queries: Queries, search: Array, listing: Array, beside: Beside | None = None
    ) -> Offers:
        """``beside``: what a contrast is one to; ``None``: these pairs, by search."""
        price = quote(self.config, self.catalogue, self.prices, queries, (search, listing))
        shown = Shown(
            search=search,
            listing=listing,
            position=np.ones(len(search), dtype=np.int32),
            is_random_order=np.zeros(len(search), dtype=bool),
            propensity=np.full(len(search), np.nan),
            price=price,
        )
        world = (self.catalogue, self.retrieval, self.calendar)
        offers = offers_of(self.config, world, queries, shown, beside)
        return after_booking(offers, self.has_booked[queries.guest[search]])

    def _allowed(self, queries: Queries, rows: Array) -> tuple[Array, Array]:
        """Every pair of these queries and the listings that they allow, by query and listing."""
        market = queries.market[rows, None] == self.catalogue.market
        fits = market & (self.catalogue.capacity >= queries.party[rows, None])
        search, listing = np.nonzero(fits)
        search = rows[search]
        allowed = self._allows(queries, search, listing)
        return search[allowed], listing[allowed]

    def _allows(self, queries: Queries, search: Array, listing: Array) -> Array:
        catalogue = self.catalogue
        allowed: Array = catalogue.market[listing] == queries.market[search]
        allowed = allowed & (catalogue.capacity[listing] >= queries.party[search])
        north, east = to_km(queries.market, queries.center_lat, queries.center_lng)
        gap = np.hypot(
            self.retrieval.north_km[listing] - north[search],
            self.retrieval.east_km[listing] - east[search],
        )
        allowed &= gap <= queries.radius[search]
        nights = queries.nights[search]
        suits = (catalogue.minimum_nights[listing] <= nights) & (
            nights <= catalogue.maximum_nights[listing]
        )
        allowed &= suits | ~queries.is_dated[search]
        at = np.flatnonzero(allowed)
        price = quote(self.config, catalogue, self.prices, queries, (search[at], listing[at]))
        per_night = price.shown_per_night
        too_dear = per_night > queries.price_max[search[at]]
        too_cheap = per_night < queries.price_min[search[at]]
        allowed[at[too_dear | too_cheap]] = False
        return allowed


def _markets() -> range:
    return range(len(MARKETS))
