"""Nodes that integrate the guest's hidden taste out: scrambled Sobol points of its prior.

A node is one possible guest. Its tastes and the noise of its wished place are standard normal;
``area`` is uniform on 0..1 and picks the area that it wishes for. What a search reveals turns
a node into a taste: a price filter shifts and narrows the budget, a map of an area the place.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from data.simulator.draws import Array
from data.simulator.geography import to_km
from data.simulator.guests import TASTES, Guests
from data.simulator.parameters import load_world
from data.simulator.searches import Queries

__all__ = ["NODE_SEED", "budget_given_filter", "taste_nodes", "wish_nodes"]

NODE_SEED = 20_180_205


@cache
def taste_nodes(count: int, seed: int = NODE_SEED) -> dict[str, Array]:
    """The nodes by name of the taste, float32 of shape (nodes, 1); ``count``: a power of two."""
    names = (*TASTES, "north", "east", "area")
    sampler = qmc.Sobol(d=len(names), scramble=True, rng=seed)
    uniform = sampler.random(count).clip(1e-6, 1 - 1e-6)
    columns = {name: ndtri(uniform[:, [i]]) for i, name in enumerate(names)}
    columns["area"] = uniform[:, [len(names) - 1]]
    return {name: column.astype(np.float32) for name, column in columns.items()}


@cache
def wish_nodes(market: int, count: int, seed: int = NODE_SEED) -> tuple[Array, Array]:
    """Wished places of a market before anything is known, km north and east: (nodes, 1)."""
    world, nodes = load_world(), taste_nodes(count, seed)
    areas = world.markets[market].areas
    shares = np.asarray(areas.shares) ** world.guests.wish_share_power
    area = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], nodes["area"])
    lat = np.take(areas.lat, area) + world.guests.wish_spread * nodes["north"] * np.take(
        areas.sd_lat, area
    )
    lng = np.take(areas.lng, area) + world.guests.wish_spread * nodes["east"] * np.take(
        areas.sd_lng, area
    )
    north, east = to_km(np.full(len(lat), market), lat[:, 0], lng[:, 0])
    return north.astype(np.float32)[:, None], east.astype(np.float32)[:, None]


def budget_given_filter(guests: Guests, queries: Queries) -> tuple[Array, Array]:
    """Mean and spread of each query's log budget: its prior, or its posterior given the filter."""
    settings = load_world().guests
    expected = guests.log_budget_expected[queries.guest].astype(np.float64)
    # the filter was rounded up to a step: take the middle of it
    top = queries.price_max - settings.filter_step / 2
    signal = np.log(np.maximum(top, 1.0)) - settings.filter_offset
    gain = settings.budget_sd**2 / (settings.budget_sd**2 + settings.filter_noise_sd**2)
    has_filter = ~np.isnan(queries.price_max)
    mean = np.where(has_filter, expected + gain * (signal - expected), expected)
    spread = settings.budget_sd * np.where(has_filter, np.sqrt(1 - gain), 1.0)
    return mean.astype(np.float32), spread.astype(np.float32)
