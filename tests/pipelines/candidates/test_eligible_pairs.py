"""All pairs of a search and a listing that it allows, against a check of every pair."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest

import pipelines.candidates.eligible_pairs
from data.schema.geo import EARTH_RADIUS_KM
from pipelines.candidates.eligible_pairs import PairBlock, eligible_pairs

MARKETS = ("bahia", "paraty", "rio")
Pairs = set[tuple[int, int]]


def _or_null(rng: np.random.Generator, values: np.ndarray, share: float = 0.2) -> list[Any]:
    return [None if rng.random() < share else v for v in values.tolist()]


def world(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Queries and catalogue with every bound, some of them null."""
    rng = np.random.default_rng(seed)
    queries, listings = 60, 80
    place = rng.normal(0, 0.05, (2, queries)), rng.normal(0, 0.05, (2, listings))
    return (
        pl.DataFrame(
            {
                "id_search": [f"s{i}" for i in range(queries)],
                # a market without a listing among them
                "market": rng.choice([*MARKETS, "nowhere"], queries),
                "query_num_guests": _or_null(rng, rng.integers(1, 8, queries)),
                "nights": _nights(rng, queries),
                "query_price_max": _or_null(rng, rng.uniform(50, 300, queries), 0.5),
                "query_price_min": _or_null(rng, rng.uniform(0, 100, queries), 0.7),
                "query_radius": _or_null(rng, rng.uniform(1, 10, queries), 0.5),
                "query_center_lat": place[0][0] - 22.9,
                "query_center_lng": place[0][1] - 43.2,
                "checkin_day": [100] * queries,
            }
        ).with_columns(checkout_day=pl.col("checkin_day") + pl.col("nights")),
        pl.DataFrame(
            {
                "market": np.sort(rng.choice(MARKETS, listings)),
                "id_listing": [f"l{i:02}" for i in range(listings)],
                "listing_person_capacity": _or_null(rng, rng.integers(1, 8, listings)),
                "listing_minimum_nights": _or_null(rng, rng.integers(1, 5, listings)),
                "listing_maximum_nights": _or_null(rng, rng.integers(3, 30, listings)),
                "listing_nightly_price": _or_null(rng, rng.uniform(50, 300, listings)),
                "listing_lat": place[1][0] - 22.9,
                "listing_lng": place[1][1] - 43.2,
            }
        ),
    )


def _nights(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.choice([1, 2, 3, 7, 28], count)


def _km(query: dict[str, Any], listing: dict[str, Any]) -> float:
    """The haversine: another formula than the one under test."""
    lat, other = math.radians(query["query_center_lat"]), math.radians(listing["listing_lat"])
    lng = math.radians(listing["listing_lng"] - query["query_center_lng"])
    half = math.sin((other - lat) / 2) ** 2
    half += math.cos(lat) * math.cos(other) * math.sin(lng / 2) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(half))


def _allows(query: dict[str, Any], listing: dict[str, Any]) -> bool:
    bounds = (
        (query["query_num_guests"], listing["listing_person_capacity"]),
        (listing["listing_minimum_nights"], query["nights"]),
        (query["nights"], listing["listing_maximum_nights"]),
        (query["query_price_min"], listing["listing_nightly_price"]),
        (listing["listing_nightly_price"], query["query_price_max"]),
        (_km(query, listing), query["query_radius"]),
    )
    holds = all(low is None or high is None or low <= high for low, high in bounds)
    return query["market"] == listing["market"] and holds


def one_by_one(queries: pl.DataFrame, catalogue: pl.DataFrame) -> Pairs:
    return {
        (q, at)
        for q, query in enumerate(queries.to_dicts())
        for at, listing in enumerate(catalogue.to_dicts())
        if _allows(query, listing)
    }


def together(blocks: list[PairBlock]) -> Pairs:
    pairs = [
        pair
        for block in blocks
        for pair in zip(block.query_P.tolist(), block.listing_P.tolist(), strict=True)
    ]
    assert len(pairs) == len(set(pairs))
    return set(pairs)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_pairs_are_those_of_a_check_one_by_one(seed: int) -> None:
    queries, catalogue = world(seed)
    expected = one_by_one(queries, catalogue)
    assert together(list(eligible_pairs(queries, catalogue))) == expected
    assert 100 < len(expected) < 0.5 * queries.height * catalogue.height


def test_blocks_hold_whole_queries_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    queries, catalogue = world(0)
    whole = together(list(eligible_pairs(queries, catalogue)))
    largest = int(catalogue["market"].value_counts()["count"].max())
    monkeypatch.setattr(pipelines.candidates.eligible_pairs, "_CELLS", 3 * largest)

    blocks = [block for block in eligible_pairs(queries, catalogue) if len(block)]

    assert len(blocks) > len(MARKETS)
    assert together(blocks) == whole
    seen: set[int] = set()
    for block in blocks:
        keys = block.query_P * catalogue.height + block.listing_P
        assert (np.diff(keys) > 0).all()
        assert seen.isdisjoint(block.query_P.tolist())
        seen |= set(block.query_P.tolist())


def test_only_the_markets_that_are_asked_for() -> None:
    queries, catalogue = world(0)
    market_L = catalogue["market"].to_numpy()
    of_rio = {pair for pair in one_by_one(queries, catalogue) if market_L[pair[1]] == "rio"}
    assert together(list(eligible_pairs(queries, catalogue, ["rio"]))) == of_rio


def test_a_price_filter_binds_only_where_the_catalogue_has_nightly_prices() -> None:
    queries, catalogue = world(0)
    bare = catalogue.drop("listing_nightly_price")
    priceless = catalogue.with_columns(listing_nightly_price=pl.lit(None, pl.Float64))
    expected = one_by_one(queries, priceless)
    assert together(list(eligible_pairs(queries, bare))) == expected
    assert len(expected) > len(one_by_one(queries, catalogue))
