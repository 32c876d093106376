"""A small made-up split: searches, guests, listings, outcomes drawn from known chances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest


@dataclass(frozen=True)
class World:
    """Rows and the chance of a booking that drew them, row by row."""

    rows: pa.Table
    chance: np.ndarray


def make_world(
    rng: np.random.Generator,
    *,
    searches: int = 400,
    sizes: tuple[int, int] = (1, 30),
    guests: int = 0,
) -> World:
    """``sizes``: fewest and most rows of a search; ``guests`` 0: about two searches a guest."""
    lengths = rng.integers(sizes[0], sizes[1] + 1, searches)
    search = np.repeat(np.arange(searches), lengths)
    listing = np.concatenate([rng.choice(500, size, replace=False) for size in lengths])
    chance = rng.beta(0.5, 8, len(search))
    booked = rng.random(len(search)) < chance
    stage = np.where(booked, 3, rng.choice(3, len(search), p=(0.9, 0.08, 0.02)))
    guest = rng.integers(0, guests or max(1, searches // 2), searches)[search]
    rows = pa.table(
        {
            "id_search": [f"s{i}" for i in search],
            "id_listing": [f"l{i}" for i in listing],
            "id_user": [f"u{i}" for i in guest],
            "market": np.array(["rio_de_janeiro", "sao_paulo"])[search % 2],
            "stage": stage.astype(np.int8),
            "listing_lat": -22.9 + listing / 5_000,
            "listing_lng": -43.2 - (listing % 17) / 200,
            "listing_total_price": 100.0 + listing,
            "listing_room_type": np.array(["entire_home", "private_room"])[listing % 2],
            "listing_is_new": listing % 10 == 0,
            "query_num_guests": (1 + search % 6).astype(np.int32),
            "query_lead_time_days": pa.array(
                np.where(search % 9 == 0, np.nan, search % 80), from_pandas=True
            ),
        }
    )
    return World(rows=rows, chance=chance)


@pytest.fixture(scope="session")
def world() -> World:
    return make_world(np.random.default_rng(11))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


@pytest.fixture(scope="session")
def worlds():
    """Makes further worlds: ``worlds(rng, searches=…)``."""
    return make_world
