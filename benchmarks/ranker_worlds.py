"""Large simulated worlds as Parquet: what the ranker's benchmarks learn from and are judged on.

Every seed is a world of its own. Days 2 to 5 are learnt from (the first gives the
history), day 6 validates, day 7 is judged; labels of days 3 to 6 are those known on day 7.
The truth is joined onto every row: a benchmark may look at it, a model never gets it.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
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

__all__ = ["World", "prepared_world"]

FIRST_DAY_LEARNT = 1
KEY = ["id_search", "id_listing"]
# They cost a third of the build's time, and the ranker hardly uses them.
LEFT_OUT = ("market", "co_engagement")


@dataclass(frozen=True)
class World:
    """One world's rows: with labels as known when training, and as they came in the end."""

    seed: int
    features: FeatureSet
    train: pa.Table
    valid: pa.Table
    test: pa.Table


def prepared_world(seed: int, searches: int, work: Path) -> World:
    """Simulate, ingest and build a world, unless ``work`` has it already."""
    folder = work / f"world_{seed}_{searches}"
    if not (folder / "features.json").is_file():
        _prepare(seed, searches, folder)
    days = sorted(folder.glob("known_*.parquet"))
    train = pa.concat_tables([pq.read_table(path) for path in days[:-1]])
    return World(
        seed=seed,
        features=FeatureSet.load(folder / "features.json"),
        train=train,
        valid=pq.read_table(days[-1]),
        test=pa.concat_tables(pq.read_table(f) for f in sorted(folder.glob("test_*.parquet"))),
    )


def _prepare(seed: int, searches: int, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    context = RunContext(Home(folder / "home"), load_settings(seed=seed), Console())
    log = context.home.prepare().root / "simulated"
    simulate_to(
        context.console, log, searches=searches, seed=seed, scenario="default", with_position=True
    )
    ingest_logs(context, [log / "log"])
    features = _build(context, folder)
    shutil.rmtree(folder / "home")
    features.save(folder / "features.json")


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
        for done, block in enumerate(built, start=1):
            wanted = block.rows.lazy().with_columns(numbers).join(extra, on=KEY, how="left")
            rows = arrow(wanted.collect(engine="streaming"))
            is_test = block.last_day == learnt[-1]
            name = f"test_{done}.parquet" if is_test else f"known_{done}.parquet"
            pq.write_table(rows if is_test else lower_labels(rows, learnt[-1]), folder / name)
            moved(learnt.index(block.last_day) + 1, len(learnt))
    return features
