"""The simulation: the week in chunks of searches, in the order of time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from data.simulator.availability import Calendar
from data.simulator.choices import (
    Offers,
    Taste,
    after_booking,
    offers_of,
    probabilities,
    taste_of,
)
from data.simulator.draws import Array, Draw, generator
from data.simulator.guests import Guests, draw_guests
from data.simulator.listings import Catalogue, draw_catalogue
from data.simulator.outcomes import (
    Outcomes,
    book_in_order_of_time,
    draw_days,
    outcomes_of,
    searches_after_booking,
    steps_of,
    throw_dice,
)
from data.simulator.parameters import MARKETS
from data.simulator.prices import PriceList, draw_prices
from data.simulator.results import Shown, show_results
from data.simulator.retrieval import Retrieval, build_retrieval
from data.simulator.scenario import SimulationConfig
from data.simulator.searches import Plan, Queries, chunks_of, draw_plan, queries_of
from data.simulator.tables import Names, exposure_columns, log_table, truth_table
from data.simulator.truth import given_observables, given_taste

__all__ = ["Progress", "SimulatedChunk", "simulate"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SimulatedChunk:
    """Some searches of one day, by time: the log's rows, and the truth of the same rows.

    ``searches`` counts those planned; one that found no listing at all has no row.
    """

    log: pa.Table
    truth: pa.Table
    day: int
    searches: int


@dataclass(frozen=True, kw_only=True)
class _Simulation:
    """What stays the same over the week, and the state that moves on with it."""

    config: SimulationConfig
    catalogue: Catalogue
    guests: Guests
    plan: Plan
    prices: PriceList
    retrieval: Retrieval
    calendar: Calendar
    has_booked: Array
    names: Names


@dataclass(frozen=True, kw_only=True)
class _Acted:
    """A chunk whose guests have acted: what is left is arithmetic on it alone."""

    queries: Queries
    shown: Shown
    offers: Offers
    taste: Taste
    outcomes: Outcomes
    new_bookings: Array


def simulate(
    config: SimulationConfig, progress: Progress | None = None
) -> Iterator[SimulatedChunk]:
    """The simulated week, chunk by chunk; ``progress`` gets the searches done and planned.

    Memory is bounded by the catalogue, the plan (a dozen bytes per search) and a chunk
    per thread. Choices and bookings depend on those before them and are made in one thread;
    truth and tables of a finished chunk change nothing and are computed by the others.
    """
    simulation = _set_up(config)
    done = 0
    for chunk in _in_background(config.threads - 1, simulation):
        done += chunk.searches
        yield chunk
        if progress is not None:
            progress(done, config.searches)


def _in_background(workers: int, simulation: _Simulation) -> Iterator[SimulatedChunk]:
    """Finished chunks in their order, at most ``workers`` of them waiting."""
    if workers == 0:
        yield from (_finish(simulation, acted) for acted in _act_all(simulation))
        return
    waiting: deque[Future[SimulatedChunk]] = deque()
    with ThreadPoolExecutor(max_workers=workers) as pool:
        for acted in _act_all(simulation):
            waiting.append(pool.submit(_finish, simulation, acted))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _set_up(config: SimulationConfig) -> _Simulation:
    catalogue = draw_catalogue(config)
    medians = np.array(
        [np.median(catalogue.price[catalogue.market == m]) for m in range(len(MARKETS))]
    )
    guests = draw_guests(config, medians)
    return _Simulation(
        config=config,
        catalogue=catalogue,
        guests=guests,
        plan=draw_plan(config, guests),
        prices=draw_prices(config, catalogue),
        retrieval=build_retrieval(catalogue),
        calendar=Calendar(config, catalogue),
        has_booked=np.zeros(len(guests), dtype=bool),
        names=Names(len(catalogue)),
    )


def _act_all(simulation: _Simulation) -> Iterator[_Acted]:
    """The chunks in the order of time; bookings of the days before have left the results."""
    config = simulation.config
    for day, chunk in chunks_of(config, simulation.plan):
        simulation.calendar.start_day(config.first_day + day)
        yield _act_chunk(simulation, chunk)


def _act_chunk(simulation: _Simulation, chunk: tuple[int, int]) -> _Acted:
    config, catalogue, guests = simulation.config, simulation.catalogue, simulation.guests
    places = (catalogue, simulation.prices, simulation.retrieval, simulation.calendar)
    queries, shown = show_results(
        config,
        places,
        queries_of(config, guests, simulation.plan, chunk),
        generator(config.seed, Draw.RESULTS, chunk[0]),
    )
    offers = offers_of(
        config, (catalogue, simulation.retrieval, simulation.calendar), queries, shown
    )
    taste = taste_of(config.choice, guests, queries, shown.search)
    outcomes, offers = _act(simulation, queries, shown, (offers, taste))
    return _Acted(
        queries=queries,
        shown=shown,
        offers=offers,
        taste=taste,
        outcomes=outcomes,
        # a copy: the calendar moves on while this chunk is finished in the background
        new_bookings=simulation.calendar.new_bookings.copy(),
    )


def _finish(simulation: _Simulation, acted: _Acted) -> SimulatedChunk:
    """Truth and tables of a chunk."""
    queries, shown = acted.queries, acted.shown
    truths = (
        given_taste(probabilities(acted.offers, acted.taste)),
        given_observables(acted.offers, simulation.guests, queries, shown),
    )
    identity = simulation.names.identity(queries, shown)
    world = (simulation.guests, simulation.catalogue, acted.new_bookings)
    log = log_table(identity, world, queries, shown, acted.outcomes)
    if simulation.config.with_position:
        for name, column in exposure_columns(shown).items():
            log = log.append_column(name, column)
    return SimulatedChunk(
        log=log,
        truth=truth_table(identity, queries, shown, truths),
        day=int(queries.day[0]),
        searches=len(queries),
    )


def _act(
    simulation: _Simulation, queries: Queries, shown: Shown, choice: tuple[Offers, Taste]
) -> tuple[Outcomes, Offers]:
    """What the guests do, and the offers as they stood at the time of each search.

    Bookings are decided first, in the order of time. Then all steps are computed again with
    the same random numbers, where the searches of a guest after its own booking are those
    of a guest who has booked.
    """
    offers, taste = choice
    rng = generator(simulation.config.seed, Draw.CHOICES, int(queries.number[0]))
    stops = simulation.config.changes.stop_after_click
    dice = throw_dice(len(shown.search), rng, with_stop=stops is not None)
    had_booked = simulation.has_booked[queries.guest]
    offers_now = after_booking(offers, had_booked[shown.search])
    steps = steps_of(probabilities(offers_now, taste), shown, dice, stops)
    days = draw_days(queries, shown, steps.direct, rng)
    state = (simulation.calendar, simulation.has_booked)
    booked = book_in_order_of_time(steps, days, queries, shown, state)
    has_booked = searches_after_booking(queries, shown, booked, had_booked)
    offers_now = after_booking(offers, has_booked[shown.search])
    steps = steps_of(probabilities(offers_now, taste), shown, dice, stops)
    return outcomes_of(steps, days, booked), offers_now
