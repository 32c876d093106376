"""Which offline estimate can be believed: bias, coverage, and how often it picks the winner.

    python benchmarks/counterfactual.py --searches 60000 --parts 12

A simulated week is cut into parts by guest; each part is a log of its own. In every part
each model's clicks in the first 10 places are estimated from the searches in random order
(IPS, SNIPS, doubly robust, position model), and held against the truth: P(examined |
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
from models.evaluation.arranged_rows import ArrangedRows, judge
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

K = 10
LABELS = pa.array(["impressed", "clicked", "contact host", "booked"])
LOGGED = ("id_search", "id_user", "id_listing", "position", "is_random_order", "propensity")
# noise on the log of the true chance: the more, the worse the model
NOISE = {"sharp": 0.3, "close": 0.4, "blunt": 0.9}
SHOWN = "shown"
SMALL = {"searches": 4_000, "parts": 2}


@dataclass(frozen=True, kw_only=True)
class World:
    """A simulated week and, row by row, its true chances and the models' scores."""

    rows: pa.Table
    click: Floats
    book: Floats
    scores: dict[str, Floats]
    part: Integers


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


def true_value(judged: ArrangedRows, ranks: Integers, chance: Floats) -> float:
    """Expected outcomes per search from the first K places of an order."""
    seen = np.where(ranks <= K, examination(ranks), 0.0)
    return float((seen * judged.arrange(chance)).sum() / judged.searches)


def logged_ndcg(judged: ArrangedRows, ranks: Integers, stage: int) -> float:
    """Mean NDCG@K of what the log's guests did, whatever order they saw."""
    return float(np.nanmean(ndcg(hits_of(judged, judged.reached(stage), ranks), K)))


def part_figures(world: World, number: int, rng: np.random.Generator) -> dict[str, Any]:
    """Everything estimated from one part: ``values`` with intervals, and ``verdicts``."""
    inside = np.flatnonzero(world.part == number)
    rows = world.rows.take(pa.array(inside))
    scores = {name: values[inside] for name, values in world.scores.items()}
    config = CounterfactualConfig(stage=1, k=K, replicates=300, seed=number)
    # the logged place is random in the random slice: ``shown`` has no order there
    offered = {name: scores[name] for name in NOISE}
    random = random_slice(rows)
    found = policy_values(random, offered, reference="sharp", config=config)
    values = {(value.method, value.model): value.value for value in found}
    judged = judge(rows)
    ranks = {name: judged.ranks(values, model=name) for name, values in scores.items()}
    at_random = {
        name: random.judged.ranks(scores[name][random.chosen], model=name) for name in offered
    }
    gaps: dict[str, dict[str, float]] = {
        **{method: {m: values[method, m].value for m in offered} for method in METHODS},
        "click ndcg, random": {m: logged_ndcg(random.judged, r, 1) for m, r in at_random.items()},
        "click ndcg, all": {m: logged_ndcg(judged, order, 1) for m, order in ranks.items()},
        "booking ndcg, all": {m: logged_ndcg(judged, order, 3) for m, order in ranks.items()},
    }
    verdicts = {
        name: {(a, b): found[a] - found[b] for a, b in combinations(found, 2)}
        for name, found in gaps.items()
    }
    chance = judged.arrange(world.click[inside])
    verdicts["interleaving"] = {
        (a, b): _interleaved(judged, (ranks[a], ranks[b]), chance, rng)
        for a, b in combinations(ranks, 2)
    }
    return {"values": values, "verdicts": verdicts, "random": random.judged.searches}


def _interleaved(
    judged: ArrangedRows, ranks: tuple[Integers, Integers], click: Floats, rng: np.random.Generator
) -> float:
    seen = examination(np.arange(1, K + 1))

    def clicks(page: Integers) -> np.ndarray[Any, np.dtype[np.bool_]]:
        return rng.random(page.shape) < seen * np.where(page >= 0, click[page], 0.0)

    settings = InterleavingConfig(k=K, replicates=1)
    return interleave(judged, ranks, clicks, rng=rng, config=settings).share.value


def print_bias(figures: list[dict[str, Any]], truth: Mapping[str, float]) -> None:
    """Per method: bias and spread as shares of the truth, coverage of the 95% interval."""
    print(f"\n{'method':<8}{'model':<8}{'truth':>8}{'bias':>9}{'spread':>9}{'coverage':>10}")
    for method in METHODS:
        for model in NOISE:
            found = [f["values"][method, model] for f in figures]
            errors = np.array([v.value for v in found]) / truth[model] - 1
            covered = np.mean([v.low <= truth[model] <= v.high for v in found])
            print(
                f"{method:<8}{model:<8}{truth[model]:>8.4f}{errors.mean():>+9.1%}"
                f"{errors.std(ddof=1):>9.1%}{covered:>10.0%}"
            )


def print_verdicts(
    figures: list[dict[str, Any]], clicks: Mapping[str, float], bookings: Mapping[str, float]
) -> None:
    """Per pair and method: the share of parts in which the truly better model is named."""
    pairs = list(combinations(clicks, 2))
    names = list(dict.fromkeys(m for f in figures for m in f["verdicts"]))
    print(f"\n{'named the better one':<18}" + "".join(f"{a + ' / ' + b:>16}" for a, b in pairs))
    for label, truth in (("true click gap", clicks), ("true booking gap", bookings)):
        gaps = [truth[a] / truth[b] - 1 for a, b in pairs]
        print(f"{label:<20}" + "".join(f"{gap:>+16.1%}" for gap in gaps))
    for name in names:
        truth = bookings if name.startswith("booking") else clicks
        cells = []
        for a, b in pairs:
            seen = [f["verdicts"][name].get((a, b)) for f in figures]
            right = [np.sign(v) == np.sign(truth[a] - truth[b]) for v in seen if v is not None]
            cells.append(f"{np.mean(right):>16.0%}" if right else f"{'—':>16}")
        print(f"{name:<20}" + "".join(cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--parts", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    asked = parser.parse_args()
    if asked.small:
        vars(asked).update(SMALL)
    world = simulated(asked.searches, asked.parts, asked.seed)
    judged = judge(world.rows)
    ranks = {name: judged.ranks(s, model=name) for name, s in world.scores.items()}
    clicks = {name: true_value(judged, order, world.click) for name, order in ranks.items()}
    bookings = {name: true_value(judged, order, world.book) for name, order in ranks.items()}
    rng = np.random.default_rng(asked.seed)
    figures = [part_figures(world, number, rng) for number in range(asked.parts)]
    print("SIMULATED guests")
    print(
        f"{judged.searches:,} searches in {asked.parts} parts; in random order per part: "
        f"{np.mean([f['random'] for f in figures]):.0f}"
    )
    print_bias(figures, clicks)
    print_verdicts(figures, clicks, bookings)


if __name__ == "__main__":
    main()
