"""Searches: when each guest searches, and what each search asks for.

The plan (who searches, when, and for which time) is drawn once for the whole week, a few
integers per search. The queries of a chunk follow from the guest and the search's place in the
guest's journey, so that no state has to be carried from chunk to chunk.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from data.schema.time import DAY_S
from data.simulator.draws import Array, Draw, generator
from data.simulator.geography import KM_PER_DEGREE, longitude_scale
from data.simulator.guests import Guests
from data.simulator.parameters import MARKETS, GuestParameters, load_world
from data.simulator.scenario import DAYS, SimulationConfig

__all__ = ["MINUTES_PER_DAY", "Plan", "Queries", "chunks_of", "draw_plan", "queries_of"]

MINUTES_PER_DAY = 1440


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All searches in the order of time: one entry per search.

    ``minute`` counts from the first midnight of the log; ``ordinal`` is the search's
    place in its guest's journey, from 0.
    """

    guest: Array
    minute: Array
    ordinal: Array

    def __len__(self) -> int:
        return len(self.guest)


@dataclass(frozen=True, kw_only=True)
class Queries:
    """The queries of one chunk, one entry per search; days since 1970, degrees, km.

    ``ordinal`` is the place in the guest's journey, from 0. ``checkin`` and ``nights`` are
    the guest's plan even where ``is_dated`` is false and the log shows no dates.
    ``price_min`` and ``price_max`` are NaN without a filter. ``knows_area`` tells a search
    centred on the wished area from one of the whole city.
    """

    guest: Array
    number: Array
    ordinal: Array
    market: Array
    day: Array
    second: Array
    is_dated: Array
    checkin: Array
    nights: Array
    party: Array
    center_lat: Array
    center_lng: Array
    radius: Array
    price_min: Array
    price_max: Array
    knows_area: Array

    def __len__(self) -> int:
        return len(self.guest)

    def rows(self, rows: Array) -> Queries:
        """The queries of these rows, or where this mask is true."""
        return Queries(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def draw_plan(config: SimulationConfig, guests: Guests) -> Plan:
    """The week's searches: sessions on the days of a journey, minutes apart within one."""
    rng = generator(config.seed, Draw.PLAN)
    settings = load_world().guests
    guest = np.repeat(np.arange(len(guests), dtype=np.int32), guests.searches)
    opens = rng.random(len(guest)) < 1 / settings.searches_per_session
    opens[np.cumsum(guests.searches) - guests.searches] = True
    session = np.cumsum(opens) - 1
    start = _session_starts(config, guests, guest[opens], rng)
    gaps = rng.exponential(settings.minutes_between_searches, len(guest))
    walked = np.cumsum(np.where(opens, 0.0, gaps))
    within = walked - walked[opens][session]
    minute = start[session] + within.astype(np.int64)
    # a session that would cross midnight ends at the last minute of its day
    minute = np.minimum(minute, (start[session] // MINUTES_PER_DAY + 1) * MINUTES_PER_DAY - 1)
    return _in_order_of_time(guest, minute.astype(np.int32))


def _in_order_of_time(guest: Array, minute: Array) -> Plan:
    by_guest = np.lexsort((minute, guest))
    minute = minute[by_guest]  # guest is sorted already
    firsts = np.flatnonzero(np.diff(guest, prepend=-1))
    ordinal = np.arange(len(guest)) - np.repeat(firsts, np.diff(firsts, append=len(guest)))
    order = np.argsort(minute, kind="stable")
    return Plan(guest=guest[order], minute=minute[order], ordinal=ordinal[order].astype(np.int32))


def _session_starts(
    config: SimulationConfig, guests: Guests, guest: Array, rng: np.random.Generator
) -> Array:
    """Minute at which each session begins: the first on the guest's first day."""
    world = load_world()
    leads = np.diff(guest, prepend=-1) != 0
    first = guests.first_day[guest]
    left = DAYS - 1 - first
    stay = world.guests.journey_stay_share
    # a truncated geometric spreads the sessions over the days that are left
    uniform = rng.random(len(guest))
    spread = np.log1p(-uniform * (1 - stay ** (left + 1))) / np.log(stay)
    day = np.where(leads, first, first + np.minimum(spread.astype(np.int64), left))
    monday_based = (config.start.weekday() + np.arange(DAYS)) % 7
    weights = np.array([d.search_day_weights for d in world.demand])[:, monday_based]
    day = _prefer_busy_days(weights[guests.market[guest]], day, first, rng)
    hours = np.asarray(world.guests.hour_weights)
    hour = np.searchsorted(np.cumsum(hours / hours.sum())[:-1], rng.random(len(guest)))
    return day * MINUTES_PER_DAY + hour * 60 + rng.integers(0, 60, len(guest))


def _prefer_busy_days(weights: Array, day: Array, first: Array, rng: np.random.Generator) -> Array:
    """Half a Metropolis step towards the busier days of each session's market.

    ``weights`` has one row per session and one column per day of the log.
    """
    rows = np.arange(len(day))
    other = first + (rng.random(len(day)) * (DAYS - first)).astype(np.int64)
    moves = rng.random(len(day)) < 0.5 * weights[rows, other] / weights[rows, day]
    return np.where(moves & (day != first), other, day)


def chunks_of(config: SimulationConfig, plan: Plan) -> Iterator[tuple[int, tuple[int, int]]]:
    """Day of the log and range of searches; a chunk never spans two days."""
    edges = np.searchsorted(plan.minute, np.arange(DAYS + 1) * MINUTES_PER_DAY)
    for day in range(DAYS):
        for start in range(int(edges[day]), int(edges[day + 1]), config.searches_per_chunk):
            yield day, (start, min(start + config.searches_per_chunk, int(edges[day + 1])))


def queries_of(
    config: SimulationConfig, guests: Guests, plan: Plan, chunk: tuple[int, int]
) -> Queries:
    """The queries of the searches ``chunk[0] <= number < chunk[1]``."""
    numbers = np.arange(*chunk)
    rng = generator(config.seed, Draw.QUERIES, chunk[0])
    guest, ordinal = plan.guest[numbers], plan.ordinal[numbers]
    minute = plan.minute[numbers].astype(np.int64)
    day = config.first_day + minute // MINUTES_PER_DAY
    market = guests.market[guest].astype(np.int64)
    knows_area = ordinal >= guests.area_from[guest]
    return Queries(
        guest=guest,
        number=numbers,
        ordinal=ordinal,
        market=market,
        day=day,
        second=config.first_day * DAY_S + minute * 60,
        party=guests.party[guest],
        knows_area=knows_area,
        **_dates(guests, guest, ordinal, day),
        **_maps(guests, guest, knows_area, rng),
        **_price_filters(load_world().guests, guests, guest, ordinal),
    )


def _dates(guests: Guests, guest: Array, ordinal: Array, day: Array) -> dict[str, Array]:
    shifted = np.where(ordinal >= guests.shift_from[guest], guests.shift_days[guest], 0)
    # who planned to leave earlier than the day of this search leaves today
    checkin = np.maximum(guests.checkin[guest] + shifted, day)
    return {
        "is_dated": ordinal >= guests.dates_from[guest],
        "checkin": checkin,
        "nights": guests.nights[guest],
    }


def _maps(
    guests: Guests, guest: Array, knows_area: Array, rng: np.random.Generator
) -> dict[str, Array]:
    """Centre and radius of the map: the whole city first, the wished area later."""
    world = load_world()
    market = guests.market[guest].astype(np.int64)
    centers = np.array([d.center for d in world.demand])[market]
    scale = np.array([longitude_scale(m) for m in range(len(MARKETS))])[market]
    noise = world.guests.center_noise_km * rng.standard_normal((2, len(guest)))
    wish_lat, wish_lng = guests.wish_lat[guest], guests.wish_lng[guest]
    lat = np.where(knows_area, wish_lat + noise[0] / KM_PER_DEGREE, centers[:, 0])
    lng = np.where(knows_area, wish_lng + noise[1] / scale, centers[:, 1])
    radius = np.where(knows_area, guests.area_radius[guest], guests.city_radius[guest])
    return {"center_lat": np.round(lat, 5), "center_lng": np.round(lng, 5), "radius": radius}


def _price_filters(
    settings: GuestParameters, guests: Guests, guest: Array, ordinal: Array
) -> dict[str, Array]:
    uses = ordinal >= guests.price_from[guest]
    top = np.where(uses, guests.price_max[guest], np.nan)
    step = settings.filter_step
    low = np.floor(settings.price_min_of_max * guests.price_max[guest] / step) * step
    return {
        "price_max": top,
        "price_min": np.where(uses & guests.has_price_min[guest], low, np.nan),
    }
