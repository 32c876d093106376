"""The simulator's parameters: fitted ones from one TOML file, assumed ones from another.

``rio_de_janeiro.toml`` is written by :mod:`data.simulator.fit`; ``assumptions.toml`` says
what was assumed and why. Nothing else in this package holds a figure about the world.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "MARKETS",
    "Areas",
    "CatalogueAssumptions",
    "ChoiceParameters",
    "Demand",
    "GuestParameters",
    "MarketFit",
    "ResultParameters",
    "World",
    "load_world",
]

FOLDER = Path(__file__).parent
MARKETS = ("rio_de_janeiro", "sao_paulo")
# Of all simulated prices: those they were fitted to are in reais.
SIMULATED_CURRENCY = "R$"
Floats = tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Areas:
    """Neighbourhoods of a market, one entry each; degrees, shares of listings."""

    names: tuple[str, ...]
    shares: Floats
    lat: Floats
    lng: Floats
    sd_lat: Floats
    sd_lng: Floats
    entire_home_shares: Floats
    log_price_effects: Floats


@dataclass(frozen=True, kw_only=True)
class MarketFit:
    """The shape of a market's catalogue.

    ``tables`` are the fitted tables as they stand in ``rio_de_janeiro.toml``; quantiles
    belong to ``levels``.
    """

    market: str
    source: str
    listings: int
    areas: Areas
    levels: Floats
    price_multiplier: float
    instant_bookable_share: float
    tables: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class CatalogueAssumptions:
    """What is assumed about listings; see ``assumptions.toml``."""

    new_share: float
    pro_pictures_share: float
    weekly_discount_share: float
    monthly_discount_share: float
    weekly_factor: Floats
    monthly_factor: Floats
    mean_stay_nights: float
    recent_days: int
    property_types: int
    property_zipf: float
    appeal_sd: float
    appeal_occupancy_share: float
    style_mix: Floats
    calendar_mean_block_nights: float
    calendar_lead_half_life_days: float


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Who searches a market, when, and for which nights; see ``assumptions.toml``."""

    share: float
    center: Floats
    median_lead_days: float
    lead_log_sd: float
    stay_log_mean: float
    stay_log_sd: float
    business_share: float
    carnival_share: float
    night_multipliers: Floats
    carnival_multiplier: float
    checkin_weights: Floats
    search_day_weights: Floats


@dataclass(frozen=True, kw_only=True)
class GuestParameters:
    """How guests search, and what they can pay; see ``assumptions.toml``."""

    party_sizes: tuple[int, ...]
    party_shares: Floats
    business_party_shares: Floats
    children_share: float
    infant_share: float
    light_share: float
    light_mean_searches: float
    heavy_mean_searches: float
    searches_per_session: float
    minutes_between_searches: float
    first_day_weights: Floats
    journey_stay_share: float
    hour_weights: Floats
    dateless_first_share: float
    dateless_always_share: float
    shift_dates_share: float
    most_shift_days: int
    area_known_first_share: float
    area_never_share: float
    price_filter_share: float
    price_min_share: float
    price_min_of_max: float
    usual_most_nights: int
    business_most_nights: int
    carnival_nights: tuple[int, ...]
    carnival_arrival_days: tuple[int, ...]
    long_stay_share: float
    long_stay_nights: tuple[int, ...]
    most_lead_days: int
    center_noise_km: float
    area_radius_km: Floats
    area_radius_shares: Floats
    city_radius_km: Floats
    budget_offset: float
    budget_party_slope: float
    budget_business: float
    budget_sd: float
    filter_offset: float
    filter_noise_sd: float
    filter_step: float
    wish_share_power: float
    wish_spread: float


@dataclass(frozen=True, kw_only=True)
class ResultParameters:
    """Retrieval and the production ranker; see ``assumptions.toml``."""

    candidates: int
    pool_skew: float
    fewest: int
    pool_slack_km: float
    random_order_share: float
    rating_weight: float
    reviews_weight: float
    books_weight: float
    photos_weight: float
    appeal_weight: float
    new_weight: float
    price_weight: float
    distance_weight: float
    noise_sd: float


@dataclass(frozen=True, kw_only=True)
class ChoiceParameters:
    """Examination, utility, funnel and delays; see ``assumptions.toml``."""

    examination_power: float
    sponsored_positions: tuple[int, ...]
    sponsored_factor: float
    click_intercept: float
    contact_intercept: float
    direct_intercept: float
    accept_intercept: float
    complete_intercept: float
    price_weight: float
    price_kink: float
    distance_weight: float
    distance_scale_km: float
    rating_weight: float
    rating_anchor: float
    unrated_rating: float
    reviews_weight: float
    reviews_scale: float
    crowding_weight: float
    spare_room_weight: float
    entire_weight: float
    entire_taste_sd: float
    photos_weight: float
    appeal_weight: float
    style_weight: float
    price_taste_sd: float
    distance_taste_sd: float
    quality_taste_sd: float
    intent_sd: float
    contact_slope: float
    direct_slope: float
    complete_slope: float
    lead_intent: float
    dateless_contact: float
    after_booking: float
    accept_occupancy: float
    accept_new: float
    accept_instant: float
    accept_short_lead: float
    contact_delay_shares: Floats
    book_delay_shares: Floats
    direct_delay_shares: Floats
    taste_nodes: int
    earlier_search_weight: float


@dataclass(frozen=True, kw_only=True)
class World:
    """All parameters; ``markets`` and ``demand`` in the order of :data:`MARKETS`."""

    markets: tuple[MarketFit, ...]
    demand: tuple[Demand, ...]
    catalogue: CatalogueAssumptions
    guests: GuestParameters
    results: ResultParameters
    choice: ChoiceParameters


def _read(name: str) -> dict[str, Any]:
    with (FOLDER / name).open("rb") as file:
        return tomllib.load(file)


def _build(kind: type[Any], table: Mapping[str, Any], *, only_known: bool = False) -> Any:
    """``kind`` from a TOML table, lists as tuples; an unknown or missing key raises."""
    names = {field.name for field in fields(kind)}
    chosen = {k: v for k, v in table.items() if k in names or not only_known}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in chosen.items()})


def _rio(fitted: Mapping[str, Any], shared: Mapping[str, Any]) -> MarketFit:
    return MarketFit(
        market=MARKETS[0],
        source=fitted["source"],
        listings=fitted["listings"],
        areas=_build(Areas, fitted["areas"], only_known=True),
        price_multiplier=1.0,
        instant_bookable_share=fitted["details"]["instant_bookable_share"],
        **shared,
    )


def _sao_paulo(assumed: Mapping[str, Any], shared: Mapping[str, Any]) -> MarketFit:
    """Rio's shapes with what is assumed to differ."""
    return MarketFit(
        market=MARKETS[1],
        source=assumed["source"],
        listings=assumed["listings"],
        areas=_build(Areas, assumed, only_known=True),
        price_multiplier=assumed["price_multiplier"],
        instant_bookable_share=assumed["instant_bookable_share"],
        **shared,
    )


@cache
def load_world() -> World:
    """The committed parameters of both markets. Raises ``TypeError`` on an unknown key."""
    fitted, assumed = _read("rio_de_janeiro.toml"), _read("assumptions.toml")
    shared: dict[str, Any] = {
        "levels": tuple(fitted["quantile_levels"]),
        "tables": {key: value for key, value in fitted.items() if isinstance(value, dict)},
    }
    return World(
        markets=(_rio(fitted, shared), _sao_paulo(assumed["sao_paulo"], shared)),
        demand=tuple(_build(Demand, assumed["demand"][market]) for market in MARKETS),
        catalogue=_build(CatalogueAssumptions, assumed["catalogue"]),
        guests=_build(GuestParameters, assumed["guests"]),
        results=_build(ResultParameters, assumed["results"]),
        choice=_build(ChoiceParameters, assumed["choice"]),
    )
