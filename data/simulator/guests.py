"""Guests: who searches, for which trip, and the tastes that the log never shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from data.schema.time import day_number
from data.simulator.draws import Array, Draw, choose, generator
from data.simulator.parameters import MARKETS, Areas, Demand, GuestParameters, load_world
from data.simulator.scenario import DAYS, SimulationConfig, carnival_day

__all__ = ["TASTES", "Guests", "draw_guests"]

NEVER = 32_000
CARNIVAL_WITHIN_DAYS = 120
# standard normal tastes, one column each: none is in the log, all persist
TASTES = (
    "budget",
    "price_sensitivity",
    "distance_sensitivity",
    "entire_home",
    "quality",
    "style_first",
    "style_second",
    "intent",
)


@dataclass(frozen=True, kw_only=True)
class Guests:
    """One entry per guest; days since 1970, degrees, log of price per night.

    ``*_from`` is the guest's search (from 0) from which dates, area, price filter or
    shifted dates are used; a large number is never.
    """

    market: Array
    searches: Array
    first_day: Array
    party: Array
    children: Array
    infants: Array
    lead_days: Array
    checkin: Array
    nights: Array
    taste: Array
    log_budget: Array
    log_budget_expected: Array
    wish_lat: Array
    wish_lng: Array
    dates_from: Array
    area_from: Array
    price_from: Array
    shift_from: Array
    shift_days: Array
    price_max: Array
    has_price_min: Array
    area_radius: Array
    city_radius: Array

    def __len__(self) -> int:
        return len(self.market)


def draw_guests(config: SimulationConfig, median_prices: Array) -> Guests:
    """Guests until their searches add up to ``config.searches`` exactly.

    ``median_prices``: the median nightly price of each market.
    """
    rng = generator(config.seed, Draw.GUESTS)
    settings = load_world().guests
    searches = _searches_per_guest(config, settings, rng)
    first = choose(rng, settings.first_day_weights, len(searches))
    market = _markets(config, first, rng)
    demand = load_world().demand
    business = rng.random(len(market)) < np.take([d.business_share for d in demand], market)
    party = _parties(settings, business, rng)
    trip = _trips(config, market, first, business, rng)
    money = _money(settings, market, party["party"], business, (median_prices, rng))
    wishes = _wishes(settings, market, rng)
    return Guests(
        market=market.astype(np.int8),
        searches=searches,
        first_day=first,
        **party,
        **trip,
        **money,
        **wishes,
        **_habits(settings, len(market), rng),
    )


def _searches_per_guest(
    config: SimulationConfig, settings: GuestParameters, rng: np.random.Generator
) -> Array:
    """A mixture of two geometrics: many light guests, some who search for days."""
    factor = config.changes.searches_factor
    light = max(1.0, settings.light_mean_searches * factor)
    heavy = max(1.0, settings.heavy_mean_searches * factor)
    mean = settings.light_share * light + (1 - settings.light_share) * heavy
    drawn = int(config.searches / mean * 1.2) + 100
    is_light = rng.random(drawn) < settings.light_share
    counts = np.where(is_light, rng.geometric(1 / light, drawn), rng.geometric(1 / heavy, drawn))
    total = np.cumsum(counts)
    guests = int(np.searchsorted(total, config.searches)) + 1
    counts = counts[:guests]
    # the last guest searches less, so that the sum is exact
    counts[-1] -= max(0, int(total[guests - 1]) - config.searches)
    return counts.astype(np.int32)


def _markets(config: SimulationConfig, first: Array, rng: np.random.Generator) -> Array:
    shares = np.tile([d.share for d in load_world().demand], (DAYS, 1))
    launched = config.changes.new_market
    if launched is not None:
        shares[:, launched] = config.changes.new_market_shares
        shares[:, 1 - launched] = 1 - shares[:, launched]
    second: Array = rng.random(len(first)) >= shares[first, 0]
    return second.astype(np.int64)


def _parties(
    settings: GuestParameters, business: Array, rng: np.random.Generator
) -> dict[str, Array]:
    size = len(business)
    shares = (settings.party_shares, settings.business_party_shares)
    leisure, alone = (choose(rng, of, size) for of in shares)
    party = np.take(settings.party_sizes, np.where(business, alone, leisure))
    family = (party >= 3) & (rng.random(size) < settings.children_share)
    children = np.where(family, rng.integers(1, np.maximum(party - 1, 2)), 0)
    infants = ~business & (rng.random(size) < settings.infant_share) & (party >= 2)
    return {"party": party, "children": children, "infants": infants.astype(np.int64)}


def _trips(
    config: SimulationConfig, market: Array, first: Array, business: Array, rng: np.random.Generator
) -> dict[str, Array]:
    settings, demand = load_world().guests, load_world().demand
    lead = np.zeros(len(market), dtype=np.int64)
    checkin = np.zeros(len(market), dtype=np.int64)
    nights = np.zeros(len(market), dtype=np.int64)
    for index, one in enumerate(demand):
        chosen = market == index
        size = int(chosen.sum())
        days = one.median_lead_days * np.exp(one.lead_log_sd * rng.standard_normal(size))
        lead[chosen] = np.minimum(days, settings.most_lead_days)
        nights[chosen] = _stays(settings, one, size, rng)
        day = config.first_day + first[chosen] + lead[chosen]
        checkin[chosen] = _on_usual_weekday(one, day, rng)
        _send_to_carnival(config, one, chosen, (checkin, nights, rng))
    nights = np.where(business, np.minimum(nights, settings.business_most_nights), nights)
    return {"lead_days": lead, "checkin": checkin, "nights": nights}


def _stays(settings: GuestParameters, demand: Demand, size: int, rng: np.random.Generator) -> Array:
    extra = np.exp(demand.stay_log_mean + demand.stay_log_sd * rng.standard_normal(size))
    usual = np.minimum(np.round(extra), settings.usual_most_nights).clip(1)
    low, high = settings.long_stay_nights
    is_long = rng.random(size) < settings.long_stay_share
    return np.where(is_long, rng.integers(low, high + 1, size), usual).astype(np.int64)


def _on_usual_weekday(demand: Demand, day: Array, rng: np.random.Generator) -> Array:
    """The day, moved on by up to six days to a weekday drawn from the market's habit."""
    wanted = choose(rng, demand.checkin_weights, len(day))
    monday_based = (day + 3) % 7  # 1970-01-01 was a Thursday
    moved: Array = day + (wanted - monday_based) % 7
    return moved


def _send_to_carnival(
    config: SimulationConfig,
    demand: Demand,
    chosen: Array,
    trips: tuple[Array, Array, np.random.Generator],
) -> None:
    checkin, nights, rng = trips
    friday = day_number(carnival_day(config.start + timedelta(days=DAYS)))
    if friday - config.first_day > CARNIVAL_WITHIN_DAYS:
        return
    share = min(0.9, demand.carnival_share * config.changes.carnival_share_factor)
    goes = np.flatnonzero(chosen)[rng.random(int(chosen.sum())) < share]
    settings = load_world().guests
    (early, late), (short, long) = settings.carnival_arrival_days, settings.carnival_nights
    checkin[goes] = friday + rng.integers(early, late + 1, len(goes))
    nights[goes] = rng.integers(short, long + 1, len(goes))


def _money(
    settings: GuestParameters,
    market: Array,
    party: Array,
    business: Array,
    source: tuple[Array, np.random.Generator],
) -> dict[str, Array]:
    """What the guest can pay per night: the mean of its market and party, plus its own taste.

    ``log_budget_expected`` is that mean; the truth given observables starts from it.
    """
    median_prices, rng = source
    taste = rng.standard_normal((len(market), len(TASTES)))
    expected = (
        np.log(np.take(median_prices, market))
        + settings.budget_offset
        + settings.budget_party_slope * np.log(party / 2)
    )
    # no column of the log says who travels on business: the mean takes its probability
    likely = _business_given_party(settings, market, party)
    surprise = settings.budget_business * (business - likely)
    expected = expected + settings.budget_business * likely
    budget = expected + surprise + settings.budget_sd * taste[:, 0]
    noise = settings.filter_noise_sd * rng.standard_normal(len(market))
    step = settings.filter_step
    top = np.ceil(np.exp(budget + settings.filter_offset + noise) / step) * step
    return {
        "taste": taste.astype(np.float32),
        "log_budget": budget.astype(np.float32),
        "log_budget_expected": expected.astype(np.float32),
        "price_max": top,
        "has_price_min": rng.random(len(market)) < settings.price_min_share,
    }


def _business_given_party(settings: GuestParameters, market: Array, party: Array) -> Array:
    """P(business guest | market, party), by Bayes."""
    prior = np.take([d.business_share for d in load_world().demand], market)
    size = np.searchsorted(settings.party_sizes, party)
    business = prior * np.take(settings.business_party_shares, size)
    leisure = (1 - prior) * np.take(settings.party_shares, size)
    chance: Array = business / (business + leisure)
    return chance


def _wishes(settings: GuestParameters, market: Array, rng: np.random.Generator) -> dict[str, Array]:
    lat, lng = np.zeros(len(market)), np.zeros(len(market))
    for index in range(len(MARKETS)):
        chosen = np.flatnonzero(market == index)
        areas: Areas = load_world().markets[index].areas
        area = choose(rng, np.asarray(areas.shares) ** settings.wish_share_power, len(chosen))
        north, east = rng.standard_normal((2, len(chosen)))
        spread = settings.wish_spread
        lat[chosen] = np.take(areas.lat, area) + spread * north * np.take(areas.sd_lat, area)
        lng[chosen] = np.take(areas.lng, area) + spread * east * np.take(areas.sd_lng, area)
    return {"wish_lat": lat, "wish_lng": lng}


def _habits(settings: GuestParameters, size: int, rng: np.random.Generator) -> dict[str, Array]:
    """From which search on dates, area and price filter are used, and how wide the map is."""
    late = rng.random(size)
    dates_from = np.where(late < settings.dateless_first_share, rng.integers(1, 3, size), 0)
    dates_from = np.where(late > 1 - settings.dateless_always_share, NEVER, dates_from)
    known = rng.random(size)
    area_from = np.where(known < settings.area_known_first_share, 0, rng.integers(1, 5, size))
    area_from = np.where(known > 1 - settings.area_never_share, NEVER, area_from)
    filters = rng.random(size) < settings.price_filter_share
    shifts = rng.random(size) < settings.shift_dates_share
    most = settings.most_shift_days
    radius = np.take(settings.area_radius_km, choose(rng, settings.area_radius_shares, size))
    low, high = settings.city_radius_km
    return {
        "dates_from": dates_from,
        "area_from": area_from,
        "price_from": np.where(filters, rng.integers(0, 5, size), NEVER),
        "shift_from": np.where(shifts, rng.integers(1, 6, size), NEVER),
        "shift_days": rng.integers(1, most + 1, size) * rng.choice((-1, 1), size),
        "area_radius": np.round(radius * rng.uniform(0.85, 1.2, size), 1),
        "city_radius": np.round(rng.uniform(low, high, size), 1),
    }
