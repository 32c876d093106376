"""The worth of any listing to any search, against the truth of what was shown."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.simulator import SimulationConfig
from data.simulator.catalogue_truth import OBSERVABLE_NODES, CatalogueTruth, Pairs, examined_at
from data.simulator.choices import examination
from data.simulator.parameters import load_world
from data.simulator.searches import Queries
from data.simulator.tables import LABELS
from data.simulator.truth import weight_of_the_past
from tests.data.simulator.conftest import Array, Week, simulated_week

SETTINGS: dict[str, Any] = {"searches": 400, "listings": 300, "seed": 5, "with_position": True}
CONFIG = SimulationConfig(**SETTINGS)
ASKED = ("radius", "price_min", "price_max")


@cache
def week() -> Week:
    return simulated_week(**SETTINGS)


def bookings(log: pa.Table) -> pa.Table:
    codes = [LABELS.index(label) for label in log["label"].to_pylist()]
    return log.append_column("stage", pa.array(codes, pa.int8()))


@cache
def truth() -> CatalogueTruth:
    return CatalogueTruth(CONFIG, bookings(week().log))


@cache
def before_any_booking() -> CatalogueTruth:
    return CatalogueTruth(CONFIG, bookings(week().log.slice(0, 0)))


@dataclass(frozen=True)
class Shown:
    """All searches as they were asked; per shown row its search and listing, by search."""

    queries: Queries
    order: Array
    search: Array
    listing: Array

    def of(self, name: str) -> Array:
        return week().of(name)[self.order]


@cache
def shown() -> Shown:
    ids, first, search = np.unique(week().of("id_search"), return_index=True, return_inverse=True)
    asked = {name: week().of(f"query_{name}")[first].astype(float) for name in ASKED}
    order = np.argsort(search, kind="stable")
    return Shown(
        queries=truth().queries(pa.table({"id_search": ids}), asked),
        order=order,
        search=search[order],
        listing=truth().listings(week().truth["id_listing"])[order],
    )


def of_every_pair(queries: Queries, world: CatalogueTruth) -> tuple[Array, Array]:
    """Row of the query and number of the listing, of all there are."""
    pairs = np.divmod(np.arange(len(queries) * len(world.catalogue)), len(world.catalogue))
    return pairs[0], pairs[1]


def allowed(queries: Queries) -> Pairs:
    """All pairs that these queries allow."""
    found = list(truth().pairs(queries))
    names = ("search", "listing", "is_free", "taste", "log_price")
    columns = {n: np.concatenate([getattr(p, n) for p in found]) for n in names}
    return Pairs(observables=None, **columns)


def test_what_was_shown_is_worth_what_the_truth_table_says() -> None:
    rows = shown()
    pairs = truth().worth(rows.queries, rows.search, rows.listing)
    can = pairs.is_free & ~truth().has_booked[rows.queries.guest[rows.search]]
    assert can.mean() > 0.5
    assert np.array_equal(pairs.taste[can], rows.of("p_book_taste")[can])


def test_every_pair_that_was_shown_in_a_dated_search_was_free_before_the_bookings() -> None:
    rows = shown()
    pairs = before_any_booking().worth(rows.queries, rows.search, rows.listing)
    assert pairs.is_free[rows.queries.is_dated[rows.search]].all()
    assert not before_any_booking().has_booked.any()


def test_the_price_of_a_pair_is_what_the_search_showed() -> None:
    rows = shown()
    pairs = truth().worth(rows.queries, rows.search, rows.listing)
    nights = np.where(rows.queries.is_dated, rows.queries.nights, 1)[rows.search]
    told = np.log(rows.of("listing_total_price") / nights)
    assert np.abs(pairs.log_price - told).max() < 0.01  # the log rounds


def test_guests_who_have_booked_and_taken_nights_are_worth_nothing() -> None:
    rows = shown()
    pairs = truth().worth(rows.queries, rows.search, rows.listing)
    booked = truth().has_booked[rows.queries.guest[rows.search]]
    assert booked.any()
    assert not pairs.taste[booked].any()
    assert not pairs.taste[~pairs.is_free].any()


def test_the_booked_nights_and_no_others_leave_the_results() -> None:
    """Brute force, with a booking in each tenth search: stays that meet one's nights are taken."""
    rows = shown()
    is_first = np.diff(rows.search, prepend=-1) > 0
    booked = np.flatnonzero(is_first & rows.queries.is_dated[rows.search])[::10]
    asked, taken = rows.queries.rows(rows.search[booked]), rows.listing[booked]
    stage = pa.array([3] * len(booked), pa.int8())
    made_up = week().log.take(rows.order[booked]).append_column("stage", stage)
    worlds = (before_any_booking(), CatalogueTruth(CONFIG, made_up))
    moved = [asked.nights * 0, asked.nights, -asked.nights, asked.nights - 1, 1 - asked.nights]
    for shift in moved:
        queries = replace(asked, checkin=np.maximum(asked.checkin + shift, asked.day))
        stay, listing = of_every_pair(queries, truth())
        checkin = queries.checkin[stay]
        checkout = checkin + queries.nights[stay]
        is_taken = np.zeros(len(stay), dtype=bool)
        for start, nights, of in zip(asked.checkin, asked.nights, taken, strict=True):
            is_taken |= (listing == of) & (checkin < start + nights) & (start < checkout)
        before, after = (world.worth(queries, stay, listing).is_free for world in worlds)
        assert (before & is_taken).any()
        assert np.array_equal(after, before & ~is_taken)


@pytest.mark.parametrize("at_once", [1, 1 << 20])
def test_all_pairs_are_those_that_worth_allows(at_once: int) -> None:
    queries = shown().queries.rows(np.arange(12))
    found = list(truth().pairs(queries, at_once=at_once))
    assert len(found) == (12 if at_once == 1 else 1)
    search, listing = (
        np.concatenate([getattr(p, name) for p in found]) for name in ("search", "listing")
    )
    assert (np.diff(search * 300 + listing) > 0).all()
    every = truth().worth(queries, *of_every_pair(queries, truth()))
    for name in ("taste", "is_free"):
        worth = np.zeros((12, 300))
        worth[search, listing] = np.concatenate([getattr(p, name) for p in found])
        assert np.array_equal(worth.ravel(), getattr(every, name))
    catalogue = truth().catalogue
    assert (catalogue.capacity[listing] >= queries.party[search]).all()
    assert (catalogue.market[listing] == queries.market[search]).all()


@pytest.mark.parametrize(
    ("asked", "value"),
    [("party", 99), ("radius", 0.0), ("price_max", 1.0), ("price_min", 1e9)],
)
def test_what_a_search_does_not_allow_is_worth_nothing(asked: str, value: float) -> None:
    queries = shown().queries.rows(np.flatnonzero(shown().queries.is_dated)[:20])
    assert len(allowed(queries).search) > 100
    narrow = replace(queries, **{asked: np.full_like(getattr(queries, asked), value)})
    assert len(allowed(narrow).search) == 0
    pairs = truth().worth(narrow, *of_every_pair(narrow, truth()))
    assert not pairs.taste.any()
    assert not pairs.is_free.any()


def test_filters_are_limits_of_what_is_shown() -> None:
    """Half of a price range and a radius keep exactly what lies within them."""
    queries = shown().queries.rows(np.arange(30))
    free = replace(queries, price_min=np.full(30, np.nan), price_max=np.full(30, np.nan))
    every = allowed(free)
    price = np.exp(every.log_price)
    limit = np.median(price)
    cheap = allowed(replace(free, price_max=np.full(30, limit)))
    within = price <= limit
    assert np.array_equal(cheap.search, every.search[within])
    assert np.array_equal(cheap.listing, every.listing[within])
    near = allowed(replace(queries, radius=queries.radius / 2))
    assert 0 < len(near.search) < len(allowed(queries).search)


def test_a_listing_of_the_other_market_is_worth_nothing() -> None:
    queries = shown().queries.rows(np.arange(1))
    other = np.flatnonzero(truth().catalogue.market != queries.market[0])[:5]
    pairs = truth().worth(queries, np.zeros(5, dtype=np.int64), other)
    assert not pairs.taste.any()
    assert not pairs.is_free.any()


def test_a_dateless_search_allows_what_does_not_suit_the_nights_in_mind_and_it_is_worth_0() -> None:
    queries, catalogue = shown().queries, truth().catalogue
    pairs = allowed(queries)
    nights = queries.nights[pairs.search]
    suits = (catalogue.minimum_nights[pairs.listing] <= nights) & (
        nights <= catalogue.maximum_nights[pairs.listing]
    )
    dated = queries.is_dated[pairs.search]
    assert suits[dated].all()
    assert (~suits[~dated]).any()
    assert not pairs.is_free[~suits].any()
    assert not pairs.taste[~pairs.is_free].any()
    can = ~truth().has_booked[queries.guest[pairs.search]] & ~dated & pairs.is_free
    assert can.any()
    assert pairs.taste[can].min() > 0


def test_a_dateless_guest_who_wants_more_nights_than_a_listing_takes_is_declined() -> None:
    queries = shown().queries.rows(np.flatnonzero(~shown().queries.is_dated))
    most = np.median(truth().catalogue.maximum_nights).astype(int)
    pairs = allowed(replace(queries, nights=np.full_like(queries.nights, most + 1)))
    is_too_long = truth().catalogue.maximum_nights[pairs.listing] <= most
    assert is_too_long.any()
    assert not pairs.is_free[is_too_long].any()


def test_a_search_asked_again_moves_its_day_and_no_date_ahead_of_it() -> None:
    own = shown().queries
    ids = pa.table({"id_search": np.unique(week().of("id_search"))})
    later = truth().queries(ids, {}, int(own.day.max()) + 1)
    assert (later.day == own.day.max() + 1).all()
    assert (later.ordinal == own.ordinal + 1).all()
    dated = own.is_dated
    assert (later.checkin[dated] == own.checkin[dated]).all()
    assert (later.checkin[~dated] >= later.day[~dated]).all()


def test_searches_come_in_the_order_of_their_ids_and_as_often_as_asked() -> None:
    ids = np.unique(week().of("id_search"))
    chosen = np.array([7, 300, 7, 0])
    found = truth().queries(pa.table({"id_search": ids[chosen]}), {})
    for name in ("guest", "day", "checkin", "nights", "party"):
        assert np.array_equal(getattr(found, name), getattr(shown().queries, name)[chosen])
    assert len(truth().queries(pa.table({"id_search": pa.array([], pa.string())}), {})) == 0


def test_searches_that_were_drawn_in_many_chunks_are_drawn_so_again() -> None:
    settings = {**SETTINGS, "searches": 120, "searches_per_chunk": 7}
    log = simulated_week(**settings)
    world = CatalogueTruth(SimulationConfig(**settings), bookings(log.log))
    queries = world.queries(log.truth.select(["id_search"]), {})
    rows = np.arange(len(queries))
    pairs = world.worth(queries, rows, world.listings(log.truth["id_listing"]))
    can = (pairs.taste > 0) & ~world.has_booked[queries.guest]
    assert can.mean() > 0.3
    assert np.array_equal(pairs.taste[can], log.of("p_book_taste")[can])


@pytest.mark.parametrize("with_a_past", [False, True])
def test_the_truth_under_observables_is_the_mean_over_tastes(with_a_past: bool) -> None:
    """Of the truth table: equal weights at first, later those of who has not booked so far."""
    rows = shown()
    pairs = truth().worth(rows.queries, rows.search, rows.listing)
    size = np.bincount(rows.search)
    whole = np.bincount(rows.search, weights=pairs.is_free) == size
    whole &= ~truth().has_booked[rows.queries.guest]
    whole &= (rows.queries.ordinal > 0) == with_a_past
    of_whole = whole[rows.search]
    assert of_whole.sum() > 300
    queries = rows.queries.rows(whole)
    search = np.repeat(np.arange(whole.sum()), size[whole])
    listing, nodes = rows.listing[of_whole], load_world().choice.taste_nodes
    weights = np.full((nodes, len(queries)), 1 / nodes)
    if with_a_past:
        offers = truth()._offers(queries, search, listing)
        seen = (search, examination(rows.of("position")[of_whole]))
        weights = weight_of_the_past(offers, truth().guests, queries, seen, nodes)
    found = truth().worth(queries, search, listing, weights=weights).observables
    assert found is not None
    told = rows.of("p_book_observables")[of_whole]
    assert np.allclose(found, told, rtol=1e-4, atol=1e-9)
    equal = truth().worth(
        queries, search, listing, weights=np.full((nodes, len(queries)), 1 / nodes)
    )
    assert equal.observables is not None
    assert np.allclose(equal.observables, told, rtol=1e-4, atol=1e-9) != with_a_past


def test_what_was_seen_counts_with_the_mean_examination_of_a_list() -> None:
    rows = shown()
    size = np.bincount(rows.search)
    mean = np.array([examined_at(n).mean() if n else 0 for n in range(size.max() + 1)])
    offers = truth()._offers(rows.queries, rows.search, rows.listing)
    seen = (rows.search, mean[size[rows.search]])
    told = weight_of_the_past(offers, truth().guests, rows.queries, seen, OBSERVABLE_NODES)
    weights = truth().taste_weights(rows.queries, (rows.search, rows.listing))
    assert weights.shape == (OBSERVABLE_NODES, len(rows.queries))
    assert np.allclose(weights, told, rtol=1e-4)
    assert len(np.unique(size)) > 3


def test_tastes_weigh_to_one_and_what_is_known_is_between_the_tastes() -> None:
    rows = shown()
    some = rows.queries.rows(np.arange(5))
    at = rows.search < 4  # the guest of the fifth has no past
    weights = truth().taste_weights(some, (rows.search[at], rows.listing[at]))
    assert np.allclose(weights.sum(axis=0), 1, atol=1e-5)
    assert np.ptp(weights[:, 4]) == 0
    (pairs,) = truth().pairs(some, weights=weights)
    assert pairs.observables is not None
    assert ((pairs.observables > 0) <= pairs.is_free).all()
    alive = ~truth().has_booked[some.guest[pairs.search]] & pairs.is_free
    assert pairs.observables[alive].min() > 0
    assert 0.2 < pairs.observables[alive].mean() / pairs.taste[alive].mean() < 5


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ({"id_user": "simU99999999"}, "guests or listings"),
        ({"id_listing": "simL99999999"}, "guests or listings"),
        ({"id_search": "simS99999999"}, "searches"),
        ({"id_user": "anna00000042"}, "not ids of a simulated log: anna00000042"),
        ({"id_listing": None}, "not ids of a simulated log: None"),
    ],
)
def test_bookings_of_another_log_are_refused(ids: dict[str, str | None], message: str) -> None:
    own = {"id_user": "simU00000001", "id_listing": "simL00000001", "id_search": "simS00000001"}
    row = {name: pa.array([value], pa.string()) for name, value in (own | ids).items()}
    CatalogueTruth(CONFIG, pa.table({n: [v] for n, v in own.items()} | {"stage": [3]}))
    with pytest.raises(ValueError, match=message):
        CatalogueTruth(CONFIG, pa.table(row | {"stage": [3]}))


def test_searches_and_listings_of_another_log_are_refused() -> None:
    with pytest.raises(ValueError, match="searches that the simulated world lacks"):
        truth().queries(pa.table({"id_search": ["simS00000001", "simS99999999"]}), {})
    with pytest.raises(ValueError, match="not ids"):
        truth().listings(pa.array(["L-one"]))


def test_no_place_of_a_list_is_sponsored() -> None:
    examined = examined_at(12)
    assert examined[0] == 1
    assert np.allclose(examined[1:] / examined[:-1], (np.arange(1, 12) / np.arange(2, 13)) ** 0.7)
    assert examination(np.arange(1, 13)).sum() < examined.sum()
