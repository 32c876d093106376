"""The worth of any listing to any search, against the truth of what was shown."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from data.simulator import SimulationConfig, simulate
from data.simulator.catalogue_truth import CatalogueTruth, examined_at
from data.simulator.searches import Queries

CONFIG = SimulationConfig(searches=400, listings=300, seed=5)


@cache
def tables() -> tuple[pa.Table, pa.Table]:
    """The log and the truth of the week."""
    chunks = list(simulate(CONFIG))
    return pa.concat_tables([c.log for c in chunks]), pa.concat_tables([c.truth for c in chunks])


@cache
def truth() -> CatalogueTruth:
    log, _ = tables()
    stage = np.array(["impressed", "clicked", "contact host", "booked"])
    codes = [int(np.flatnonzero(stage == label)[0]) for label in log["label"].to_pylist()]
    return CatalogueTruth(CONFIG, log.append_column("stage", pa.array(codes, pa.int8())))


@cache
def shown() -> tuple[Queries, Any, Any, Any]:
    """All searches as they were asked, and per shown row its search, listing and true P(book)."""
    log, table = tables()
    ids = log["id_search"].to_pylist()
    first = {name: row for row, name in reversed(list(enumerate(ids)))}
    names = sorted(first)
    rows = pa.array([first[name] for name in names])
    asked = {
        name: np.array(log[f"query_{name}"].take(rows).to_pylist(), dtype=float)
        for name in ("radius", "price_min", "price_max")
    }
    queries = truth().queries(pa.table({"id_search": names}), asked)
    number = {name: place for place, name in enumerate(names)}
    search = np.array([number[name] for name in table["id_search"].to_pylist()])
    order = np.argsort(search, kind="stable")
    listing = truth().listings(table["id_listing"])
    chance = table["p_book_taste"].to_numpy()
    return queries, search[order], listing[order], chance[order]


def test_what_was_shown_is_worth_what_the_truth_table_says() -> None:
    queries, search, listing, chance = shown()
    pairs = truth().worth(queries, search, listing)
    can = pairs.is_free & ~truth().has_booked[queries.guest[search]]
    assert can.mean() > 0.5
    assert np.array_equal(pairs.taste[can], chance[can])


def test_guests_who_have_booked_and_taken_nights_are_worth_nothing() -> None:
    queries, search, listing, _ = shown()
    pairs = truth().worth(queries, search, listing)
    booked = truth().has_booked[queries.guest[search]]
    assert booked.any()
    assert not pairs.taste[booked].any()
    assert not pairs.taste[~pairs.is_free].any()


def test_all_pairs_are_those_that_worth_allows() -> None:
    queries = shown()[0].rows(np.arange(12))
    found = list(truth().pairs(queries, at_once=1))
    search, listing = (
        np.concatenate([getattr(p, name) for p in found]) for name in ("search", "listing")
    )
    taste = np.concatenate([p.taste for p in found])
    every_search, every_listing = np.divmod(np.arange(12 * 300), 300)
    every = truth().worth(queries, every_search, every_listing)
    worth = np.zeros((12, 300))
    worth[search, listing] = taste
    assert np.array_equal(worth.ravel(), every.taste)
    fits = truth().catalogue.capacity[listing] >= queries.party[search]
    assert fits.all()
    assert (truth().catalogue.market[listing] == queries.market[search]).all()


def test_a_listing_of_the_other_market_is_worth_nothing() -> None:
    queries = shown()[0].rows(np.arange(1))
    other = np.flatnonzero(truth().catalogue.market != queries.market[0])[:5]
    pairs = truth().worth(queries, np.zeros(5, dtype=np.int64), other)
    assert not pairs.taste.any()
    assert not pairs.is_free.any()


def test_a_booked_stay_leaves_the_results() -> None:
    log, _ = tables()
    booked = [row for row in log.to_pylist() if row["label"] == "booked"]
    assert booked
    queries = truth().queries(pa.table({"id_search": [row["id_search"] for row in booked]}), {})
    listing = truth().listings(pa.array([row["id_listing"] for row in booked]))
    pairs = truth().worth(queries, np.arange(len(booked)), listing)
    assert not pairs.is_free.any()


def test_a_search_asked_again_moves_its_day_and_no_date_ahead_of_it() -> None:
    names = pa.table({"id_search": sorted(set(tables()[0]["id_search"].to_pylist()))[:40]})
    own = truth().queries(names, {})
    later = truth().queries(names, {}, int(own.day.max()) + 1)
    assert (later.day == own.day.max() + 1).all()
    assert (later.ordinal == own.ordinal + 1).all()
    dated = own.is_dated
    assert (later.checkin[dated] == own.checkin[dated]).all()
    assert (later.checkin[~dated] >= later.day[~dated]).all()


def test_tastes_weigh_to_one_and_what_is_known_is_between_the_tastes() -> None:
    queries, search, listing, _ = shown()
    some = queries.rows(np.arange(5))
    at = search < 5
    weights = truth().taste_weights(some, (search[at], listing[at]))
    assert np.allclose(weights.sum(axis=0), 1, atol=1e-5)
    (pairs,) = truth().pairs(some, weights=weights)
    assert pairs.observables is not None
    assert ((pairs.observables > 0) <= pairs.is_free).all()
    alive = ~truth().has_booked[some.guest[pairs.search]] & pairs.is_free
    assert pairs.observables[alive].min() > 0
    assert 0.2 < pairs.observables[alive].mean() / pairs.taste[alive].mean() < 5


def test_ids_of_another_log_are_refused() -> None:
    rows = {"id_user": ["simU99999999"], "id_listing": ["simL00000001"], "id_search": ["simS1"]}
    bookings = pa.table({**rows, "stage": pa.array([3], pa.int8())})
    with pytest.raises(ValueError, match="lacks"):
        CatalogueTruth(CONFIG, bookings)
    with pytest.raises(ValueError, match="not ids"):
        truth().listings(pa.array(["L-one"]))


def test_no_place_of_a_list_is_sponsored() -> None:
    examined = examined_at(12)
    assert examined[0] == 1
    assert (np.diff(examined) < 0).all()
