"""Is drift flagged where there is some, and only there?

    python benchmarks/drift.py --searches 5000 --seeds 0 1 2 3 4 5 6

Simulates a week per scenario and seed, ingests it, builds the features, and measures
data quality and drift. Prints per week how many measures are flagged, the first day, and
which features: none in ``default``; in ``drift`` the price features, from the fifth day on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import tempfile
import time
from pathlib import Path

import polars as pl

from data.schema.tables import QUALITY
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.ingestion.simulate_log import simulate_log
from pipelines.monitoring.monitor import monitor
from pipelines.run_context import RunContext

SCENARIOS = ("default", "drift")


def week(scenario: str, seed: int, searches: int, folder: Path) -> tuple[pl.DataFrame, float]:
    """The quality table of one simulated week, and the seconds that measuring it took."""
    settings = load_settings(seed=seed, simulation={"searches": searches, "scenario": scenario})
    context = RunContext(home=Home(folder), settings=settings, console=Console())
    ingest_logs(context, [simulate_log(context)])
    build_features_table(context)
    since = time.perf_counter()
    monitor(context)
    return context.lake.scan(QUALITY.name).collect(), time.perf_counter() - since


def summary(quality: pl.DataFrame) -> str:
    """One line: how many measures are flagged, from which day, and which."""
    flagged = quality.filter("is_flagged").sort("ds")
    # Null: a measure that was not checked, for want of days to compare with.
    checked = quality.filter(pl.col("is_flagged").is_not_null()).height
    if flagged.is_empty():
        return f"0 of {checked:,} flagged"
    names = ", ".join(flagged["name"].unique().sort())
    return f"{flagged.height} of {checked:,} flagged, from {flagged['ds'][0]}: {names}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--searches", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--small", action="store_true", help="one small week of each")
    arguments = parser.parse_args()
    seeds, searches = ([0], 2_000) if arguments.small else (arguments.seeds, arguments.searches)
    for scenario in SCENARIOS:
        for seed in seeds:
            quiet = contextlib.redirect_stdout(io.StringIO())
            with (
                tempfile.TemporaryDirectory() as folder,
                quiet,
                contextlib.redirect_stderr(io.StringIO()),
            ):
                quality, seconds = week(scenario, seed, searches, Path(folder))
            print(f"{scenario:8} seed {seed}: {summary(quality)} ({seconds:.1f} s)", flush=True)


if __name__ == "__main__":
    main()
