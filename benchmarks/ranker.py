"""What lambdarank costs on top of bare LightGBM, side by side in one run.

    python benchmarks/ranker.py [--rows 400000] [--features 60] [--rounds 100] [--threads 2]

Bare means ``lgb.Dataset`` and ``lgb.train`` on the very matrix, labels, groups and
parameters that lambdarank arrives at, and ``Booster.predict`` on that matrix. Its own
time includes finding the searches with an action, ordering the rows, encoding the
categories and checking the columns. Runs alternate, the median of each side is compared;
processor time is printed beside the wall clock, since a busy machine stretches the latter.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Self

import lightgbm as lgb
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from data.schema.feature_set import Feature, FeatureSet
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.lightgbm_core.search_groups import searches_to_learn_from

SHOWN = 20
SMALL = {"rows": 20_000, "features": 20, "rounds": 20, "repeats": 1}
CATEGORIES = ("entire_home", "private_room", "shared_room", "hotel_room")


@dataclass(frozen=True)
class Cost:
    """Seconds of one run."""

    wall_s: float
    processor_s: float


def made_up(n_rows: int, n_features: int, seed: int) -> tuple[pa.Table, FeatureSet]:
    """Rows as models read them, 20 to a search; numbers with gaps, booleans, one category."""
    rng = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {}
    for i in range(n_features - 2):
        values = rng.normal(size=n_rows)
        columns[f"number_{i}"] = pa.array(values, mask=rng.random(n_rows) < 0.1)
    worth = sum(np.asarray(columns[f"number_{i}"].fill_null(0)) for i in range(5))
    columns["is_flag"] = pa.array(rng.random(n_rows) < 0.3)
    columns["category"] = pa.array(np.asarray(CATEGORIES, object)[rng.integers(4, size=n_rows)])
    draw = rng.random(n_rows)
    chance = 0.12 / (1 + np.exp(-worth))
    stage = np.select([draw < chance * 0.1, draw < chance * 0.2, draw < chance], [3, 2, 1], 0)
    search = np.arange(n_rows) // SHOWN
    identity = {
        "id_search": pa.array(np.char.add("s", search.astype(str)).astype(object), pa.string()),
        "id_listing": pa.array([f"l{i}" for i in rng.integers(20_000, size=n_rows)]),
        "stage": pa.array(stage.astype(np.int8)),
    }
    return pa.table(identity | columns), _feature_set(columns)


def _feature_set(columns: dict[str, pa.Array]) -> FeatureSet:
    kinds = {"is_flag": "boolean", "category": "category"}
    return FeatureSet(
        tuple(
            Feature(name=name, kind=kinds.get(name, "number"), meaning=name, null="not given")  # type: ignore[arg-type]
            for name in columns
        )
    )


def timed(work: Callable[[], object]) -> Cost:
    """Wall clock and processor time of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def alternate(
    ours: Callable[[], object], bare: Callable[[], object], repeats: int
) -> tuple[Cost, Cost]:
    """The medians of both sides, run in turn after one warm-up of each."""
    ours(), bare()
    runs = [(timed(ours), timed(bare)) for _ in range(repeats)]
    sides = zip(*runs, strict=True)
    mine, theirs = (
        Cost(median(c.wall_s for c in side), median(c.processor_s for c in side)) for side in sides
    )
    return mine, theirs


class Peak:
    """How far the process's memory rises above where it was; ``rise`` in MB after the block."""

    def __enter__(self) -> Self:
        gc.collect()
        self.process, self.done = psutil.Process(), threading.Event()
        self.before = self.top = self.process.memory_info().rss
        self.watch = threading.Thread(target=self._watch, daemon=True)
        self.watch.start()
        return self

    def _watch(self) -> None:
        while not self.done.wait(0.002):
            self.top = max(self.top, self.process.memory_info().rss)

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.watch.join()
        self.rise = (self.top - self.before) / 1e6


def memory_of(side: str, folder: Path) -> None:
    """What training adds to the rows in memory, beside the binned data (a byte per value).

    In a process of its own, which has read the rows and done nothing else.
    """
    rows, features = pq.read_table(folder / "rows.parquet"), FeatureSet.load(folder / "set.json")
    config = LambdaRankConfig(rounds_without_validation=10)
    if side == "lambdarank":
        with Peak() as peak:
            LambdaRank(features, config).fit(rows, rows.slice(0, 0))
        used = searches_to_learn_from(rows).count.rows
    else:
        used, matrix = rows.num_rows, rows.select(list(features.names))
        matrix = matrix.set_column(
            matrix.column_names.index("category"), "category",
            pa.array(np.zeros(used, dtype=np.int32)),
        )  # fmt: skip
        groups = np.unique(rows["id_search"].to_numpy(), return_counts=True)[1]
        with Peak() as peak:
            data = lgb.Dataset(
                matrix, label=rows["stage"].to_numpy(), group=groups, params=config.parameters()
            )
            lgb.train(config.parameters(), data, num_boost_round=10)
    binned = used * len(features) / 1e6
    print(
        f"memory    {side:<7} adds {peak.rise:6.0f} MB to its rows, {peak.rise / binned:.1f} times "
        f"the binned data ({binned:.0f} MB)"
    )


def report_memory(rows: pa.Table, features: FeatureSet) -> None:
    """Both sides, each in a fresh process."""
    with tempfile.TemporaryDirectory() as name:
        pq.write_table(rows, Path(name) / "rows.parquet")
        features.save(Path(name) / "set.json")
        for side in ("lambdarank", "bare"):
            subprocess.run([sys.executable, __file__, "--memory-of", side, name], check=True)


def report(name: str, mine: Cost, theirs: Cost) -> None:
    """One line: both sides and what ours adds."""
    wall = mine.wall_s / theirs.wall_s - 1
    processor = mine.processor_s / theirs.processor_s - 1
    print(
        f"{name:<9} lambdarank {mine.wall_s:7.3f} s ({mine.processor_s:7.3f} s processor)   "
        f"bare {theirs.wall_s:7.3f} s ({theirs.processor_s:7.3f} s)   "
        f"wall {wall:+6.1%}   processor {processor:+6.1%}"
    )


def compare(rows: pa.Table, features: FeatureSet, config: LambdaRankConfig, repeats: int) -> None:
    """Train and score, ours against bare."""
    none, rounds = rows.slice(0, 0), config.rounds_without_validation
    ranker = LambdaRank(features, config).fit(rows, none)
    searches = searches_to_learn_from(rows)
    learnt = ranker.matrix.encode(searches.rows, model="lambdarank")
    label = pa.chunked_array([pa.array(searches.stages.astype(np.float32))])
    groups = searches.groups.astype(np.int32)

    def bare_train() -> object:
        data = lgb.Dataset(
            learnt, label=label, group=groups, categorical_feature=["category"],
            params=config.parameters(),
        )  # fmt: skip
        return lgb.train(config.parameters(), data, num_boost_round=rounds)

    matrix, booster = ranker.matrix.encode(rows, model="lambdarank"), ranker.boosters[0]
    print(
        f"{rows.num_rows} rows, {len(features)} features, "
        f"{searches.count.searches} searches with an action ({searches.count.rows} rows), "
        f"{rounds} trees, {config.threads} thread(s)"
    )
    train = alternate(lambda: LambdaRank(features, config).fit(rows, none), bare_train, repeats)
    report("training", *train)
    report_memory(rows, features)
    bare_scores = np.asarray(booster.predict(matrix, num_threads=config.threads))
    if not np.array_equal(bare_scores, ranker.score(rows)):
        raise SystemExit("lambdarank's scores differ from bare LightGBM's")
    predict = lambda: booster.predict(matrix, num_threads=config.threads)  # noqa: E731
    mine, theirs = alternate(lambda: ranker.score(rows), predict, repeats + 2)
    report("scoring", mine, theirs)
    print(f"scoring at {theirs.wall_s / mine.wall_s:.1%} of bare predict's rate; equal scores")


def main() -> int:
    """Read the arguments and compare."""
    parser = argparse.ArgumentParser(description="lambdarank beside bare LightGBM")
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--features", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a few seconds' size")
    parser.add_argument("--memory-of", nargs=2, metavar=("SIDE", "FOLDER"), help="used inside")
    arguments = parser.parse_args()
    if arguments.memory_of:
        memory_of(arguments.memory_of[0], Path(arguments.memory_of[1]))
        return 0
    if arguments.small:
        vars(arguments).update(SMALL)
    rows, features = made_up(arguments.rows, arguments.features, seed=1)
    config = LambdaRankConfig(rounds_without_validation=arguments.rounds, threads=arguments.threads)
    compare(rows, features, config, arguments.repeats)
    return 0


if __name__ == "__main__":
    sys.exit(main())
