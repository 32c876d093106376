"""What guests are given, over several simulated worlds: recommended lists against the truth.

``python benchmarks/recommendations.py --seeds 1 2 3 4 5 --work FOLDER`` runs the main job on each
world and prints means with Student's intervals over the worlds: G over the whole catalogue,
expected bookings apart and together, free nights, concentration, the replay, and how well P(free)
is known. ``--before FOLDER`` names homes ``FOLDER/SEED`` of another version of the program on the
same worlds: what it recommended is measured beside. SIMULATED: no real guests.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.stats import rankdata, t

from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from models.evaluation.recommended_lists import Lists
from models.evaluation.significance import ratio
from models.reranking.new_listing_exposure import ExposurePolicy
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.evaluation.list_truth import ListTruth, metrics_by_model, open_truth
from pipelines.evaluation.recommendations_view import SCORES_FILE, read_recommendation_scores
from pipelines.evaluation.rival_lists import lists_by, rival_lists
from pipelines.recommendation.lists import make_lists
from pipelines.recommendation.recommend import recommended_on
from pipelines.recommendation.recommended import Recommended
from pipelines.run_context import RunContext

CAPACITIES = (0.2, 0.3, 0.5, 0.7, 1.0)
REFERENCE = "recommendations"
TENTHS = 10
GUESTS = 150


def main() -> int:
    """Run or read each world, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument(
        "--work", type=Path, required=True, help="homes of the worlds are kept here"
    )
    parser.add_argument("--before", type=Path, help="homes of another version, one per seed")
    arguments = parser.parse_args()
    worlds = [_world(arguments, seed) for seed in arguments.seeds]
    _print_means(worlds)
    return 0


def _world(arguments: argparse.Namespace, seed: int) -> dict[str, dict[str, float]]:
    """Figures of one world by model and metric; computed once and kept in its home."""
    home = arguments.work / str(seed)
    figures = home / "figures.json"
    if not figures.is_file():
        simulation = {"searches": arguments.searches}
        settings = Settings(seed=seed, simulation=simulation)  # type: ignore[arg-type]
        context = RunContext(home=Home(home), settings=settings, console=Console())
        before = None if arguments.before is None else arguments.before / str(seed)
        figures.parent.mkdir(parents=True, exist_ok=True)
        figures.write_text(json.dumps(_measured(context, before)))
    found: dict[str, dict[str, float]] = json.loads(figures.read_text())
    return found


def _measured(context: RunContext, before: Path | None) -> dict[str, dict[str, float]]:
    from pipelines.flows.prefect_environment import prepare_prefect

    prepare_prefect(context.home.prepare())
    from pipelines.flows.run import main_job

    done = sorted(path.parent.name for path in context.home.runs.glob("*/run.json"))
    if done and (context.home.report / SCORES_FILE).is_file():
        run = done[-1]
    else:
        run = main_job(str(context.home.root), [], "airbnb", None, context.settings)
    replayed = read_recommendation_scores(context.home)
    impressions = context.lake.scan(IMPRESSIONS.name)
    day = int(impressions.select(pl.col("search_day").max()).collect().item()) + 1
    made = recommended_on(context, run, day)
    sample = open_truth(context, made)
    if sample is None:
        raise SystemExit("no truth beside the log")
    truth = ListTruth(made, sample)
    lists = rival_lists(made, impressions, seed=context.settings.seed)
    lists |= _policies(context, made)
    if before is not None:
        lists["before"] = _written(before, made)
    figures = {
        model: {m.metric: float(_value(m)) for m in metrics}
        for model, metrics in metrics_by_model(truth, lists).items()
    }
    for score in replayed:
        if score.split == "replay":
            figures.setdefault(score.model, {})[score.metric] = score.value
    figures["availability"] = _availability(made, truth)
    figures["cut"] = _cut(context, run, day, made)
    return figures


def _value(metric: Any) -> Any:
    return ratio(np.array(metric.numerator.sum()), np.array(metric.denominator.sum()))


def _policies(context: RunContext, made: Recommended) -> dict[str, Lists]:
    """The same candidates under other policies: none, new listings alone, other capacities."""
    settings, candidates = context.settings.recommendation, made.scored.candidates
    contenders = np.flatnonzero(made.scored.contender_C)
    none = ExposurePolicy()
    policies = {
        "no policy": ({"allocation": False}, none),
        "exposure alone": ({"allocation": False}, made.serving.exposure),
        "allocation alone": ({}, none),
        **{f"capacity {c}": ({"night_capacity": c}, none) for c in CAPACITIES},
    }
    lists = {}
    for name, (update, exposure) in policies.items():
        changed = settings.model_copy(update=update)
        result = make_lists(made.scored, made.availability, exposure, changed)
        at = contenders[result.contender_R]
        lists[name] = Lists(
            model=name,
            query_R=candidates.query_C[at],
            place_R=np.asarray(result.place_R, dtype=np.int64),
            listing_R=candidates.listing_C[at],
        )
    return lists


def _written(home: Path, made: Recommended) -> Lists:
    """The table of recommendations that another version wrote, on these queries."""
    table = pl.scan_delta(home / "lake" / RECOMMENDATIONS.name)
    table = table.filter(pl.col("ds") == pl.col("ds").max())
    queries = made.source.queries.lazy().select("id_search").with_row_index("query")
    catalogue = made.source.catalogue.lazy().select("market", "id_listing")
    rows = (
        table.select("id_search", "market", "id_listing", "rank")
        .join(queries, on="id_search")
        .join(catalogue.with_row_index("listing"), on=["market", "id_listing"])
        .select(pl.col("query", "listing", "rank").cast(pl.Int64))
        .collect()
    )
    query, listing, rank = (rows[n].to_numpy() for n in ("query", "listing", "rank"))
    return lists_by("before", query, listing, -rank.astype(np.float64))


def _availability(made: Recommended, truth: ListTruth) -> dict[str, float]:
    """P(free) of all pairs that the dated searches of a sample allow, against the truth."""
    known, predicted = truth.availability_pairs(made)
    figures = {"auc": _auc(known, predicted), "mean": float(predicted.mean() - known.mean())}
    order = np.argsort(predicted, kind="stable")
    for tenth, part in enumerate(np.array_split(order, TENTHS), start=1):
        figures[f"tenth {tenth}"] = float(predicted[part].mean() - known[part].mean())
    return figures


def _cut(context: RunContext, run: str, day: int, made: Recommended) -> dict[str, float]:
    """Value of the first ten that the first cut keeps, and that proposals of the two-tower keep.

    Score × availability, discounted by place, as a share of what all allowed listings give; of
    some guests.
    """
    guests = made.source.queries["id_user"].drop_nulls().sample(GUESTS, seed=0)
    ways = {
        "exhaustive": {"candidates": 10_000},
        "first cut": {},
        "two-tower proposes": {"whole_catalogue": 0},
    }
    value = {}
    for name, update in ways.items():
        settings = context.settings.recommendation.model_copy(update=update)
        changed = context.settings.model_copy(update={"recommendation": settings})
        found = recommended_on(replace(context, settings=changed), run, day, guests=guests).scored
        pairs = found.candidates
        lists = lists_by(name, pairs.query_C, pairs.listing_C, found.values)
        width = made.source.catalogue.height
        keys = pairs.query_C * width + pairs.listing_C
        at = np.searchsorted(keys, lists.query_R * width + lists.listing_R)
        first = lists.place_R <= 10
        discounts = 1 / np.log2(lists.place_R[first] + 1)
        value[name] = float((found.values[at][first] * discounts).sum())
    return {name: value[name] / value["exhaustive"] for name in ways if name != "exhaustive"}


def _auc(known: Any, predicted: Any) -> float:
    """P(a free pair stands above a taken one): the Mann-Whitney statistic."""
    ranks, free = rankdata(predicted), int(known.sum())
    taken = len(known) - free
    return float((ranks[known].sum() - free * (free + 1) / 2) / (free * taken))


def _print_means(worlds: list[Mapping[str, Mapping[str, float]]]) -> None:
    models = [m for m in worlds[-1] if all(m in world for world in worlds)]
    for model in models:
        print(f"\n{model}")
        for metric in worlds[-1][model]:
            values = [world[model].get(metric, np.nan) for world in worlds]
            line = f"  {metric:42s} {_interval(values)}"
            reference = [world.get(REFERENCE, {}).get(metric, np.nan) for world in worlds]
            if model not in (REFERENCE, "availability", "cut") and np.isfinite(reference).all():
                minus = [a - b for a, b in zip(reference, values, strict=True)]
                line += f"   recommendations − this {_interval(minus, signed=True)}"
                if min(values) > 0:
                    times = [a / b for a, b in zip(reference, values, strict=True)]
                    line += f"   × {_interval(times)}"
            print(line)


def _interval(values: list[float], *, signed: bool = False) -> str:
    mean, count = float(np.mean(values)), len(values)
    sign = "+" if signed else ""
    if count < 2:
        return f"{mean:{sign}.3f}"
    reach = float(t.ppf(0.975, count - 1) * np.std(values, ddof=1) / np.sqrt(count))
    return f"{mean:{sign}.3f} ({mean - reach:{sign}.3f} to {mean + reach:{sign}.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
