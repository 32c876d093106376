"""How often the gate is right: do equal challengers pass its guardrails, are better ones promoted.

A repetition draws a test day anew: guests with replacement from the last days of a simulated
week, and what they do from the simulator's truth (examined × clicked × booked). Champion and
challenger are scores of known worth: the truth that a log can tell (observables) plus noise,
part of it the same for all rows of a listing, whose size is set by bisection so that the
champion reaches a given G, and the challenger's expected bookings (true P(book) × examination
over the first ten places) are equal to the champion's or 5% higher. Their noises are independent
(two models that have nothing in common, the hardest case), or correlated, as those of one
model trained twice. Figures and verdicts are made by `evaluate` and the gate's own functions.
Not drawn here are recall and latency, which the gate measures apart. SIMULATED data.

Run: python benchmarks/gate_power.py --repetitions 200
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import pyarrow as pa
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import binomtest

from data.schema.tables import BOOKED, CLICKED, CONTACTED, IMPRESSED
from data.simulator.choices import examination
from data.simulator.scenario import SimulationConfig
from data.simulator.tables import numbers_of
from data.simulator.week import simulate
from models.click_worth import ClickWorthConfig
from models.evaluation.arranged_rows import arrange_rows, ranks_arranged
from models.evaluation.arrays import Floats, Integers
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.scorecard import Scorecard
from pipelines.promotion.checks import CHALLENGER, CHAMPION, primary_check
from pipelines.promotion.decision import Check, GateDecision, decide
from pipelines.promotion.gate_config import GateConfig
from pipelines.promotion.guardrails import COMPARED, guardrails

K = 10
STAGES = ("click", "contact", "book")
# Of the noise: the part of its variance that all rows of a listing share.
BY_LISTING = 0.5
# Spread of a funnel's errors, on log scale.
FUNNEL_NOISE = 0.3
# The judge of clicks, as `models.click_worth` is on the default log, which has no places: spread
# of its errors in P(booked | clicked); P(looked at) to this power of the true one, and the spread
# of its errors there. All on log scale.
VALUE_NOISE = 0.4
LOOK_POWER = 0.25
LOOK_NOISE = 0.3
MOST_NOISE = 12.0
SMALL = {"searches": 6_000, "repetitions": 4, "replicates": 100}


@dataclass(frozen=True, kw_only=True)
class TestDay:
    """Guests' searches with what is true of them; rows are arranged by search.

    Attributes:
        rows: id_listing, market, listing_is_new; N rows.
        listing: code of each row's listing; shape (N,).
        starts, sizes: first row and number of rows of each search; shape (S,).
        guest: code of each search's guest; shape (S,).
        chances: stage → P(at least that stage | examined), the taste known; each (N,).
        known, known_click: P(book | examined), P(click | examined) given what the log tells;
            each of shape (N,).
        examined: P(examined | the place where the row was shown); shape (N,).
    """

    rows: pa.Table
    listing: Integers
    starts: Integers
    sizes: Integers
    guest: Integers
    chances: dict[str, Floats]
    known: Floats
    known_click: Floats
    examined: Floats

    @property
    def guests(self) -> int:
        return int(self.guest.max()) + 1


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is compared: the challenger's gain in expected bookings, the noises' correlation."""

    gain: float
    correlation: float

    def __str__(self) -> str:
        worth = f"{self.gain:+.0%} bookings" if self.gain else "equal"
        kind = f"correlated {self.correlation:g}" if self.correlation else "independent"
        return f"{worth}, {kind}"


def main() -> None:
    """Print both rates of every case, and which guardrails failed."""
    arguments = _arguments()
    cases = [
        Case(gain=gain, correlation=correlation)
        for correlation in (0.0, arguments.correlation)
        for gain in (0.0, arguments.gain)
    ]
    day = test_day(arguments.searches, arguments.seed, arguments.days)
    print(
        f"SIMULATED: seed {arguments.seed}, {arguments.searches:,} searches a week; the last "
        f"{arguments.days} day(s): {len(day.starts):,} searches of {day.guests:,} guests, "
        f"{day.chances['book'] @ day.examined:.0f} bookings expected\n"
    )
    work = partial(_decisions, arguments=arguments, cases=cases)
    with ProcessPoolExecutor(arguments.processes) as pool:
        repetitions = list(pool.map(work, range(arguments.repetitions)))
    print(f"{arguments.repetitions} repetitions, 95% intervals (Clopper-Pearson)")
    print("case                             all guardrails pass     promoted                 worse")
    for number, case in enumerate(cases):
        _print_case(case, [decisions[number] for decisions in repetitions])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=60_000, help="of the simulated week")
    parser.add_argument("--days", type=int, default=1, help="last days of the week that are pooled")
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--replicates", type=int, default=400, help="of the bootstrap")
    parser.add_argument("--gain", type=float, default=0.05, help="of the better challenger")
    parser.add_argument("--correlation", type=float, default=0.65, help="of the models' noises")
    parser.add_argument("--champion-g", type=float, default=0.7, help="G of the champion")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    return arguments


@cache
def test_day(searches: int, seed: int, days: int) -> TestDay:
    """The last days of a simulated week as one window."""
    config = SimulationConfig(searches=searches, seed=seed, with_position=True, threads=1)
    first = config.first_day + 7 - days
    chunks = [chunk for chunk in simulate(config) if chunk.day >= first]
    log = pa.concat_tables([chunk.log for chunk in chunks])
    truth = pa.concat_tables([chunk.truth for chunk in chunks])
    unlabelled = log.append_column("stage", pa.array(np.zeros(log.num_rows, dtype=np.int8)))
    arranged = arrange_rows(unlabelled)
    columns = {
        name: arranged.arrange(truth[f"p_{name}_taste"].to_numpy().clip(1e-12)) for name in STAGES
    }
    position = arranged.arrange(log["position"].to_numpy())
    rows = log.select(["id_listing", "listing_is_new"])
    return TestDay(
        rows=rows.append_column("market", log["query_market"]).take(pa.array(arranged.order)),
        listing=numbers_of(log["id_listing"])[arranged.order],
        starts=arranged.starts,
        sizes=arranged.sizes,
        guest=arranged.cluster,
        chances=columns,
        known=arranged.arrange(truth["p_book_observables"].to_numpy().clip(1e-12)),
        known_click=arranged.arrange(truth["p_click_observables"].to_numpy().clip(1e-12)),
        examined=examination(position),
    )


def _decisions(
    repetition: int, *, arguments: argparse.Namespace, cases: Sequence[Case]
) -> list[GateDecision]:
    """The gate's decision in every case, on one drawing of guests and outcomes."""
    day = test_day(arguments.searches, arguments.seed, arguments.days)
    rng = np.random.default_rng([arguments.seed, repetition])
    window = drawn_window(day, rng)
    noise = _noise(day, rng)
    worth = _worth_of_g(day, arguments.champion_g)
    champion = scores_of_worth(day, noise, worth)
    decisions = []
    for case in cases:
        other = _noise(day, rng)
        mixed = case.correlation * noise + np.sqrt(1 - case.correlation**2) * other
        challenger = scores_of_worth(day, mixed, worth * (1 + case.gain))
        card = _scorecard(day, window, {CHAMPION: champion, CHALLENGER: challenger}, arguments, rng)
        decisions.append(_decided(card))
    return decisions


def expected_bookings(day: TestDay, scores: Floats) -> float:
    """Σ P(book | examined) × P(examined | place) over the first ten places of this order."""
    ranks = ranks_arranged(day.starts, day.sizes, scores)
    top = ranks <= K
    seen = examination(np.arange(1, K + 1), has_sponsored=False)
    return float((day.chances["book"][top] * seen[ranks[top] - 1]).sum())


def _noise(day: TestDay, rng: np.random.Generator) -> Floats:
    """Standard normal errors, in part those of the listing."""
    listings = rng.normal(size=int(day.listing.max()) + 1)[day.listing]
    own = rng.normal(size=len(day.listing))
    return np.sqrt(BY_LISTING) * listings + np.sqrt(1 - BY_LISTING) * own


def _worth_of_g(day: TestDay, g: float) -> float:
    """Expected bookings of an order with this G, by the bookings instead of by DCG."""
    random = np.mean(
        [expected_bookings(day, np.random.default_rng(i).random(len(day.known))) for i in range(3)]
    )
    best = expected_bookings(day, day.known)
    return float(random + g * (best - random))


def scores_of_worth(day: TestDay, noise: Floats, worth: float) -> Floats:
    """What the log can tell, with as much of the noise as leaves these expected bookings.

    Raises ``ValueError`` where no size of the noise does.
    """
    told = np.log(day.known)
    size = brentq(
        lambda size: expected_bookings(day, told + size * noise) - worth,
        0.0,
        MOST_NOISE,
        xtol=1e-4,
    )
    return np.asarray(told + size * noise)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One drawing of guests and of what they do.

    Attributes:
        rows: as `evaluate` takes them.
        drawn: row of the test day behind each row.
    """

    rows: pa.Table
    drawn: Integers


def drawn_window(day: TestDay, rng: np.random.Generator) -> Window:
    """As many guests as there are, with replacement, with all their searches."""
    searches_of = np.argsort(day.guest, kind="stable")
    count = np.bincount(day.guest, minlength=day.guests)
    first = np.cumsum(count) - count
    guests = rng.integers(0, day.guests, day.guests)
    searches = searches_of[_ranges(first[guests], count[guests])]
    sizes = day.sizes[searches]
    drawn = _ranges(day.starts[searches], sizes)
    ids = {
        "id_search": np.repeat(np.arange(len(searches)), sizes),
        "id_user": np.repeat(np.repeat(np.arange(len(guests)), count[guests]), sizes),
    }
    rows = day.rows.take(pa.array(drawn))
    for name, numbers in ids.items():
        rows = rows.append_column(name, pa.array(numbers).cast(pa.string()))
    return Window(rows=rows.append_column("stage", pa.array(_stages(day, drawn, rng))), drawn=drawn)


def _ranges(first: Integers, count: Integers) -> Integers:
    """``first[i] .. first[i] + count[i] - 1`` one after the other."""
    ends = np.cumsum(count)
    return np.arange(ends[-1]) + np.repeat(first - (ends - count), count)


def _stages(day: TestDay, drawn: Integers, rng: np.random.Generator) -> Integers:
    """The furthest stage of each row; whoever books or writes has clicked."""
    dice, examined = rng.random(len(drawn)), day.examined[drawn]
    stage = np.full(len(drawn), IMPRESSED, dtype=np.int8)
    for reached, name in ((CLICKED, "click"), (CONTACTED, "contact"), (BOOKED, "book")):
        stage[dice < examined * day.chances[name][drawn]] = reached
    return stage


def _scorecard(
    day: TestDay,
    window: Window,
    scores: dict[str, Floats],
    arguments: argparse.Namespace,
    rng: np.random.Generator,
) -> Scorecard:
    """What the gate looks at, made as for a run."""
    gate = GateConfig()
    config = EvaluationConfig(
        ks=(K,),
        compared=tuple(dict.fromkeys((gate.primary, gate.fallback, *COMPARED))),
        replicates=arguments.replicates,
        threads=1,
        seed=int(rng.integers(2**31)),
    )
    drawn = {name: values[window.drawn] for name, values in scores.items()}
    probabilities = {name: _funnel(day, window, rng) for name in scores}
    return evaluate(
        window.rows,
        drawn,
        split="test",
        reference=CHAMPION,
        config=config,
        context=EvaluationInputs(probabilities=probabilities, worth=judged_worth(day, window, rng)),
    )


def judged_worth(day: TestDay, window: Window, rng: np.random.Generator) -> Floats:
    """The worth of each click as a judge would have it: near the truth, with errors by row.

    P(booked | clicked) and P(looked at) of the truth, each times an error; a share of the
    value is the outcome itself.
    """
    value, look = (
        np.exp(spread * rng.normal(size=len(day.known))) for spread in (VALUE_NOISE, LOOK_NOISE)
    )
    seen = np.clip(day.examined**LOOK_POWER * look, ClickWorthConfig().least_examination, 1.0)
    chance = (day.known / day.known_click * value)[window.drawn]
    stage, own = np.asarray(window.rows["stage"]), ClickWorthConfig().outcome_share
    leads_to = own * (stage >= BOOKED) + (1 - own) * chance
    return np.where(stage >= CLICKED, leads_to / seen[window.drawn], 0.0)


def _funnel(day: TestDay, window: Window, rng: np.random.Generator) -> dict[str, Floats]:
    """Probabilities that are right on average, each row with an error of its own."""
    error = np.exp(FUNNEL_NOISE * rng.normal(size=len(day.known)) - FUNNEL_NOISE**2 / 2)
    return {
        name: np.clip(chance * day.examined * error, 0, 1)[window.drawn]
        for name, chance in day.chances.items()
    }


def _decided(card: Scorecard) -> GateDecision:
    """The gate's own checks of a scorecard of both."""
    gate = GateConfig()
    against = "the champion"
    return decide(
        primary_check(card.scores, gate, against=against),
        guardrails(card.scores, None, gate, against=against),
        against=against,
        otherwise="the champion stays",
    )


def _print_case(case: Case, decisions: Sequence[GateDecision]) -> None:
    failed = [
        [check.name for check in decision.guardrails if check.is_passed is False]
        for decision in decisions
    ]
    worse = sum(d.primary.high is not None and d.primary.high < 0 for d in decisions)
    rates = (
        _rate(sum(not names for names in failed), len(decisions)),
        _rate(sum(d.is_promoted for d in decisions), len(decisions)),
        _rate(worse, len(decisions)),
    )
    print(f"{case!s:30}  " + "  ".join(f"{rate:22}" for rate in rates))
    errors = [
        (d.primary.difference or 0.0) / _standard_error(d.primary)
        for d in decisions
        if d.has_evidence
    ]
    if len(errors) > 1:
        print(
            f"{'':30}  difference in standard errors: mean {np.mean(errors):.2f}, "
            f"spread {np.std(errors, ddof=1):.2f}"
        )
    undecided = sum(not d.has_evidence for d in decisions)
    if undecided:
        print(f"{'':30}  too little to decide: {undecided}")
    for name, count in Counter(name for names in failed for name in names).most_common():
        print(f"{'':30}  failed {count} times: {name}")


def _standard_error(check: Check) -> float:
    """Of the primary difference, from the width of its interval."""
    width = (check.high or 0.0) - (check.low or 0.0)
    return width / 2 / float(ndtri(1 - GateConfig().promotion_error))


def _rate(count: int, of: int) -> str:
    ends = binomtest(count, of).proportion_ci()
    return f"{count / of:6.1%} ({ends.low:.1%} to {ends.high:.1%})"


if __name__ == "__main__":
    main()
