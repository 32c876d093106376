"""How close the ranker comes to the best order that the observables allow: G over several worlds.

A world's last day shows a million listings (``--searches 390000``). Printed: G@10 on
observables of every order, over all searches, by market, and over the new listings alone
(how well they are ordered among themselves), then how well the funnel is calibrated, as means
over the worlds with Student's 95% intervals. SIMULATED data.

    python benchmarks/ranker_claims.py --seeds 1 2 3 4 5 --searches 390000 --work DIR

What is made is kept in DIR, rows as Parquet and figures as JSON, so that a crash costs one
world at most. A world takes about 10 minutes and 8 GB on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
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
from models.recommender import Scores

K = 10
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
FUNNEL = FunnelConfig(
    learning_rate=0.1,
    max_rounds=500,
    min_rows_per_leaf=400,
    unclicked_share=0.2,
    feature_share=0.3,
    debiasing="position",
    in_search="kept",
    penalty=1000.0,
    mechanics_penalty=1000.0,
)


MAKERS: dict[str, Callable[[FeatureSet], LambdaRank | FunnelModel]] = {
    "funnel, impersonal": lambda known: FunnelModel(known.without(PERSONAL), FUNNEL),
    "funnel, no history, no in-search": lambda known: FunnelModel(known.without(HISTORY), FUNNEL),
    "funnel": lambda known: FunnelModel(known, FUNNEL),
    "lambdarank": LambdaRank,
}
# A larger world is not held whole: it is reduced to a test day of about a million listings.
WHOLE_SEARCHES = 400_000


def main() -> int:
    """Make or read every world's figures, and print their means."""
    arguments = _arguments()
    figures = []
    for seed in arguments.seeds:
        path = arguments.work / f"figures_{seed}_{arguments.searches}.json"
        if not path.is_file():
            world = prepared_world(
                seed, arguments.searches, arguments.work, _sampling(arguments.searches)
            )
            path.write_text(json.dumps(figures_of(world, arguments.models), indent=1))
        figures.append(json.loads(path.read_text()))
    searches, seeds = arguments.searches, arguments.seeds
    print(f"\nSIMULATED: {len(figures)} worlds of {searches:,} searches, seeds {seeds}")
    _print_means(figures)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--searches", type=int, default=390_000)
    parser.add_argument("--models", nargs="+", choices=tuple(MAKERS), default=list(MAKERS))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.seeds, arguments.searches = [1, 2], 4_000
    if arguments.searches > WHOLE_SEARCHES and "lambdarank" in arguments.models:
        parser.error(f"above {WHOLE_SEARCHES:,} searches rows are thinned; leave lambdarank out")
    arguments.work.mkdir(parents=True, exist_ok=True)
    return arguments


def _sampling(searches: int) -> Sampling:
    if searches <= WHOLE_SEARCHES:
        return Sampling()
    return Sampling(
        unclicked_share=FUNNEL.unclicked_share,
        test_share=WHOLE_SEARCHES / searches,
        seed=FUNNEL.seed,
    )


def figures_of(world: World, models: Sequence[str]) -> dict[str, Any]:
    """``g`` (order → segment → G), ``calibration`` (figures of each funnel) and sizes."""
    test = world.test
    orders = {name: way * _column(test, name) for name, way in SINGLE.items()}
    figures: dict[str, Any] = {
        "g": {name: g_by_segment(test, scores) for name, scores in orders.items()},
        "calibration": {},
        "test_impressions": test.num_rows,
        "test_bookings": int((test["stage"].to_numpy() == 3).sum()),
    }
    for name in models:
        started = time.monotonic()
        model = MAKERS[name](world.features).fit(world.train, world.valid)
        figures["g"][name] = g_by_segment(test, model.score(test))
        if isinstance(model, FunnelModel):
            figures["calibration"][name] = _calibration(test, model)
        print(f"world {world.seed}, {name}: {time.monotonic() - started:.0f} s", flush=True)
        print(figures["g"][name], flush=True)
    return figures


def g_by_segment(test: pa.Table, scores: Scores) -> dict[str, float]:
    """G@10 under both ceilings, and on observables by market and among new listings."""
    market = np.asarray(test["market"].to_pylist(), dtype=object)
    is_new = np.nan_to_num(numbers(test, "listing_is_new")) > 0
    g = {ceiling: _g(test, scores, ceiling) for ceiling in CEILINGS}
    for name in sorted(set(market)):
        g[f"market={name}"] = _g(test, scores, "observables", market == name)
    g["listing=new"] = _g(test, scores, "observables", is_new)
    return g


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


def _print_means(figures: list[dict[str, Any]]) -> None:
    segments = list(next(iter(figures[0]["g"].values())))
    print(f"{np.mean([f['test_impressions'] for f in figures]):,.0f} test impressions in each\n")
    print("G@10  " + "  ".join(segments))
    for name in figures[0]["g"]:
        cells = [_mean_of([f["g"][name][segment] for f in figures]) for segment in segments]
        print(f"{name:36} " + "  ".join(cells))
    models = [name for name in MAKERS if all(name in f["g"] for f in figures)]
    best = max(SINGLE, key=lambda n: np.mean([f["g"][n]["observables"] for f in figures]))
    for name in models:
        for other in (best, "funnel, no history, no in-search"):
            if other in (*models, best) and other != name:
                gain = [
                    f["g"][name]["observables"] / f["g"][other]["observables"] - 1 for f in figures
                ]
                print(f"{name}, over {other}: {_mean_of(gain)}")
    for name in models:
        if name in figures[0]["calibration"]:
            print(f"\n{name}: predicted over actual")
            for part in figures[0]["calibration"][name]:
                print(f"{part:24} {_mean_of([f['calibration'][name][part] for f in figures])}")


if __name__ == "__main__":
    sys.exit(main())
