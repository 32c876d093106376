"""Large simulated worlds as Parquet: what the ranker's benchmarks train and test on.

Every seed is a world of its own. Days 2 to 5 are learnt from (the first gives the
history), day 6 validates, day 7 is the test day; labels of days 2 to 6 are those known on day
7. The truth is joined onto every row: a benchmark may look at it, a model never gets it.
On the test day P(book | observables) is the converged one.

Of a world that is too large to be held, the clicked rows to learn from are kept with a share of
the others (what the funnel's click stage takes anyway), and a share of the test day's searches.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from data.schema.feature_set import FeatureSet
from data.schema.tables import IMPRESSIONS, TRUTH
from features.all_features import available_features
from features.build_in_blocks import build_by_day
from features.labels import lower_labels
from models.lightgbm_core.search_groups import downsample_unclicked
from models.ranking_order import hashed_ids
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.evaluation.row_truth import row_truth
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_to
from pipelines.run_context import RunContext

__all__ = ["Sampling", "World", "prepared_world"]

FIRST_DAY_LEARNT = 1
KEY = ["id_search", "id_listing"]
# They cost a third of the build's time, and the ranker hardly uses them.
LEFT_OUT = ("market", "co_engagement")


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Which share of a world's rows is kept.

    Attributes:
        unclicked_share: of the rows to learn from that nobody clicked, chosen as the funnel
            does with ``seed``.
        test_share: of the searches of the last day.
    """

    unclicked_share: float = 1.0
    test_share: float = 1.0
    seed: int = 1


@dataclass(frozen=True)
class World:
    """One world's rows: with labels as known when training, and as they came in the end."""

    seed: int
    features: FeatureSet
    train: pa.Table
    valid: pa.Table
    test: pa.Table


def prepared_world(
    seed: int,
    searches: int,
    work: Path,
    sampling: Sampling | None = None,
    *,
    scenario: str = "default",
) -> World:
    """Simulate, ingest and build a world, unless ``work`` has it already; by default all of it."""
    named = "world" if scenario == "default" else scenario
    folder = work / f"{named}_{seed}_{searches}"
    if not (folder / "features.json").is_file():
        _prepare((scenario, seed, searches), folder, sampling or Sampling())
    train, valid, test = (
        pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob(f"{part}_*.parquet")))
        for part in ("train", "valid", "test")
    )
    return World(seed, FeatureSet.load(folder / "features.json"), train, valid, test)


def _prepare(world: tuple[str, int, int], folder: Path, sampling: Sampling) -> None:
    scenario, seed, searches = world
    shutil.rmtree(folder, ignore_errors=True)
    context = RunContext(Home(folder / "home"), load_settings(seed=seed), Console())
    log = context.home.prepare().root / "simulated"
    simulate_to(
        context.console, log, searches=searches, seed=seed, scenario=scenario, with_position=True
    )
    ingest_logs(context, [log / "log"])
    features = _build(context, folder, sampling)
    shutil.rmtree(folder / "home")
    features.save(folder / "features.json")


def _build(context: RunContext, folder: Path, sampling: Sampling) -> FeatureSet:
    impressions = context.lake.scan(IMPRESSIONS.name)
    days = impressions.select(pl.col("search_day").unique()).collect()["search_day"].sort()
    features = available_features(dict(impressions.collect_schema())).without(LEFT_OUT)
    extra = impressions.select(*KEY, "position", "is_random_order").join(
        context.lake.scan(TRUTH.name).select(*KEY, "^p_.*$"), on=KEY, how="left"
    )
    numbers = [pl.col(f.name).cast(pl.Float32) for f in features if f.kind == "number"]
    learnt = days.to_list()[FIRST_DAY_LEARNT:]
    with context.console.step("building features") as moved:
        for done, block in enumerate(build_by_day(impressions, learnt, features=features), start=1):
            wanted = block.rows.lazy().with_columns(numbers).join(extra, on=KEY, how="left")
            built = wanted.collect(engine="streaming")
            for (day,), rows in built.partition_by("search_day", as_dict=True).items():
                name, part = _part(arrow(rows), day, learnt, sampling)
                if name == "test":
                    part = _with_converged_truth(context, part)
                pq.write_table(part, folder / f"{name}_{day}_{done:03d}.parquet")
            moved(learnt.index(block.last_day) + 1, len(learnt))
    return features


def _with_converged_truth(context: RunContext, rows: pa.Table) -> pa.Table:
    truth = row_truth(context, rows)
    if truth is None:
        raise ValueError("the world of these rows is not known")
    for name, chances in truth.items():
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(chances))
    return rows


def _part(rows: pa.Table, day: int, learnt: list[int], sampling: Sampling) -> tuple[str, pa.Table]:
    """Which part of the world the rows of a day belong to, and what of them is kept."""
    if day == learnt[-1]:
        is_drawn = hashed_ids(rows["id_search"]) / 2.0**64 < sampling.test_share
        return "test", rows.filter(pa.array(is_drawn))
    known = lower_labels(rows, learnt[-1])
    if day == learnt[-2]:
        return "valid", known
    return "train", downsample_unclicked(known, share=sampling.unclicked_share, seed=sampling.seed)
