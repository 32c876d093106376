"""Which offline estimate can be trusted: bias, coverage, and how often it picks the winner.

    python benchmarks/counterfactual.py --searches 60000 --parts 12

A simulated week is cut into parts by guest; each part is a log of its own. In every part
each model's clicks in the first 10 places are estimated from the searches in random order
(IPS, SNIPS, doubly robust, position model), and compared with the truth: P(examined |
place) · P(click | examined). For pairs of models it is counted how often an estimate, the
logged NDCG or team-draft interleaving names the truly better one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.simulator import SimulationConfig, simulate
from data.simulator.choices import examination
from models.evaluation.arranged_rows import ArrangedRows, arrange_rows
from models.evaluation.arrays import Floats, Integers
from models.evaluation.metrics import ndcg
from models.evaluation.off_policy.counterfactual import (
    METHODS,
    CounterfactualConfig,
    policy_values,
    random_slice,
)
from models.evaluation.off_policy.interleaving import InterleavingConfig, interleave
from models.evaluation.ranking_metrics import hits_of
from models.evaluation.significance import Interval

K = 10
LABELS = pa.array(["impressed", "clicked", "contact host", "booked"])
LOGGED = ("id_search", "id_user", "id_listing", "position", "is_random_order", "propensity")
# noise on the log of the true chance: the more, the worse the model
NOISE = {"sharp": 0.3, "close": 0.4, "blunt": 0.9}
SHOWN = "shown"
SMALL = {"searches": 4_000, "parts": 2}


@dataclass(frozen=True, kw_only=True)
class World:
    """A simulated week and, row by row, its true probabilities and the models' scores."""

    rows: pa.Table
    click: Floats
    book: Floats
    scores: dict[str, Floats]
    part: Integers


@dataclass(frozen=True, kw_only=True)
class PartFigures:
    """What one part estimates.

    ``values``: by method and model, with its interval. ``gaps``: by method and pair of models,
    the first's estimate minus the second's (of interleaving its share of wins, minus 1/2).
    """

    values: dict[tuple[str, str], Interval]
    gaps: dict[str, dict[tuple[str, str], float]]
    random_searches: int


def simulated(searches: int, parts: int, seed: int) -> World:
    """The week, cut into parts by guest. ``shown`` scores by the logged place."""
    logs, click, book, observed = [], [], [], []
    for chunk in simulate(SimulationConfig(searches=searches, seed=seed, with_position=True)):
        stage = pc.index_in(chunk.log["label"], LABELS).cast(pa.int8())
        logs.append(chunk.log.select(LOGGED).append_column("stage", stage))
        click.append(np.asarray(chunk.truth["p_click_taste"]))
        book.append(np.asarray(chunk.truth["p_book_taste"]))
        observed.append(np.asarray(chunk.truth["p_click_observables"]))
    rows = pa.concat_tables(logs).combine_chunks()
    rng = np.random.default_rng(seed)
    known = np.log(np.concatenate(observed) + 1e-6)
    scores = {name: known + sd * rng.normal(size=len(known)) for name, sd in NOISE.items()}
    scores[SHOWN] = -np.asarray(rows["position"]).astype(np.float64)
    guests = rows["id_user"].combine_chunks().dictionary_encode().indices
    return World(
        rows=rows,
        click=np.concatenate(click),
        book=np.concatenate(book),
        scores=scores,
        part=np.asarray(guests, dtype=np.int64) % parts,
    )


def true_value(arranged: ArrangedRows, ranks: Integers, chance: Floats) -> float:
    """Expected outcomes per search from the first K places of an order."""
    seen = np.where(ranks <= K, examination(ranks), 0.0)
    return float((seen * arranged.arrange(chance)).sum() / arranged.searches)


def logged_ndcg(arranged: ArrangedRows, ranks: Integers, stage: int) -> float:
    """Mean NDCG@K of what the log's guests did, whatever order they saw."""
    return float(np.nanmean(ndcg(hits_of(arranged, arranged.reached(stage), ranks), K)))


def part_figures(world: World, number: int, rng: np.random.Generator) -> PartFigures:
    """Every model's value by every method, and every pair's comparison, from one part."""
    inside = np.flatnonzero(world.part == number)
    rows = world.rows.take(pa.array(inside))
    scores = {name: values[inside] for name, values in world.scores.items()}
    config = CounterfactualConfig(stage=1, k=K, replicates=300, seed=number)
    # the logged place is random in the random slice: ``shown`` has no order there
    offered = {name: scores[name] for name in NOISE}
    random = random_slice(rows)
    estimates = policy_values(random, offered, reference="sharp", config=config)
    values = {(value.method, value.model): value.value for value in estimates}
    arranged = arrange_rows(rows)
    ranks = {name: arranged.ranks(of_model, model=name) for name, of_model in scores.items()}
    at_random = {
        name: random.arranged.ranks(scores[name][random.chosen], model=name) for name in offered
    }
    by_method: dict[str, dict[str, float]] = {
        **{method: {m: values[method, m].value for m in offered} for method in METHODS},
        "click ndcg, random": {m: logged_ndcg(random.arranged, r, 1) for m, r in at_random.items()},
        "click ndcg, all": {m: logged_ndcg(arranged, order, 1) for m, order in ranks.items()},
        "booking ndcg, all": {m: logged_ndcg(arranged, order, 3) for m, order in ranks.items()},
    }
    gaps = {
        name: {(a, b): of_model[a] - of_model[b] for a, b in combinations(of_model, 2)}
        for name, of_model in by_method.items()
    }
    chance = arranged.arrange(world.click[inside])
    gaps["interleaving"] = {
        (a, b): _interleaved(arranged, (ranks[a], ranks[b]), chance, rng)
        for a, b in combinations(ranks, 2)
    }
    return PartFigures(values=values, gaps=gaps, random_searches=random.arranged.searches)


def _interleaved(
    arranged: ArrangedRows,
    ranks: tuple[Integers, Integers],
    click: Floats,
    rng: np.random.Generator,
) -> float:
    seen = examination(np.arange(1, K + 1))

    def clicks(page: Integers) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return rng.random(page.shape) < seen * np.where(page >= 0, click[page], 0.0)

    settings = InterleavingConfig(k=K, replicates=1)
    return interleave(arranged, ranks, clicks, rng=rng, config=settings).share.value


def print_bias(figures: list[PartFigures], truth: Mapping[str, float]) -> None:
    """Per method: bias and spread as shares of the truth, coverage of the 95% interval."""
    print(f"\n{'method':<8}{'model':<8}{'truth':>8}{'bias':>9}{'spread':>9}{'coverage':>10}")
    for method in METHODS:
        for model in NOISE:
            estimates = [f.values[method, model] for f in figures]
            errors = np.array([v.value for v in estimates]) / truth[model] - 1
            covered = np.mean([v.low <= truth[model] <= v.high for v in estimates])
            print(
                f"{method:<8}{model:<8}{truth[model]:>8.4f}{errors.mean():>+9.1%}"
                f"{errors.std(ddof=1):>9.1%}{covered:>10.0%}"
            )


def print_verdicts(
    figures: list[PartFigures], clicks: Mapping[str, float], bookings: Mapping[str, float]
) -> None:
    """Per pair and method: the share of parts in which the truly better model is named."""
    pairs = list(combinations(clicks, 2))
    names = list(dict.fromkeys(m for f in figures for m in f.gaps))
    print(f"\n{'named the better one':<18}" + "".join(f"{a + ' / ' + b:>16}" for a, b in pairs))
    for label, truth in (("true click gap", clicks), ("true booking gap", bookings)):
        gaps = [truth[a] / truth[b] - 1 for a, b in pairs]
        print(f"{label:<20}" + "".join(f"{gap:>+16.1%}" for gap in gaps))
    for name in names:
        truth = bookings if name.startswith("booking") else clicks
        cells = []
        for a, b in pairs:
            estimates = [f.gaps[name].get((a, b)) for f in figures]
            right = [np.sign(g) == np.sign(truth[a] - truth[b]) for g in estimates if g is not None]
            cells.append(f"{np.mean(right):>16.0%}" if right else f"{'—':>16}")
        print(f"{name:<20}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    arguments = parser.parse_args()
    if arguments.small:
        vars(arguments).update(SMALL)
    world = simulated(arguments.searches, arguments.parts, arguments.seed)
    arranged = arrange_rows(world.rows)
    ranks = {name: arranged.ranks(s, model=name) for name, s in world.scores.items()}
    clicks = {name: true_value(arranged, order, world.click) for name, order in ranks.items()}
    bookings = {name: true_value(arranged, order, world.book) for name, order in ranks.items()}
    rng = np.random.default_rng(arguments.seed)
    figures = [part_figures(world, number, rng) for number in range(arguments.parts)]
    print("SIMULATED guests")
    print(
        f"{arranged.searches:,} searches in {arguments.parts} parts; in random order per part: "
        f"{np.mean([f.random_searches for f in figures]):.0f}"
    )
    print_bias(figures, clicks)
    print_verdicts(figures, clicks, bookings)


if __name__ == "__main__":
    main()
