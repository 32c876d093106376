"""Which offline metric tells a better order from a worse one, and only then.

In simulated worlds the worth of an order is known: its expected DCG@10 under the guests' taste,
which needs no outcomes. A dozen models order the last day of each world, and every candidate
metric judges them by the outcomes alone, as on a real log. Printed per metric:

- ``right``: share of the pairs of models of clearly different worth (G apart by 0.015 to 0.12)
  whose difference the metric shows in the right direction (95%, by guest), ``wrong``: in the
  wrong one; ``z``: the mean of difference / standard error, above zero where it is right;
- ``rank``: Spearman correlation with G over the models;
- ``equal``: of pairs of *different* models of equal worth (the better one disturbed until it is
  worth no more than the other) the share in which the metric sees a difference: a metric that
  favours a kind of model, rather than a worth, sees many;
- ``alike``: the same for two disturbances of one order, where 0.05 is right by construction;
- ``5%``: share of the challengers that it shows to be better than a champion worth as much as the
  lambdarank, both being disturbances of the best order by what the log shows, the challenger worth
  5% more expected bookings; ``unlike``: the same against lambdarank itself.

SIMULATED data.

    python benchmarks/metric_power.py --seeds 11 12 13 14 --work DIR
    python benchmarks/metric_power.py --seeds 11 12 --scenario contrast --work DIR

What is made is kept in DIR. A world takes about 3 minutes and 4 GB on two cores.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ranker_worlds import World, prepared_world
from scipy.stats import spearmanr

from models.arrow_columns import missing_last, numbers, stages
from models.baselines.heuristics import BestRated, Cheapest, Popularity, Random
from models.baselines.implicit_als import ALS_VARIANTS, ImplicitALS
from models.click_worth import ClickWorth, ClickWorthConfig, click_worth
from models.evaluation.arranged_rows import ArrangedRows, arrange_rows, ranks_arranged
from models.evaluation.arrays import Floats, Integers
from models.evaluation.oracle import expected_dcg, oracle_scores, random_dcg
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FunnelModel
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.recommender import Scores
from models.stage_utilities import UTILITIES

K = 10
TRUTH, TOLD, CLICK = "p_book_taste", "p_book_observables", "p_click_taste"
PLACES = ("position", "is_random_order")
CLEARLY = (0.015, 0.12)
SHOWN = 1.96
DISTURBANCES = 12
BISECTIONS = 14
GAIN = 1.05

Measured = tuple[Floats, Floats]
"""Of one order: a metric's sum above the line and the count below it, per search; each (S,)."""
Metric = Callable[[Integers], Measured]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The models of one world on its last day, and what they are worth.

    Attributes:
        arranged: the rows.
        taste: P(booked | taste, looked at) of each row.
        told: the best order by what the log shows, the taste integrated out.
        ranks: model → rank of each row.
        worth: model → expected DCG@10, summed over searches.
        g: model → share of the possible gain.
        metrics: name → metric.
    """

    arranged: ArrangedRows
    taste: Floats
    told: Integers
    ranks: dict[str, Integers]
    worth: dict[str, float]
    g: dict[str, float]
    metrics: dict[str, Metric]


def main() -> int:
    """Judge every world and print the table."""
    arguments = _arguments()
    found: dict[str, list[dict[str, float]]] = {}
    for seed in arguments.seeds:
        world = prepared_world(
            seed, arguments.searches, arguments.work, scenario=arguments.scenario
        )
        judged = judge(world, arguments.work, arguments.scenario, arguments.searches)
        print(f"\nworld {seed}: G under taste", flush=True)
        print("  " + "  ".join(f"{name} {g:.3f}" for name, g in judged.g.items()), flush=True)
        rng = np.random.default_rng(seed)
        for name, figures in figures_of(judged, rng).items():
            found.setdefault(name, []).append(figures)
    print(
        f"\nSIMULATED, {arguments.scenario}: {len(arguments.seeds)} worlds of "
        f"{arguments.searches:,} searches"
    )
    print_table(found)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--work", type=Path, default=Path("worlds"))
    parser.add_argument("--small", action="store_true", help="one tiny world")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches = arguments.seeds[:1], 4_000
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def judge(world: World, work: Path, scenario: str, searches: int) -> Judged:
    """Order the last day by every model (kept in ``work``), and prepare the metrics."""
    rows = world.test
    path = work / f"scores_{scenario}_{world.seed}_{searches}.parquet"
    if not path.is_file():
        pq.write_table(pa.table(scores_of_models(world)), path)
    table = pq.read_table(path)
    scores = {name: table[name].to_numpy() for name in table.column_names}
    arranged = arrange_rows(rows.select(["id_search", "id_listing", "id_user", "stage"]))
    taste = arranged.arrange(numbers(rows, TRUTH))
    ranks = {name: arranged.ranks(values, model=name) for name, values in scores.items()}
    best = ranks_arranged(arranged.starts, arranged.sizes, taste)
    chance = float(random_dcg(arranged, taste, K).sum())
    possible = float(expected_dcg(arranged, best, taste, K).sum()) - chance
    worth = {n: float(expected_dcg(arranged, r, taste, K).sum()) for n, r in ranks.items()}
    return Judged(
        arranged=arranged,
        taste=taste,
        told=arranged.ranks(
            oracle_scores(numbers(rows, TOLD), numbers(rows, CLICK)), model="what the log shows"
        ),
        ranks=ranks,
        worth=worth,
        g={name: (value - chance) / possible for name, value in worth.items()},
        metrics=metrics_of(world, arranged),
    )


def scores_of_models(world: World) -> dict[str, Scores]:
    """Each model's scores of the last day; their truth is known, their outcomes are not used."""
    known, train, valid, test = world.features, world.train, world.valid, world.test
    funnel = FunnelModel(known).fit(train, valid)
    impersonal = FunnelModel(known.without(("guest_history",)))
    return {
        "random": Random().fit(train, valid).score(test),
        "cheapest": Cheapest().fit(train, valid).score(test),
        "best rated": BestRated().fit(train, valid).score(test),
        "popularity": Popularity().fit(train, valid).score(test),
        "als": ImplicitALS((ALS_VARIANTS[2],)).fit(train, valid).score(test),
        "click rate": missing_last(numbers(test, "listing_past_click_rate")),
        "lambdarank": LambdaRank(known).fit(train, valid).score(test),
        "small lambdarank": LambdaRank(known, LambdaRankConfig(seed=5, num_leaves=7))
        .fit(train, valid)
        .score(test),
        "funnel": funnel.score(test),
        "funnel, clicks only": funnel.probabilities(test)["click"],
        "funnel, order shown kept": FunnelModel(known, FunnelConfig(in_search="kept"))
        .fit(train, valid)
        .score(test),
        "funnel, stiff": FunnelModel(known, FunnelConfig(mechanics_penalty=1000.0))
        .fit(train, valid)
        .score(test),
        "funnel, impersonal": impersonal.fit(train, valid).score(test),
    }


def metrics_of(world: World, arranged: ArrangedRows) -> dict[str, Metric]:
    """Every candidate metric, by its name in the table."""
    stage = arranged.stage
    booked, clicked = (stage >= 3).astype(float), (stage >= 1).astype(float)
    graded = np.asarray(UTILITIES)[stage]
    expected, judged, by_places = (
        _worth(world, without=PLACES, config=ClickWorthConfig(outcome_share=0.0)),
        _worth(world, without=PLACES, config=ClickWorthConfig()),
        _worth(world, without=(), config=ClickWorthConfig()),
    )
    looked_at = arranged.arrange(judged.looked_at)
    expected_worth, worth, placed = (
        arranged.arrange(found.worth) for found in (expected, judged, by_places)
    )
    return {
        "bookings, NDCG (the gate before)": _normalised(arranged, booked),
        "bookings, DCG": _summed(arranged, booked),
        "bookings / looked at": _summed(arranged, booked / looked_at),
        "graded, NDCG": _normalised(arranged, graded),
        "graded, DCG": _summed(arranged, graded),
        "clicks": _summed(arranged, clicked),
        "clicks / looked at": _summed(arranged, clicked / looked_at),
        "clicks x P(booked)": _summed(arranged, expected_worth * looked_at),
        "clicks x P(booked) / looked at": _summed(arranged, expected_worth),
        "**value DCG**": _summed(arranged, worth),
        "value DCG, an equal share of bookings": _summed(
            arranged, expected_worth / 2 + booked / looked_at / 2
        ),
        "value DCG, looked at by places": _summed(arranged, placed),
        "value DCG over the best of each search": _normalised(arranged, worth),
        "value DCG, the first ten alike": _summed(arranged, worth, discounted=False),
    }


def _worth(world: World, *, without: Sequence[str], config: ClickWorthConfig) -> ClickWorth:
    """The judge's worth of each row of the last day, with the places or without them."""
    train, valid, test = (
        rows.drop_columns(list(without)) for rows in (world.train, world.valid, world.test)
    )
    clicked = (rows.filter(pa.array(stages(rows) > 0)) for rows in (train, valid))
    clicks = pa.concat_tables([rows.select(test.column_names) for rows in clicked])
    return click_worth(test, learnt=valid, clicks=clicks, features=world.features, config=config)


def _summed(arranged: ArrangedRows, gains: Floats, *, discounted: bool = True) -> Metric:
    """Σ gain over the first ten of each search; a mean over all searches."""
    every = np.ones(arranged.searches)

    def measure(ranks: Integers) -> Measured:
        weights = 1 / np.log2(ranks + 1.0) if discounted else np.ones(len(ranks))
        return arranged.per_search(np.where(ranks <= K, gains * weights, 0.0)), every

    return measure


def _normalised(arranged: ArrangedRows, gains: Floats) -> Metric:
    """The same over the best that each search allows; searches without a gain are left out."""
    summed = _summed(arranged, gains)
    best, _ = summed(ranks_arranged(arranged.starts, arranged.sizes, gains))
    has_gain = best > 0

    def measure(ranks: Integers) -> Measured:
        above, _ = summed(ranks)
        return np.where(has_gain, above / np.where(has_gain, best, 1), 0.0), has_gain.astype(float)

    return measure


def figures_of(judged: Judged, rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """What the table prints of each metric in this world."""
    names = list(judged.worth)
    pairs = [
        (better, worse) if judged.g[better] >= judged.g[worse] else (worse, better)
        for better, worse in combinations(names, 2)
    ]
    clear = [p for p in pairs if CLEARLY[0] < judged.g[p[0]] - judged.g[p[1]] < CLEARLY[1]]
    different = [(judged.ranks[a], judged.ranks[b]) for a, b in clear]
    equal = [
        (disturbed(judged, judged.ranks[a], judged.worth[b], rng), judged.ranks[b])
        for a, b in clear
    ]
    told, theirs = judged.told, judged.worth["lambdarank"]
    alike = [
        tuple(disturbed(judged, told, theirs, rng) for _ in range(2)) for _ in range(DISTURBANCES)
    ]
    gaining = [
        (disturbed(judged, told, GAIN * theirs, rng), disturbed(judged, told, theirs, rng))
        for _ in range(DISTURBANCES)
    ]
    unlike = [(better, judged.ranks["lambdarank"]) for better, _ in gaining]
    figures = {}
    for name, metric in judged.metrics.items():
        z = np.array([_z(judged.arranged, metric, *pair) for pair in different])
        values = [_mean(metric(judged.ranks[model])) for model in names]
        figures[name] = {
            "z": float(z.mean()),
            "right": float((z > SHOWN).mean()),
            "wrong": float((z < -SHOWN).mean()),
            "rank": float(spearmanr(values, [judged.g[model] for model in names]).statistic),
            "equal": _share_shown(judged.arranged, metric, equal),
            "alike": _share_shown(judged.arranged, metric, alike),
            "5%": _share_better(judged.arranged, metric, gaining),
            "5%, unlike": _share_better(judged.arranged, metric, unlike),
        }
    return figures


def disturbed(judged: Judged, ranks: Integers, worth: float, rng: np.random.Generator) -> Integers:
    """An order made worse by noise on its ranks until it is worth no more than ``worth``."""
    arranged, noise = judged.arranged, rng.normal(size=len(ranks))
    low, high = 0.0, 20.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        order = ranks_arranged(arranged.starts, arranged.sizes, middle * noise - ranks)
        is_better = float(expected_dcg(arranged, order, judged.taste, K).sum()) > worth
        low, high = (middle, high) if is_better else (low, middle)
    return ranks_arranged(arranged.starts, arranged.sizes, high * noise - ranks)


def _share_shown(
    arranged: ArrangedRows, metric: Metric, pairs: Sequence[tuple[Integers, ...]]
) -> float:
    return float(np.mean([abs(_z(arranged, metric, *pair)) > SHOWN for pair in pairs]))


def _share_better(
    arranged: ArrangedRows, metric: Metric, pairs: Sequence[tuple[Integers, ...]]
) -> float:
    return float(np.mean([_z(arranged, metric, *pair) > SHOWN for pair in pairs]))


def _z(arranged: ArrangedRows, metric: Metric, better: Integers, worse: Integers) -> float:
    """The paired difference over its standard error by guest (linearised ratio of sums)."""
    (above, below), (other, _) = metric(better), metric(worse)
    per_guest = np.bincount(arranged.cluster, above - other, arranged.clusters)
    counted = np.bincount(arranged.cluster, below, arranged.clusters)
    mean = per_guest.sum() / max(counted.sum(), 1)
    error = float(np.sqrt(((per_guest - mean * counted) ** 2).sum()))
    return float(per_guest.sum()) / error if error > 0 else 0.0


def _mean(measured: Measured) -> float:
    above, below = measured
    return float(above.sum() / max(below.sum(), 1))


def print_table(found: dict[str, list[dict[str, float]]]) -> None:
    """A line per metric: means over the worlds."""
    columns = list(next(iter(found.values()))[0])
    print("| metric | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name, worlds in found.items():
        means = [float(np.mean([figures[column] for figures in worlds])) for column in columns]
        print(f"| {name} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")


if __name__ == "__main__":
    sys.exit(main())
