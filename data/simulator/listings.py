"""The catalogue: every listing of both markets, drawn from the fitted shapes.

Marginals are exact by construction (a latent ranking is mapped onto fitted quantiles);
correlations come from a Gaussian copula of history and a linear model of log price.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import ndtr

from data.simulator.draws import Array, Draw, choose, generator
from data.simulator.parameters import Areas, CatalogueAssumptions, MarketFit, load_world
from data.simulator.scenario import SimulationConfig

__all__ = ["ROOM_TYPES", "SUB_RATINGS", "Catalogue", "draw_catalogue"]

ROOM_TYPES = ("entire_home", "private_room", "shared_room", "hotel_room")
SUB_RATINGS = ("location", "cleanliness", "checkin", "value", "communication", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """One entry per listing, both markets one after the other; all arrays aligned.

    ``appeal`` and ``style`` (two axes) are hidden: guests see them, no column shows them.
    Ratings, ``cleaning_fee`` and price factors are NaN where the log has null.
    """

    market: Array
    area: Array
    lat: Array
    lng: Array
    room_type: Array
    property_type: Array
    capacity: Array
    bedrooms: Array
    beds: Array
    bathrooms: Array
    price: Array
    cleaning_fee: Array
    is_new: Array
    reviews: Array
    rating: Array
    sub_ratings: Array
    occupancy: Array
    books_90day: Array
    recent_reservations: Array
    instant: Array
    pro_pictures: Array
    weekly_factor: Array
    monthly_factor: Array
    minimum_nights: Array
    maximum_nights: Array
    appeal: Array
    style: Array

    def __len__(self) -> int:
        return len(self.market)


def draw_catalogue(config: SimulationConfig) -> Catalogue:
    """The catalogue of a run; a market launched this week has hardly any history."""
    world = load_world()
    parts = []
    for index, (fit, size) in enumerate(
        zip(world.markets, config.listings_per_market(), strict=True)
    ):
        rng = generator(config.seed, Draw.CATALOGUE, index)
        launched = config.changes.new_market == index
        new_share = config.changes.launched_new_share if launched else world.catalogue.new_share
        parts.append(_draw_market(fit, world.catalogue, size, new_share, rng))
        parts[-1]["market"] = np.full(size, index, dtype=np.int8)
    names = [field.name for field in fields(Catalogue)]
    return Catalogue(**{name: np.concatenate([part[name] for part in parts]) for name in names})


def _draw_market(
    fit: MarketFit,
    assumed: CatalogueAssumptions,
    size: int,
    new_share: float,
    rng: np.random.Generator,
) -> dict[str, Array]:
    place = _places(fit.areas, size, rng)
    rooms = _rooms(fit, place["area"], assumed, rng)
    history, latent = _history(fit, assumed, size, new_share, rng)
    occupied, asking = latent[:, 2], latent[:, 3]
    price = _prices(fit, place["area"], rooms, asking)
    terms = _terms(fit, assumed, price, rng)
    hidden = {
        "appeal": _appeals(assumed, occupied, rng),
        "style": _styles(fit, place["area"], rooms["room_type"], assumed, rng),
    }
    return {**place, **rooms, **history, "price": price, **terms, **hidden}


def _from_quantiles(uniform: Array, levels: Any, quantiles: Any) -> Array:
    values: Array = np.interp(uniform, np.asarray(levels), np.asarray(quantiles))
    return values


def _places(areas: Areas, size: int, rng: np.random.Generator) -> dict[str, Array]:
    area = choose(rng, areas.shares, size)
    north, east = rng.standard_normal((2, size)).clip(-2.5, 2.5)
    return {
        "area": area.astype(np.int16),
        "lat": np.round(np.take(areas.lat, area) + north * np.take(areas.sd_lat, area), 5),
        "lng": np.round(np.take(areas.lng, area) + east * np.take(areas.sd_lng, area), 5),
    }


def _rooms(
    fit: MarketFit, area: Array, assumed: CatalogueAssumptions, rng: np.random.Generator
) -> dict[str, Array]:
    size = len(area)
    entire = rng.random(size) < np.take(fit.areas.entire_home_shares, area)
    other = 1 + choose(rng, fit.tables["room_types"]["other_shares"], size)
    room_type = np.where(entire, 0, other)
    sizes = fit.tables["capacity"]
    capacity = 1 + np.where(
        entire, choose(rng, sizes["entire_home"], size), choose(rng, sizes["others"], size)
    )
    tables = fit.tables["rooms"]
    band = np.searchsorted(np.asarray(tables["capacity_bands"]), capacity)
    bedrooms = _choose_by(rng, tables["bedroom_shares"], band)
    bathroom = _choose_by(rng, tables["bathroom_shares"], bedrooms)
    zipf = 1.0 / np.arange(1, assumed.property_types + 1) ** assumed.property_zipf
    kind = choose(rng, zipf, size)
    return {
        "room_type": room_type.astype(np.int8),
        "property_type": (room_type * assumed.property_types + kind).astype(np.int16),
        "capacity": capacity.astype(np.int16),
        "bedrooms": bedrooms.astype(np.int16),
        "beds": np.maximum(_choose_by(rng, tables["bed_shares"], band), 1).astype(np.int16),
        "bathrooms": np.take(tables["bathroom_levels"], bathroom),
    }


def _choose_by(rng: np.random.Generator, shares: Any, row: Array) -> Array:
    """One choice per entry from ``shares[row]``; shares of each row sum to about 1."""
    table = np.asarray(shares, dtype=float)
    edges = np.cumsum(table / table.sum(axis=1, keepdims=True), axis=1)[:, :-1]
    chosen: Array = (rng.random(len(row))[:, None] >= edges[row]).sum(axis=1)
    return chosen


def _history(
    fit: MarketFit,
    assumed: CatalogueAssumptions,
    size: int,
    new_share: float,
    rng: np.random.Generator,
) -> tuple[dict[str, Array], Array]:
    """What past guests left behind, and the copula's normals: one column per ``order``."""
    table = fit.tables["history"]
    correlation = 2 * np.sin(np.pi / 6 * np.asarray(table["rank_correlations"], dtype=float))
    latent = rng.standard_normal((size, len(correlation))) @ np.linalg.cholesky(correlation).T
    uniform = ndtr(latent)
    draw = rng.random(size)
    is_new = draw < new_share
    unreviewed = draw < max(new_share, table["never_reviewed_share"])
    occupancy = _from_quantiles(uniform[:, 2], fit.levels, table["occupancy_quantiles"])
    occupancy[is_new] = 0.0
    rating = _from_quantiles(uniform[:, 1], fit.levels, table["rating_quantiles"]).clip(1, 5)
    rating = np.where(unreviewed, np.nan, np.round(rating, 2))
    reviews = _from_quantiles(uniform[:, 0], fit.levels, table["review_quantiles"])
    books = rng.poisson(90 * occupancy / assumed.mean_stay_nights)
    # a listing that is not new has been booked, or its guests would not have left reviews
    books = np.where(is_new, 0, books)
    return {
        "is_new": is_new,
        "reviews": np.where(unreviewed, 0, np.round(reviews)).astype(np.int32),
        "rating": rating,
        "sub_ratings": _sub_ratings(fit, rating, rng),
        "occupancy": np.round(occupancy, 4),
        "books_90day": books.astype(np.int32),
        "recent_reservations": rng.binomial(books, assumed.recent_days / 90).astype(np.int32),
    }, latent


def _sub_ratings(fit: MarketFit, rating: Array, rng: np.random.Generator) -> Array:
    columns = []
    for name in SUB_RATINGS:
        intercept, slope, spread = fit.tables["sub_ratings"][name]
        drawn = intercept + slope * rating + spread * rng.standard_normal(len(rating))
        columns.append(np.round(drawn.clip(1, 5), 2))
    return np.column_stack(columns)


def _prices(fit: MarketFit, area: Array, rooms: dict[str, Array], asking: Array) -> Array:
    """Nightly price: a linear latent, its ranking mapped onto the fitted quantiles."""
    model = fit.tables["price"]
    room_effects = np.array([0.0, *(model[name] for name in ROOM_TYPES[1:])])
    latent = (
        np.take(fit.areas.log_price_effects, area)
        + model["log_capacity"] * np.log(rooms["capacity"])
        + model["bedrooms"] * rooms["bedrooms"]
        + room_effects[rooms["room_type"]]
        + model["residual_sd"] * asking
    )
    rank = np.empty(len(latent))
    rank[np.argsort(latent, kind="stable")] = (np.arange(len(latent)) + 0.5) / len(latent)
    # between two quantiles prices are closer to log-uniform than to uniform
    log_price = _from_quantiles(rank, fit.levels, np.log(model["quantiles"]))
    return np.round(np.exp(log_price) * fit.price_multiplier, 0)


def _terms(
    fit: MarketFit, assumed: CatalogueAssumptions, price: Array, rng: np.random.Generator
) -> dict[str, Array]:
    size = len(price)
    details, nights = fit.tables["details"], fit.tables["nights"]
    ratio = _from_quantiles(
        rng.random(size), fit.levels, details["cleaning_fee_to_price_quantiles"]
    )
    no_fee = rng.random(size) < details["cleaning_fee_null_share"]
    minimum = np.take(nights["minimum"], choose(rng, nights["minimum_shares"], size))
    maximum = np.take(nights["maximum"], choose(rng, nights["maximum_shares"], size))
    return {
        "cleaning_fee": np.where(no_fee, np.nan, np.round(price * ratio, 0)),
        "instant": rng.random(size) < fit.instant_bookable_share,
        "pro_pictures": rng.random(size) < assumed.pro_pictures_share,
        "weekly_factor": _factor(assumed.weekly_discount_share, assumed.weekly_factor, size, rng),
        "monthly_factor": _factor(
            assumed.monthly_discount_share, assumed.monthly_factor, size, rng
        ),
        "minimum_nights": minimum.astype(np.int32),
        "maximum_nights": np.maximum(maximum, minimum).astype(np.int32),
    }


def _factor(share: float, bounds: tuple[float, ...], size: int, rng: np.random.Generator) -> Array:
    has_factor = rng.random(size) < share
    return np.where(has_factor, np.round(rng.uniform(bounds[0], bounds[1], size), 2), np.nan)


def _appeals(assumed: CatalogueAssumptions, occupied: Array, rng: np.random.Generator) -> Array:
    """Hidden appeal, correlated with occupancy: guests see what no column of the log shows."""
    share = assumed.appeal_occupancy_share
    own = np.sqrt(1 - share**2) * rng.standard_normal(len(occupied))
    appeal: Array = assumed.appeal_sd * (share * occupied + own)
    return appeal.astype(np.float32)


def _styles(
    fit: MarketFit,
    area: Array,
    room_type: Array,
    assumed: CatalogueAssumptions,
    rng: np.random.Generator,
) -> Array:
    """Two hidden axes: a part of each belongs to the area and kind of room, a part is its own."""
    by_area = rng.standard_normal((len(fit.areas.names), 2))
    by_room = rng.standard_normal((len(ROOM_TYPES), 2))
    own = rng.standard_normal((len(area), 2))
    areas, rooms, listings = assumed.style_mix
    mixed: Array = areas * by_area[area] + rooms * by_room[room_type] + listings * own
    return mixed.astype(np.float32)
