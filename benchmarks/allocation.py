"""How long lists for all guests together take, how near the best plan they are, beside two rivals.

    python benchmarks/allocation.py --guests 1900 3800 7600

Random guests with the candidates of two markets; stays of 2 to 28 nights, many of them in one
week. Per size: the prices from nothing, and those of the next day from nothing and from these. On
the last size, accelerated gradient ascent, as DuaLip has it, for the same gap. A small case is
solved exactly as well, by HiGHS as a linear program over (guest, candidate, place).
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.optimize import linprog
from scipy.sparse import csr_matrix, kron, vstack
from scipy.sparse import eye as identity

from models.allocation import AllocationConfig, AllocationProblem, NightPrices, allocate
from models.allocation.listing_nights import contested_nights
from models.allocation.maximiser import best_prices
from models.allocation.objective import DualPoint, SmoothDual

Array = np.ndarray[Any, np.dtype[Any]]

MARKETS, ELIGIBLE, PLACES, EXAMINED = 2, 1_250, 10, 0.85
# Of the log-odds of a booking: the middle, what all guests like, what one guest likes.
MEAN, COMMON, OWN = -6.6, 1.0, 0.7
LEAD_DAYS, DATELESS, PEAK_SHARE, PEAK_DAY = 35, 0.15, 0.15, 40
# What a day changes in a guest's values, as a factor's logarithm.
DAILY_CHANGE = 0.1
SMALL = {"guests": [600, 1_200], "candidates": 40, "listings": 600, "exact_guests": 150}


def random_problem(
    guests: int, candidates: int, listings: int, nights: int, rng: np.random.Generator
) -> AllocationProblem:
    """Each guest's best candidates among those that the search allows."""
    appeal = COMMON * rng.normal(size=listings)
    size = listings // MARKETS
    value_GK = np.zeros((guests, candidates))
    listing_GK = np.zeros((guests, candidates), dtype=np.int64)
    for guest in range(guests):
        allowed = rng.choice(size, min(ELIGIBLE, size), replace=False)
        allowed += rng.integers(MARKETS) * size
        log_odds = MEAN + appeal[allowed] + OWN * rng.normal(size=len(allowed))
        value = rng.beta(4, 1, len(allowed)) / (1 + np.exp(-log_odds))
        best = np.argsort(-value)[:candidates]
        value_GK[guest], listing_GK[guest] = value[best], allowed[best]
    first = rng.exponential(LEAD_DAYS, guests).astype(np.int64)
    in_peak = rng.random(guests) < PEAK_SHARE
    first[in_peak] = PEAK_DAY + rng.integers(0, 7, in_peak.sum())
    first = np.minimum(first, nights - 1)
    length = np.clip(1 + rng.geometric(0.3, guests), 2, 28)
    length[rng.random(guests) < DATELESS] = 0
    return AllocationProblem(
        value_GK=value_GK,
        listing_GK=listing_GK,
        first_night_G=first,
        end_night_G=first + length,
        examined_R=EXAMINED ** np.arange(PLACES),
        nights=nights,
    )


def next_day(problem: AllocationProblem, rng: np.random.Generator) -> AllocationProblem:
    """The same guests, a day nearer to their stay, with values that changed a little."""
    factor = np.exp(DAILY_CHANGE * rng.normal(size=problem.value_GK.shape))
    return replace(
        problem,
        value_GK=np.minimum(problem.value_GK * factor, 1.0),
        first_night_G=problem.first_night_G - 1,
        end_night_G=problem.end_night_G - 1,
    )


def timed(label: str, work: Callable[[], Any]) -> Any:
    """Print wall seconds, and processor seconds, which a busy machine does not stretch."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"  {label:<34} {wall:7.2f} s wall {cpu:7.2f} s cpu", end="", flush=True)
    return result


def measure(problem: AllocationProblem, config: AllocationConfig, seed: int) -> None:
    """The prices from nothing, and those of the next day from these and from nothing."""
    contested = len(contested_nights(problem, config.capacity))
    print(f"{len(problem.value_GK):,} guests, {contested:,} contested nights")
    first = timed("from nothing", lambda: allocate(problem, config))
    print_certificate(first)
    own, priced = most_wanted(problem, problem.value_GK), most_wanted(problem, first.worth_GK)
    print(f"  expected bookings of the most wanted night: {own:.2f} by own value, ", end="")
    print(f"{priced:.2f} by worth, capacity {config.capacity}")
    ids = pa.array(np.arange(problem.listing_GK.max() + 1).astype(str))
    later = next_day(problem, np.random.default_rng(seed))
    known = NightPrices.from_table(first.prices.to_table(ids), ids, days_later=1)
    print_certificate(timed("next day, from nothing", lambda: allocate(later, config)))
    print_certificate(timed("next day, from these prices", lambda: allocate(later, config, known)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"  peak of the process so far {peak:,.0f} MiB")


def print_certificate(allocation: Any) -> None:
    """What was needed and what is proven."""
    bounds = allocation.certificate
    short = 1 - bounds.bookings / bounds.most_bookings
    print(
        f"  {bounds.iterations:4} iterations, {len(allocation.prices):6,} prices,"
        f" gap {bounds.gap:.1e}, bookings {bounds.bookings:.1f}, at most {short:.1e} below the best"
    )


def most_wanted(problem: AllocationProblem, worth_GK: Array) -> float:
    """Largest expected bookings of a night when each list is in the order of worth."""
    order = np.argsort(-worth_GK, axis=1, kind="stable")[:, : len(problem.examined_R)]
    examination_GK = np.zeros(worth_GK.shape)
    np.put_along_axis(examination_GK, order, problem.examined_R[: order.shape[1]][None, :], axis=1)
    nights = contested_nights(problem, 1e-6)
    stays = nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G)
    return float(stays.totals(problem.value_GK * examination_GK).max())


def race_maximisers(problem: AllocationProblem, config: AllocationConfig) -> None:
    """Passes over all pairs until the gap is closed, or the bound on them is met."""
    nights = contested_nights(problem, config.capacity)
    dual = SmoothDual(
        value_GK=problem.value_GK,
        stays=nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G),
        examined_R=problem.examined_R,
        capacity=config.capacity,
        ridge=config.ridge,
    )

    def gap(point: DualPoint) -> float:
        return 1 - dual.worth(dual.feasible(point)) / point.value

    def is_close(point: DualPoint) -> bool:
        return gap(point) <= config.tolerance

    most, start_M = config.most_iterations, np.zeros(len(nights))
    print("maximisers, all guests in every pass")
    for label, work in {
        "L-BFGS-B": lambda: best_prices(dual, start_M, most_iterations=most, is_close=is_close),
        "accelerated gradient": lambda: accelerated_gradient(dual, start_M, most, is_close),
    }.items():
        point, iterations = timed(label, work)
        print(f"  {iterations:4} iterations, gap {gap(point):.1e}")


def accelerated_gradient(
    dual: SmoothDual,
    start_M: Array,
    most_iterations: int,
    is_close: Callable[[DualPoint], bool],
) -> tuple[DualPoint, int]:
    """Nesterov's, restarted where it turns, with the largest safe step of each night.

    The curvature of night n is at most Σ q²/(ridge s) times the contested nights of the stay, over
    the stays that hold n.
    """
    length_GK = dual.stays.end_GK - dual.stays.begin_GK
    largest_G1 = dual.value_GK.max(axis=1, keepdims=True)
    step_M = dual.ridge / dual.stays.totals(dual.value_GK**2 / largest_G1 * length_GK)
    price_M = ahead_M = start_M
    speed = 1.0
    for iteration in range(1, most_iterations + 1):
        point = dual.at(ahead_M)
        if is_close(point):
            return point, iteration - 1
        new_M = np.clip(ahead_M - step_M * point.gradient_M, 0.0, 1.0)
        if point.gradient_M @ (new_M - price_M) > 0:
            speed = 1.0
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead_M = np.clip(new_M + (speed - 1) / faster * (new_M - price_M), 0.0, 1.0)
        price_M, speed = new_M, faster
    return dual.at(price_M), most_iterations


def race_exact(problem: AllocationProblem, config: AllocationConfig) -> None:
    """HiGHS and the prices on one small case."""
    guests, candidates = problem.value_GK.shape
    nights = contested_nights(problem, config.capacity)
    print(f"HiGHS, {guests} guests x {candidates} candidates, {len(nights)} contested nights")
    exact = timed("linear program", lambda: exact_bookings(problem, config.capacity))
    print(f"  bookings {exact:.4f}")
    found = timed("prices", lambda: allocate(problem, config))
    print_certificate(found)
    bookings = found.certificate.bookings
    print(f"  the plan has {1 - bookings / exact:.2e} fewer bookings than the linear program's")


def exact_bookings(problem: AllocationProblem, capacity: float) -> float:
    """Most expected bookings of a plan, by the chances z of each candidate at each place.

    A candidate has one place at most, a place one candidate; z[guest, candidate, place].
    """
    guests, candidates = problem.value_GK.shape
    examined = problem.examined_R
    places, pairs = len(examined), guests * candidates
    nights = contested_nights(problem, capacity)
    stays = nights.stays(problem.listing_GK, problem.first_night_G, problem.end_night_G)
    begin, length = stays.begin_GK.ravel(), (stays.end_GK - stays.begin_GK).ravel()
    held = np.repeat(np.arange(pairs), length)
    within = np.arange(len(held)) - np.repeat(np.cumsum(length) - length, length)
    value = problem.value_GK.ravel()
    of_night = csr_matrix((value[held], (begin[held] + within, held)), (len(nights), pairs))
    limits = vstack(
        [
            kron(of_night, examined[None, :]),
            kron(identity(pairs), np.ones((1, places))),
            kron(identity(guests), kron(np.ones((1, candidates)), identity(places))),
        ]
    )
    most = np.concatenate([np.full(len(nights), capacity), np.ones(pairs + guests * places)])
    gain = np.kron(value, examined)
    found = linprog(-gain, A_ub=limits.tocsr(), b_ub=most, bounds=(0, None), method="highs")
    if found.status:
        raise RuntimeError(f"HiGHS: {found.message}")
    return float(-found.fun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--guests", type=int, nargs="+", default=[1_900, 3_800, 7_600])
    parser.add_argument("--candidates", type=int, default=100)
    parser.add_argument("--listings", type=int, default=12_000)
    parser.add_argument("--nights", type=int, default=250)
    parser.add_argument("--exact-guests", type=int, default=300, help="of the case for HiGHS")
    parser.add_argument("--capacity", type=float, default=AllocationConfig.capacity)
    parser.add_argument("--ridge", type=float, default=AllocationConfig.ridge)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    options = parser.parse_args()
    if options.small:
        vars(options).update(SMALL)
    config = AllocationConfig(capacity=options.capacity, ridge=options.ridge)
    print(f"{options.candidates} candidates, {options.listings:,} listings, ", end="")
    print(f"{options.nights} nights")
    for guests in options.guests:
        rng = np.random.default_rng(options.seed)
        sizes = (options.candidates, options.listings, options.nights)
        problem = random_problem(guests, *sizes, rng)
        measure(problem, config, options.seed)
    race_maximisers(problem, config)
    few = random_problem(options.exact_guests, 20, 40, 60, np.random.default_rng(options.seed))
    crowded = replace(few, value_GK=np.minimum(10 * few.value_GK, 0.3))
    race_exact(crowded, config)


if __name__ == "__main__":
    main()
