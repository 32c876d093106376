"""How close the ranker comes to the best order that the observables allow: G over several worlds.

Every seed is a simulated world of its own, large enough that its last day shows a million
listings. Days 3 to 5 are learnt from (the first two give the history), day 6 validates, day
7 is judged; labels are those known when training. Printed: G@10 on observables of every order,
over all searches, by market, and over the new listings alone (how well they are ordered
among themselves), as means over the worlds with Student's 95% intervals. SIMULATED data.

    python benchmarks/ranker_claims.py --seeds 1 2 3 4 5 --searches 390000 --work DIR

What is made is kept in DIR, so that a crash costs one world at most: rows as Parquet, and
figures as JSON. A world takes 10 to 15 minutes and 8 GB on two cores.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from data.contract import IMPRESSIONS, TRUTH
from data.feature_set import FeatureSet
from features.build import available_features
from features.days import build_by_day
from features.funnel import lower_labels
from pipelines.console import Console
from pipelines.home import Home
from pipelines.settings import load_settings
from pipelines.steps.arrow import arrow
from pipelines.steps.context import RunContext
from pipelines.steps.ingesting import ingest_logs
from pipelines.steps.simulating import simulate_to

FIRST_DAY_LEARNT = 2
# They cost a third of the build's time, and the ranker hardly uses them.
LEFT_OUT = ("market", "co_engagement")
KEY = ["id_search", "id_listing"]


def prepare(seed: int, asked: argparse.Namespace) -> Path:
    """Simulate, ingest and build one world; its rows by window, as Parquet."""
    folder = asked.work / f"world_{seed}_{asked.searches}"
    if (folder / "features.json").is_file():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    context = RunContext(Home(folder / "home"), load_settings(seed=seed), Console())
    log = context.home.prepare().root / "simulated"
    simulate_to(
        context.console, log, searches=asked.searches, seed=seed, scenario="default",
        with_position=True,
    )  # fmt: skip
    ingest_logs(context, [log / "log"])
    features = _build(context, folder)
    shutil.rmtree(folder / "home")
    features.save(folder / "features.json")
    return folder


def _build(context: RunContext, folder: Path) -> FeatureSet:
    impressions = context.lake.scan(IMPRESSIONS.name)
    days = impressions.select(pl.col("search_day").unique()).collect()["search_day"].sort()
    features = available_features(dict(impressions.collect_schema())).without(LEFT_OUT)
    extra = impressions.select(*KEY, "position", "is_random_order").join(
        context.lake.scan(TRUTH.name).select(*KEY, "^p_.*$"), on=KEY, how="left"
    )
    numbers = [pl.col(f.name).cast(pl.Float32) for f in features if f.kind == "number"]
    learnt = days.to_list()[FIRST_DAY_LEARNT:]
    with context.console.step("building features") as moved:
        built = build_by_day(impressions, learnt, features=features)
        for done, (day, frame) in enumerate(built, start=1):
            wanted = frame.to_native().with_columns(numbers).join(extra, on=KEY, how="left")
            rows = wanted.collect(engine="streaming")
            is_test = day == learnt[-1]
            known = arrow(rows) if is_test else lower_labels(arrow(rows), learnt[-1])
            pq.write_table(known, folder / ("test.parquet" if is_test else f"known_{done}.parquet"))
            moved(done, len(learnt))
    return features


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--searches", type=int, default=390_000)
    parser.add_argument("--work", type=Path, required=True)
    asked = parser.parse_args()
    for seed in asked.seeds:
        prepare(seed, asked)
    return 0


if __name__ == "__main__":
    sys.exit(main())
