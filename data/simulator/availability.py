"""Which nights of which listing are free: one guest per listing-night."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from data.simulator.draws import Array, Draw, generator
from data.simulator.listings import Catalogue
from data.simulator.parameters import load_world
from data.simulator.prices import HORIZON_DAYS
from data.simulator.scenario import SimulationConfig

__all__ = ["Calendar"]


class Calendar:
    """Nights taken before the log began, and those that its own guests book.

    A booking blocks its nights for all other bookings from the moment it is decided. The
    results stop offering them on the day after its ``ds_book``: dates have no time of day,
    so that is the first day on which the booking is surely known.
    """

    def __init__(self, config: SimulationConfig, catalogue: Catalogue) -> None:
        self.first_day = config.first_day
        # busy_before[l, d]: nights of listing l taken before day d of the horizon. With nights
        # 3 and 4 taken it reads 0 0 0 0 1 2 2: a stay from day 1 to 3 is free (0 - 0), one
        # from day 2 to 4 is not (1 - 0). So any stay is checked with two look-ups.
        self.busy_before = _drawn_before_the_log(config, catalogue)
        self.new_bookings = np.zeros(len(catalogue), dtype=np.int32)
        self._taken: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
        self._waiting: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)

    def is_shown_free(self, listing: Array, checkin: Array, nights: Array) -> Array:
        """Whether the results still offer these stays (days since 1970)."""
        start = checkin - self.first_day
        free: Array = self.busy_before[listing, start + nights] == self.busy_before[listing, start]
        return free

    def try_to_book(self, listing: int, stay: tuple[int, int], book_day: int) -> bool:
        """Reserve ``stay`` (check-in and check-out day) unless a night of it is taken."""
        start, end = stay[0] - self.first_day, stay[1] - self.first_day
        if self.busy_before[listing, end] != self.busy_before[listing, start]:
            return False
        if any(start < other_end and other < end for other, other_end in self._taken[listing]):
            return False
        self._taken[listing].append((start, end))
        self._waiting[book_day].append((listing, start, end))
        return True

    def start_day(self, day: int) -> None:
        """Take the bookings made before ``day`` out of the results."""
        for book_day in sorted(d for d in self._waiting if d < day):
            for listing, start, end in self._waiting.pop(book_day):
                self._block(listing, start, end)
                self.new_bookings[listing] += 1

    def take(self, listing: int, stay: tuple[int, int]) -> None:
        """Take ``stay`` (check-in and check-out day) out of the results now."""
        self._block(listing, stay[0] - self.first_day, stay[1] - self.first_day)

    def _block(self, listing: int, start: int, end: int) -> None:
        # nights 3 and 4: 0 0 0 0 1 2 2, added to the counts of nights before each day
        ramp = np.clip(np.arange(HORIZON_DAYS + 1) - start, 0, end - start)
        self.busy_before[listing] += ramp.astype(np.int16)


def _drawn_before_the_log(config: SimulationConfig, catalogue: Catalogue) -> Array:
    """A two-state chain per listing: blocks of nights, rarer the further ahead.

    The chain's stationary share on a day is the listing's occupancy, halved with every
    half-life of lead time, since far nights have not been booked yet.
    """
    settings = load_world().catalogue
    rng = generator(config.seed, Draw.CALENDAR)
    leave = 1 / settings.calendar_mean_block_nights
    busy = np.zeros((len(catalogue), HORIZON_DAYS + 1), dtype=np.int16)
    state = np.zeros(len(catalogue), dtype=bool)
    for day in range(HORIZON_DAYS):
        share = catalogue.occupancy * 0.5 ** (day / settings.calendar_lead_half_life_days)
        enter = leave * share / (1 - share)
        draw = rng.random(len(catalogue))
        state = np.where(state, draw >= leave, draw < (share if day == 0 else enter))
        busy[:, day + 1] = busy[:, day] + state
    return busy
