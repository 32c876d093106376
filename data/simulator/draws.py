"""Random numbers: one stream per purpose and part, so that the order of the work never matters."""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np

__all__ = ["Array", "Draw", "choose", "generator"]

Array = np.ndarray[Any, np.dtype[Any]]


class Draw(IntEnum):
    """What a stream of random numbers is for: each purpose has its own, per chunk."""

    CATALOGUE = 0
    CALENDAR = 1
    GUESTS = 2
    PLAN = 3
    QUERIES = 4
    RESULTS = 5
    CHOICES = 6
    SHOCK = 7


def generator(seed: int, draw: Draw, part: int = 0) -> np.random.Generator:
    """The stream of one purpose and one part (a market, or the first search of a chunk)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, int(draw), part))))


def choose(rng: np.random.Generator, shares: Any, size: int) -> Array:
    """``size`` indices drawn with probabilities in proportion to ``shares``."""
    weights = np.asarray(shares, dtype=float)
    edges = np.cumsum(weights / weights.sum())
    chosen: Array = np.searchsorted(edges[:-1], rng.random(size), side="right")
    return chosen
