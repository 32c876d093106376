"""What retrieval finds of the whole catalogue, over several simulated worlds.

Every seed is a world of its own, trained and evaluated on its last day: of the listings that
guests took, how many are among the 100 retrieved, by popularity, by tuned ALS, by the two-tower
alone, and with each of the things that retrieval adds to it.

A figure is the mean over the worlds with Student's interval over them; ratios are made
within each world. SIMULATED data.

Run: python benchmarks/retrieval.py --seeds 0 1 2 3 4 --searches 60000
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.compute as pc
from over_worlds import mean_over_worlds

from data.time_split import Windows
from models.row_source import read, read_all
from models.two_tower.retrieval.retriever import PLAIN
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.retrieval_recall import CANDIDATES, RETRIEVED, retrieval_of
from pipelines.feature_table.arrow_conversion import frame_of
from pipelines.feature_table.build_table import build_features_table, feature_set_of
from pipelines.feature_table.training_rows import SplitRows, evaluation_rows
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.recommendation.candidate_retrieval import listing_prior, retriever_config
from pipelines.run_context import RunContext
from pipelines.training.exposure_policy import log_scores
from pipelines.training.run_record import load_models, read_record
from pipelines.training.train import train

Figures = dict[str, dict[str, float]]  # model → measure → value

MODELS = ("popularity", "als", "two_tower", "ranker")
# What each row of the table adds to the one above it.
STEPS: dict[str, tuple[str, ...]] = {
    "two_tower": (),
    "+ listing prior": ("prior_weight",),
    "+ what the guest met": ("prior_weight", "shown_bonus", "clicked_bonus"),
    "+ new listings (candidates)": (
        "prior_weight",
        "shown_bonus",
        "clicked_bonus",
        "new_bonus",
    ),
}
LAST = "+ new listings (candidates)"


def main() -> None:
    """Evaluate every world and print the means."""
    options = _arguments()
    worlds = []
    for seed in options.seeds:
        worlds.append(_evaluate_world(seed, options))
        print(json.dumps({"seed": seed, "figures": worlds[-1]}), flush=True)
    print(
        f"\nSIMULATED: {len(worlds)} worlds of {options.searches:,} searches, seeds {options.seeds}"
    )
    print(f"recall@{RETRIEVED} over the catalogue; mean over the worlds (95% Student interval)\n")
    _print_table(worlds)
    _print_ratios(worlds)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--searches", type=int, default=60_000)
    parser.add_argument("--small", action="store_true", help="two tiny worlds")
    options = parser.parse_args()
    if options.small:
        options.seeds, options.searches = [0, 1], 1_500
    return options


def _evaluate_world(seed: int, options: argparse.Namespace) -> Figures:
    small = {"two_tower": {"epochs": 1}, "ranker": {"max_rounds": 20}} if options.small else {}
    settings = load_settings(
        seed=seed, simulation={"searches": options.searches}, models=MODELS, **small
    )
    with tempfile.TemporaryDirectory() as folder:
        context = RunContext(home=Home(Path(folder)), settings=settings, console=Console())
        ingest_logs(context, [simulate_log(context)])
        build_features_table(context)
        record = read_record(context.home, train(context))
        models = load_models(context, record)
        rows = evaluation_rows(context, Windows(**record.windows), feature_set_of(context))
        valid = read_all(rows.valid)
        prior = listing_prior(valid, log_scores(models["ranker"].score(valid)))
        return _recalls(context, models, rows, prior)


def _recalls(
    context: RunContext, models: dict[str, Any], rows: SplitRows, prior: pl.DataFrame
) -> Figures:
    """Recall of what was taken: all, booked, per market, new and other listings."""
    figures: Figures = {}
    known = set(pc.unique(read(rows.train, ["id_listing"])["id_listing"]).to_pylist())
    for name, added in STEPS.items():
        # the other models do not change with what is added: they are read in the first step only
        retrievers = models if name == "two_tower" else {"two_tower": models["two_tower"]}
        recall = retrieval_of(_with_additions(context, added), retrievers, rows, prior=prior)
        if recall is None:
            raise SystemExit("nothing was taken on the test day; simulate more searches")
        for model, table in recall.retrieved.items():
            if (model == CANDIDATES) == (name == "two_tower"):
                continue
            label = name if model == CANDIDATES else model
            figures[label] = dict(_recall_by_group(recall.taken, frame_of(table), known))
    return figures


def _with_additions(context: RunContext, added: tuple[str, ...]) -> RunContext:
    """The context with these additions of the retrieval settings alone."""
    chosen = retriever_config(context)
    config = replace(PLAIN, **{name: getattr(chosen, name) for name in added})
    values = {name: value for name, value in asdict(config).items() if name != "index"}
    return replace(context, settings=context.settings.model_copy(update={"retrieval": values}))


def _recall_by_group(
    taken: pl.DataFrame, retrieved: pl.DataFrame, known: set[str]
) -> Iterator[tuple[str, float]]:
    """Per group of taken listings the recall, and under ``n NAME`` the searches with one.

    A search counts once, with the share of its taken listings that were retrieved.
    """
    pairs = retrieved.select("id_search", "id_listing", hit=pl.lit(1.0))
    rows = taken.join(pairs, on=["id_search", "id_listing"], how="left").with_columns(
        pl.col("hit").fill_null(0.0), pl.col("listing_is_new").fill_null(value=False)
    )
    booked, new = pl.col("stage") == 3, pl.col("listing_is_new")
    parts = {"taken": pl.lit(value=True), "booked": booked, "new": new, "not new": ~new}
    parts["unseen in training"] = ~pl.col("id_listing").is_in(list(known))
    for market in sorted(rows["market"].unique()):
        parts[f"taken, {market}"] = pl.col("market") == market
        parts[f"booked, {market}"] = booked & (pl.col("market") == market)
    for name, part in parts.items():
        shares = rows.filter(part).group_by("id_search").agg(pl.col("hit").mean())["hit"]
        yield name, float(shares.mean()) if len(shares) else float("nan")
        yield f"n {name}", float(len(shares))


def _print_table(worlds: list[Figures]) -> None:
    measures = [name for name in worlds[0]["als"] if not name.startswith("n ")]
    for measure in measures:
        counts = [world["als"].get(f"n {measure}", float("nan")) for world in worlds]
        number = "" if np.isnan(counts).all() else f" ({np.nansum(counts):,.0f} searches)"
        print(f"{measure}{number}")
        for model in worlds[0]:
            values = [world[model].get(measure, float("nan")) for world in worlds]
            if not np.isnan(values).any():
                print(f"  {model:28} {mean_over_worlds(values, digits=3)}")


def _print_ratios(worlds: list[Figures]) -> None:
    print("\nratios, made within each world")
    for model in ("two_tower", LAST):
        for measure in ("taken", "booked"):
            for rival in ("als", "als_with_memory"):
                ratios = [world[model][measure] / world[rival][measure] for world in worlds]
                told = mean_over_worlds(ratios, digits=3)
                print(f"  {model}, {measure}: from {rival} × {told}")
        cold = [world[model]["new"] / world[model]["not new"] for world in worlds]
        print(f"  {model}: new listings' recall / the others' {mean_over_worlds(cold, digits=3)}")
    names = [n for n in worlds[0][LAST] if n.startswith("booked, ")]
    for name in names:
        gaps = [world[LAST][name] - world["popularity"][name] for world in worlds]
        print(f"  {LAST}, {name}: from popularity {mean_over_worlds(gaps, sign='+', digits=3)}")


if __name__ == "__main__":
    main()
