"""A tiny world whose answer is known: each guest clicks listings of one room type only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower

DAY_S = 86_400
MARKETS = ("rio_de_janeiro", "sao_paulo")
CENTRES = {"rio_de_janeiro": (-22.97, -43.18), "sao_paulo": (-23.56, -46.66)}
ROOMS = ("entire_home", "private_room", "shared_room")


def _listing(number: int, market: str) -> dict[str, Any]:
    lat, lng = CENTRES[market]
    return {
        "id_listing": f"{market[:3]}{number:02d}",
        "listing_room_type": ROOMS[number % 3],
        "listing_property_type": str(number % 2),
        "listing_lat": lat + 0.01 * (number % 4),
        "listing_lng": lng + 0.01 * (number % 5),
        "listing_nightly_price": 100.0 + 10 * number,
        "listing_review_rating": None if number % 7 == 0 else 4.0 + 0.1 * (number % 9),
        "listing_person_capacity": 2 + number % 4,
        "listing_is_new": number % 7 == 0,
    }


def _search(number: int, chance: np.random.Generator, guests: int) -> dict[str, Any]:
    guest = int(chance.integers(guests))
    market = MARKETS[guest % 2]
    second = int(chance.integers(5 * DAY_S // 60)) * 60
    lat, lng = CENTRES[market]
    return {
        "id_search": f"s{number:04d}",
        "id_user": f"g{guest:02d}",
        "market": market,
        "search_s": second,
        "search_day": second // DAY_S,
        "query_num_guests": 1 + guest % 3,
        "query_nights": None if number % 6 == 0 else 1 + number % 5,
        "query_center_lat": lat,
        "query_center_lng": lng,
        "taste": ROOMS[(guest // 2) % 3],
    }


@pytest.fixture(scope="session")
def world() -> Callable[..., pa.Table]:
    """Makes a log: ``world(searches=300, seed=0)``; eight results per search."""

    def log_of(*, searches: int = 300, seed: int = 0, guests: int = 12) -> pa.Table:
        chance = np.random.default_rng(seed)
        listings = {m: [_listing(n, m) for n in range(24)] for m in MARKETS}
        rows = []
        for number in range(searches):
            search = _search(number, chance, guests)
            taste = search.pop("taste")
            for place in chance.choice(24, size=8, replace=False):
                listing = listings[search["market"]][place]
                liked = listing["listing_room_type"] == taste
                stage = int(chance.integers(1, 4)) if liked else 0
                day = search["search_day"]
                rows.append(
                    {
                        **search,
                        **listing,
                        "stage": stage,
                        "contact_day": day if stage >= 2 else None,
                        "book_day": day + 1 if stage == 3 else None,
                    }
                )
        table = pa.Table.from_pylist(rows)
        for name in ("contact_day", "book_day", "search_day"):
            table = table.set_column(
                table.column_names.index(name), name, table[name].cast(pa.int32())
            )
        return table.set_column(
            table.column_names.index("stage"), "stage", table["stage"].cast(pa.int8())
        )

    return log_of


@pytest.fixture(scope="session")
def towers() -> TowerConfig:
    return TowerConfig(dimension=16, hidden=16, history_length=4)


@pytest.fixture(scope="session")
def training() -> TrainConfig:
    return TrainConfig(epochs=4, batch_size=64, uniform_negatives=32, learning_rate=0.01)


@pytest.fixture(scope="session")
def log(world: Callable[..., pa.Table]) -> pa.Table:
    return world(searches=100)


@pytest.fixture(scope="session")
def model(log: pa.Table, towers: TowerConfig, training: TrainConfig) -> TwoTower:
    """Fitted once for all tests, none of which may change it."""
    return TwoTower(towers, replace(training, epochs=2)).fit(log, log.slice(0, 0))
