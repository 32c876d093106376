"""How close the ranker comes to the best order, beside lambdarank: G over several worlds.

Printed: G@10 of every order, on taste and on observables, by market, and over the new listings
alone (how well they are ordered among themselves); what new listings are worth in the first ten
places; the difference from lambdarank, paired within each world; and how well the ranker is
calibrated. Means over the worlds with Student's 95% intervals. SIMULATED data.

    python benchmarks/ranker_claims.py --seeds 1 2 3 4 5 --searches 60000 --work DIR
    python benchmarks/ranker_claims.py --seeds 1 2 3 4 5 --searches 390000 --work DIR
    python benchmarks/ranker_claims.py --scenario contrast --searches 60000 --work DIR

What is made is kept in DIR, rows as Parquet and figures as JSON, so that a crash costs one
model of a world at most. A world of 390,000 takes about 10 minutes and 8 GB on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from over_worlds import mean_over_worlds
from ranker_worlds import Sampling, World, prepared_world

from data.schema.feature_set import FeatureSet
from models.arrow_columns import Numbers, missing_last, numbers
from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.oracle import CEILINGS, Ceiling
from models.funnel.config import FunnelConfig
from models.funnel.funnel_model import FUNNEL_STAGES, FunnelModel
from models.lambdarank import LambdaRank
from models.ranking_order import group_codes, rank_within, tie_keys
from models.recommender import Scores

K = 10
NEW_WORTH = "new listings, bookings per 1,000 searches"
# What one column orders alone, and which way is up.
SINGLE = {
    "listing_past_click_rate": 1,
    "listing_past_book_rate": 1,
    "listing_num_books_90day": 1,
    "listing_review_rating": 1,
    "listing_review_count": 1,
    "listing_occupancy_rate": 1,
    "listing_total_price": -1,
    "fit_distance_km": -1,
}
# What the ceiling "observables" does not know: what the guest did before.
PERSONAL = ("guest_history",)
HISTORY = (*PERSONAL, "engagement", "in_search")
FUNNEL = FunnelConfig()
# How the results were shown: a log without it trains the same model, less well informed.
SHOWN = ("position", "is_random_order")


@dataclass(frozen=True)
class Case:
    """A model, and the columns of the log that it does without."""

    make: Callable[[FeatureSet], LambdaRank | FunnelModel]
    without: tuple[str, ...] = ()


MAKERS: dict[str, Case] = {
    "ranker": Case(FunnelModel),
    "ranker, no position in the log": Case(FunnelModel, without=SHOWN),
    "ranker, impersonal": Case(lambda known: FunnelModel(known.without(PERSONAL))),
    "ranker, no history": Case(lambda known: FunnelModel(known.without(HISTORY))),
    "lambdarank": Case(LambdaRank),
}
RIVAL = "lambdarank"
USUAL = ("ranker", "ranker, no position in the log", "lambdarank")
# A larger world is not held whole: it is reduced to a test day of about a million listings.
WHOLE_SEARCHES = 400_000


def main() -> int:
    """Make or read every world's figures, and print their means."""
    arguments = _arguments()
    figures = [_figures_of_seed(seed, arguments) for seed in arguments.seeds]
    searches, seeds = arguments.searches, arguments.seeds
    print(
        f"\nSIMULATED, {arguments.scenario}: {len(figures)} worlds of {searches:,}, seeds {seeds}"
    )
    _print_means(figures, arguments.models)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--searches", type=int, default=390_000)
    parser.add_argument("--scenario", default="default")
    parser.add_argument("--models", nargs="+", choices=tuple(MAKERS), default=list(USUAL))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches = [1, 2], 4_000
    if arguments.searches > WHOLE_SEARCHES and "lambdarank" in arguments.models:
        parser.error(f"above {WHOLE_SEARCHES:,} searches rows are thinned; leave lambdarank out")
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def _figures_of_seed(seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """Read the figures of a world, and make those that are not there yet."""
    named = f"{arguments.scenario}_{seed}_{arguments.searches}"
    path = arguments.work / f"figures_{named}.json"
    figures = json.loads(path.read_text()) if path.is_file() else {"g": {}, "calibration": {}}
    missing = [name for name in arguments.models if name not in figures["g"]]
    if missing:
        sampling = _sampling(arguments.searches)
        world = prepared_world(
            seed, arguments.searches, arguments.work, sampling, scenario=arguments.scenario
        )
        for name in missing:
            add_figures(figures, world, name)
            path.write_text(json.dumps(figures, indent=1))
    return figures


def _sampling(searches: int) -> Sampling:
    if searches <= WHOLE_SEARCHES:
        return Sampling()
    return Sampling(
        unclicked_share=FUNNEL.unclicked_share,
        test_share=WHOLE_SEARCHES / searches,
        seed=FUNNEL.seed,
    )


def add_figures(figures: dict[str, Any], world: World, name: str) -> None:
    """Fit a model and add to ``g`` (order → segment → G) and to ``calibration``."""
    test, started, case = world.test, time.process_time(), MAKERS[name]
    known = (_without(rows, case.without) for rows in (world.train, world.valid))
    model = case.make(world.features).fit(*known)
    scores = model.score(test)
    if "test_impressions" not in figures:
        figures["test_impressions"] = test.num_rows
        orders = {one: way * _column(test, one) for one, way in SINGLE.items()}
        figures["g"] |= {one: g_by_segment(test, order) for one, order in orders.items()}
    figures["g"][name] = g_by_segment(test, scores)
    if isinstance(model, FunnelModel):
        figures["calibration"][name] = _calibration(test, model)
        figures.setdefault("evidence", {})[name] = model.evidence
    print(f"world {world.seed}, {name}: {time.process_time() - started:.0f} CPU-s", flush=True)
    print(figures["g"][name], flush=True)


def _without(rows: pa.Table, columns: Sequence[str]) -> pa.Table:
    return rows.drop_columns([name for name in columns if name in rows.column_names])


def g_by_segment(test: pa.Table, scores: Scores) -> dict[str, float]:
    """G@10 under both ceilings, and on observables by market and among new listings."""
    market = np.asarray(test["market"].to_pylist(), dtype=object)
    is_new = np.nan_to_num(numbers(test, "listing_is_new")) > 0
    g = {ceiling: _g(test, scores, ceiling) for ceiling in CEILINGS}
    for name in sorted(set(market)):
        g[f"market={name}"] = _g(test, scores, "observables", market == name)
    g["listing=new"] = _g(test, scores, "observables", is_new)
    g[NEW_WORTH] = _worth_of_new(test, scores, is_new)
    return g


def _worth_of_new(test: pa.Table, scores: Scores, is_new: np.ndarray[Any, Any]) -> float:
    """Bookings of new listings per 1,000 searches that the first ten places lead to: the true
    chance, discounted by the place as in DCG."""
    groups = group_codes(test["id_search"])
    ranks = rank_within(groups, scores, tie_keys(test))
    at = np.flatnonzero(is_new & (ranks <= K))
    worth = numbers(test, CEILINGS["taste"])[at] / np.log2(ranks[at] + 1.0)
    return float(1_000 * worth.sum() / max(int(groups.max(initial=-1)) + 1, 1))


def _g(
    test: pa.Table, scores: Scores, ceiling: str, part: np.ndarray[Any, Any] | None = None
) -> float:
    if part is not None:
        test, scores = test.filter(pa.array(part)), scores[part]
    arranged = arrange_rows(test.select(["id_search", "id_listing", "stage"]))
    truth = arranged.arrange(numbers(test, CEILINGS[ceiling]))
    measure, _ = Ceiling(arranged, ceiling, truth).measures(
        arranged, arranged.ranks(scores, model="order"), (K,)
    )
    return float(measure.numerator.sum() / measure.denominator.sum())


def _calibration(test: pa.Table, model: FunnelModel) -> dict[str, float]:
    """Predicted over actual by stage and market, and by tenth of the prediction."""
    predicted, stage = model.probabilities(test), test["stage"].to_numpy()
    market = np.asarray(test["market"].to_pylist(), dtype=object)
    ratios = {}
    for reached, stage_name in enumerate(FUNNEL_STAGES, start=1):
        happened = (stage >= reached).astype(np.float64)
        for name in sorted(set(market)):
            at = market == name
            ratios[f"{stage_name} {name}"] = float(
                predicted[stage_name][at].sum() / happened[at].sum()
            )
        tenths = np.array_split(np.argsort(predicted[stage_name], kind="stable"), 10)
        for number, at in enumerate(tenths, start=1):
            actual = max(happened[at].sum(), 0.5)
            ratios[f"{stage_name} tenth {number}"] = float(predicted[stage_name][at].sum() / actual)
    return ratios


def _column(test: pa.Table, name: str) -> Numbers:
    values = numbers(test, name)
    return missing_last(values) if SINGLE[name] > 0 else -missing_last(-values)


def _mean_of(values: list[float]) -> str:
    return mean_over_worlds(values, digits=3)


def _print_means(figures: list[dict[str, Any]], models: Sequence[str]) -> None:
    segments = list(figures[0]["g"][models[0]])
    print(f"{np.mean([f['test_impressions'] for f in figures]):,.0f} test impressions in each\n")
    for segment in segments:
        print(segment if segment == NEW_WORTH else f"G@10, {segment}")
        best = min(SINGLE, key=lambda n: -np.mean([f["g"][n][segment] for f in figures]))
        for name in (best, *models):
            values = [f["g"][name][segment] for f in figures]
            print(f"  {name:36} {_mean_of(values)}{_beside(figures, name, segment)}")
    for name in models:
        if name in figures[0]["calibration"]:
            print(f"\n{name}: predicted over actual")
            for part in figures[0]["calibration"][name]:
                print(f"{part:24} {_mean_of([f['calibration'][name][part] for f in figures])}")


def _beside(figures: list[dict[str, Any]], name: str, segment: str) -> str:
    """The difference from lambdarank, paired within each world, and in how many it is above."""
    if name == RIVAL or any(RIVAL not in f["g"] for f in figures):
        return ""
    pairs = [(f["g"][name][segment], f["g"][RIVAL][segment]) for f in figures]
    gains = [ours - theirs for ours, theirs in pairs]
    ratios = mean_over_worlds([ours / theirs for ours, theirs in pairs], digits=2)
    above = sum(gain > 0 for gain in gains)
    difference = mean_over_worlds(gains, digits=3, sign="+")
    return f"   {difference}, × {ratios}, above in {above} of {len(gains)}"


if __name__ == "__main__":
    sys.exit(main())
