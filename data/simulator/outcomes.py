"""Outcomes: the furthest action on each impression, and the days on which it happened."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from data.schema.tables import BOOKED, CLICKED, CONTACTED, IMPRESSED
from data.simulator.availability import Calendar
from data.simulator.choices import Probabilities, examination
from data.simulator.draws import Array
from data.simulator.parameters import load_world
from data.simulator.results import Shown
from data.simulator.searches import Queries

__all__ = [
    "Days",
    "Dice",
    "Outcomes",
    "Steps",
    "book_in_order_of_time",
    "draw_days",
    "outcomes_of",
    "searches_after_booking",
    "steps_of",
    "throw_dice",
]

NO_DAY = -1


@dataclass(frozen=True, kw_only=True)
class Outcomes:
    """One entry per impression; days since 1970, -1 where it did not happen."""

    stage: Array
    contact_day: Array
    book_day: Array


@dataclass(frozen=True, kw_only=True)
class Dice:
    """Uniform numbers of a chunk, one per impression and step, thrown before any choice."""

    click: Array
    direct: Array
    contact: Array
    accept: Array
    complete: Array
    stop: Array | None


def throw_dice(rows: int, rng: np.random.Generator, *, with_stop: bool) -> Dice:
    """Dice for ``rows`` impressions; ``with_stop``: also on whether a click ends the search."""
    click, direct, contact, accept, complete = rng.random((5, rows), dtype=np.float32)
    return Dice(
        click=click,
        direct=direct,
        contact=contact,
        accept=accept,
        complete=complete,
        stop=rng.random(rows, dtype=np.float32) if with_stop else None,
    )


@dataclass(frozen=True, kw_only=True)
class Steps:
    """How far each impression gets, before anybody else's booking stands in the way."""

    clicked: Array
    direct: Array
    contacted: Array
    completed: Array


def steps_of(
    chances: Probabilities, shown: Shown, dice: Dice, stop_after_click: float | None = None
) -> Steps:
    """The dice against the chances; the same dice may be held against other chances.

    ``stop_after_click``: P(looks no further | clicked) of guests who look from the top and
    stop at the first place where they contact a host or book; ``None``: nobody stops.
    """
    clicked = dice.click < examination(shown.position) * chances.click
    direct = clicked & (dice.direct < chances.direct_given_click)
    contacted = clicked & ~direct & (dice.contact < chances.contact_given_click)
    agreed = contacted & (dice.accept < chances.accept_given_contact)
    completed = agreed & (dice.complete < chances.complete_given_accept)
    steps = Steps(clicked=clicked, direct=direct, contacted=contacted, completed=completed)
    if stop_after_click is None or dice.stop is None:
        return steps
    has_found = direct | contacted | (clicked & (dice.stop < stop_after_click))
    return _until_found(steps, shown, has_found)


def _until_found(steps: Steps, shown: Shown, has_found: Array) -> Steps:
    """The steps down to each search's first place at which the guest ``has_found``.

    Places 1 to 4, clicked, contacted, not clicked, clicked: the click on the fourth is undone.
    """
    last = np.full(int(shown.search.max(initial=-1)) + 1, np.iinfo(np.int32).max)
    np.minimum.at(last, shown.search[has_found], shown.position[has_found])
    looks = shown.position <= last[shown.search]
    return Steps(**{field.name: getattr(steps, field.name) & looks for field in fields(Steps)})


@dataclass(frozen=True, kw_only=True)
class Days:
    """Days since 1970 on which each impression's contact and booking would happen."""

    contact: Array
    book: Array


def book_in_order_of_time(
    steps: Steps,
    days: Days,
    queries: Queries,
    shown: Shown,
    state: tuple[Calendar, Array],
) -> Array:
    """Which impressions are booked. ``state``, the calendar and per guest whether it has
    booked, is updated: a guest books once, and nobody a night that is taken."""
    calendar, has_booked = state
    booked = np.zeros(len(shown.search), dtype=bool)
    for row in np.flatnonzero(steps.direct | steps.completed).tolist():
        search = shown.search[row]
        guest = queries.guest[search]
        checkin = int(queries.checkin[search])
        stay = (checkin, checkin + int(queries.nights[search]))
        if has_booked[guest]:
            continue
        if calendar.try_to_book(int(shown.listing[row]), stay, int(days.book[row])):
            has_booked[guest] = booked[row] = True
    return booked


def searches_after_booking(
    queries: Queries, shown: Shown, booked: Array, had_booked: Array
) -> Array:
    """Per search of the chunk: whether its guest had booked before it began.

    ``had_booked``: the same at the start of the chunk.
    """
    first = np.full(int(queries.guest.max()) + 1, len(queries))
    rows = np.flatnonzero(booked)
    np.minimum.at(first, queries.guest[shown.search[rows]], shown.search[rows])
    return had_booked | (np.arange(len(queries)) > first[queries.guest])


def outcomes_of(steps: Steps, days: Days, booked: Array) -> Outcomes:
    """Stage and days; what could not be booked stays a contact or a click."""
    contacted = steps.contacted
    stage = np.where(steps.clicked, CLICKED, IMPRESSED)
    stage = np.where(contacted, CONTACTED, stage)
    return Outcomes(
        stage=np.where(booked, BOOKED, stage).astype(np.int8),
        contact_day=np.where(contacted, days.contact, NO_DAY),
        book_day=np.where(booked, days.book, NO_DAY),
    )


def draw_days(queries: Queries, shown: Shown, direct: Array, rng: np.random.Generator) -> Days:
    """Days of contact and booking: some after the search, never after check-in."""
    settings, rows = load_world().choice, len(shown.search)
    day, checkin = queries.day[shown.search], queries.checkin[shown.search]
    contact = np.minimum(day + _delay(settings.contact_delay_shares, rows, rng), checkin)
    after_contact = contact + _delay(settings.book_delay_shares, rows, rng)
    at_once = day + _delay(settings.direct_delay_shares, rows, rng)
    return Days(contact=contact, book=np.minimum(np.where(direct, at_once, after_contact), checkin))


def _delay(shares: tuple[float, ...], size: int, rng: np.random.Generator) -> Array:
    edges = np.cumsum(shares) / np.sum(shares)
    return np.searchsorted(edges[:-1], rng.random(size), side="right")
