"""The policy: a price for each contested night, and what candidates are worth at these prices.

Lists in the order of each guest's own value send all guests to the same few nights, and a night can
be sold once. A price takes from a candidate's value what its nights are worth to others:

    worth = P(booked | examined) · (1 − the sum of the prices of the stay's nights)

Each guest's list is then ordered by worth. The prices solve the dual of a linear program over all
pairs (:mod:`models.allocation.objective`), in as many unknowns as there are contested nights.

Legend: G guests, K candidates of a guest, M contested nights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from data.ranges import AT_LEAST_1, Range, refuse_outside
from models.allocation.listing_nights import ListingNights, Stays, contested_nights
from models.allocation.maximiser import best_prices
from models.allocation.night_prices import NightPrices
from models.allocation.objective import DualPoint, SmoothDual
from models.allocation.problem import AllocationProblem
from models.arrow_columns import Codes, Numbers

__all__ = ["Allocation", "AllocationConfig", "Certificate", "allocate", "worth_at"]


@dataclass(frozen=True, kw_only=True)
class AllocationConfig:
    """How scarce nights are, and how exactly the prices are sought.

    Attributes:
        capacity: most expected bookings of a night of a listing, which can be sold once.
        ridge: how far examination spreads over candidates of like worth: a guest takes some of
            two candidates where their worth differs by less than about this share of the guest's
            largest value.
        most_iterations: of the search for the prices.
        tolerance: the search ends at this gap between the bounds, relative to the upper one.
    """

    capacity: float = 0.7
    ridge: float = 0.05
    most_iterations: int = 200
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        finite = dict.fromkeys(("capacity", "ridge"), Range(above=0, below=np.inf))
        others = {"most_iterations": AT_LEAST_1, "tolerance": Range(at_least=0, below=1)}
        refuse_outside(self, {**finite, **others})


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """How good the prices are proven to be, over all guests.

    Attributes:
        dual: no plan within the capacity is worth more (expected bookings less the ridge).
        primal: what the plan at these prices is worth, brought within the capacity.
        bookings: expected bookings of that plan, without the ridge.
        most_bookings: no plan within the capacity has more.
        iterations: of the search for the prices.
    """

    dual: float
    primal: float
    bookings: float
    most_bookings: float
    iterations: int

    @property
    def gap(self) -> float:
        """(dual − primal) / dual; 0 where nothing is worth anything."""
        return (self.dual - self.primal) / self.dual if self.dual else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocation:
    """The prices, what they make of the candidates, and how good they are.

    Attributes:
        prices: of the contested nights whose price is above 0.
        worth_GK: value less the price of the stay; by it the guest's list is ordered. Below 0
            where a stay takes more from others than it brings: it stands last. 0 where there is no
            candidate.
        certificate: bounds of the solution.
    """

    prices: NightPrices
    worth_GK: Numbers
    certificate: Certificate


def allocate(
    problem: AllocationProblem, config: AllocationConfig, start: NightPrices | None = None
) -> Allocation:
    """Prices of the nights, and each candidate's worth at them.

    Two guests want the same night of listing 0, which has room for 0.7 bookings. The first would
    be nearly as well off with listing 1, the second would not with listing 2. At a price of 0.2 the
    first one's list begins with listing 1; the second one's stays as it was:

    >>> problem = AllocationProblem(
    ...     value_GK=np.array([[0.6, 0.5], [0.6, 0.2]]),
    ...     listing_GK=np.array([[0, 1], [0, 2]]),
    ...     first_night_G=np.array([3, 3]),
    ...     end_night_G=np.array([4, 4]),
    ...     examined_R=np.array([1.0]),
    ...     nights=30,
    ... )
    >>> allocation = allocate(problem, AllocationConfig(capacity=0.7, tolerance=1e-9))
    >>> prices = allocation.prices
    >>> prices.listing_M.tolist(), prices.night_M.tolist(), prices.price_M.round(4).tolist()
    ([0], [3], [0.2])
    >>> allocation.worth_GK.round(3).tolist()
    [[0.48, 0.5], [0.48, 0.2]]

    Args:
        problem: guests, candidates, nights.
        config: capacity, ridge, and when to stop.
        start: prices to start from, such as those of the day before; 0 where none is given.
    """
    contested = contested_nights(problem, config.capacity)
    stays = contested.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G)
    is_bound_G = (stays.end_GK > stays.begin_GK).any(axis=1)
    dual = _dual_of(problem, config, stays, np.flatnonzero(is_bound_G))
    # No price changes the lists of the others: they are worth the same at every step.
    others = _dual_of(problem, config, stays, np.flatnonzero(~is_bound_G))
    rest = _certificate(others, others.at(np.zeros(len(contested))))

    def is_close(point: DualPoint) -> bool:
        gap = point.value - dual.worth(dual.feasible(point))
        return gap <= config.tolerance * (point.value + rest.dual)

    point, iterations = best_prices(
        dual,
        _start_prices(contested, start),
        most_iterations=config.most_iterations,
        is_close=is_close,
    )
    prices = _night_prices(contested, point.price_M)
    return Allocation(
        prices=prices,
        worth_GK=worth_at(problem, prices),
        certificate=_certificate(dual, point, rest=rest, iterations=iterations),
    )


def worth_at(problem: AllocationProblem, prices: NightPrices) -> Numbers:
    """Value less the price of the stay of each candidate at known prices; shape (G, K)."""
    stay_prices_GK = prices.of_stays(problem.listing_GK, problem.first_night_G, problem.end_night_G)
    return np.asarray(problem.value_GK * (1 - stay_prices_GK))


_NOTHING = Certificate(dual=0.0, primal=0.0, bookings=0.0, most_bookings=0.0, iterations=0)


def _dual_of(
    problem: AllocationProblem, config: AllocationConfig, stays: Stays, guests: Codes
) -> SmoothDual:
    return SmoothDual(
        value_GK=problem.value_GK[guests],
        stays=stays.some(guests),
        examined_R=problem.examined_R,
        capacity=config.capacity,
        ridge=config.ridge,
    )


def _certificate(
    dual: SmoothDual, point: DualPoint, *, rest: Certificate = _NOTHING, iterations: int = 0
) -> Certificate:
    """Of the guests of ``dual`` and those of ``rest`` together."""
    plan_GK = dual.feasible(point)
    return Certificate(
        dual=rest.dual + point.value,
        primal=rest.primal + dual.worth(plan_GK),
        bookings=rest.bookings + dual.bookings(plan_GK),
        most_bookings=rest.most_bookings + dual.most_bookings(point.price_M),
        iterations=iterations,
    )


def _start_prices(contested: ListingNights, start: NightPrices | None) -> Numbers:
    """The known prices of the contested nights, 0 for the others; shape (M,)."""
    if start is None:
        return np.zeros(len(contested))
    nights = contested.listing_M[:, None], contested.night_M, contested.night_M + 1
    return np.clip(start.of_stays(*nights)[:, 0], 0.0, 1.0)


def _night_prices(contested: ListingNights, price_M: Numbers) -> NightPrices:
    is_priced = price_M > 0
    return NightPrices(
        listing_M=contested.listing_M[is_priced],
        night_M=contested.night_M[is_priced],
        price_M=price_M[is_priced],
    )
