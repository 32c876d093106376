"""A small random split: searches, guests, listings, outcomes drawn with known probabilities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation import EvaluationConfig, EvaluationInputs, Provenance, evaluate
from models.evaluation.arranged_rows import arrange_rows


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
    """The function that draws further worlds: ``worlds(rng, searches=…)``."""
    return make_world


@pytest.fixture(scope="session")
def ranked(world):
    """The arranged rows of ``world``, random scores, and the ranks that they give."""
    arranged = arrange_rows(world.rows)
    scores = np.random.default_rng(3).normal(size=world.rows.num_rows)
    return arranged, scores, arranged.ranks(scores, model="any")


@pytest.fixture(scope="session")
def scores(world):
    """Two models of ``world``: one at random, one near the probabilities."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=world.rows.num_rows)
    return {"random": noise, "ranker": world.chance + 0.02 * rng.normal(size=len(noise))}


@pytest.fixture(scope="session")
def card(world, scores):
    """The scorecard of ``scores``, with truth and with probabilities of the ranker."""
    blurred = 0.5 * world.chance + 0.5 * world.chance.mean()
    return evaluate(
        world.rows,
        scores,
        split="test",
        reference="random",
        config=EvaluationConfig(replicates=200),
        truth={"p_book_taste": world.chance, "p_book_observables": blurred},
        context=EvaluationInputs(
            provenance=Provenance(source="airbnb", is_simulated=True),
            probabilities={"ranker": {"book": world.chance}},
        ),
    )
