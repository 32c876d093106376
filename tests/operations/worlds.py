"""Two simulated weeks of one world, a file a day, and the shortest way to run a batch."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from data.lake.store import Lake
from data.schema.tables import RECOMMENDATIONS
from data.simulator import SimulationConfig, write_simulation
from pipelines.batch.daily import DAILY
from pipelines.batch.journal import Batch
from pipelines.batch.run_batch import new_id, run_batch
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext

# The smallest models that every stage still does its real work with.
SMALL = {
    "seed": 7,
    "evaluation": {"replicates": 100},
    "recommendation": {"top": 5, "candidates": 20},
    "models": ("random", "popularity", "two_tower", "lambdarank", "ranker"),
    "two_tower": {"epochs": 1, "dimension": 8, "hidden": 16},
    "lambdarank": {"max_rounds": 10, "patience": 5},
    "ranker": {"max_rounds": 10, "patience": 5},
    # They have tests of their own, and take a minute each.
    "batch": {"notebooks": False, "settle_s": 0},
}
FIRST_DAY = date(2026, 1, 12)
# The first day that a daily batch runs for: the second week's first log is of the day before.
FIRST_BATCH = date(2026, 1, 20)
SEARCHES_A_WEEK = 700


class TwoWeeks:
    """The logs of two weeks: the same guests and listings, searches of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def log(self, day: date) -> Path:
        """The file of one day, 2026-01-12 to 2026-01-25."""
        return self.folder / f"{day.isoformat()}.parquet"

    def first_week(self) -> list[Path]:
        return [self.log(FIRST_DAY + timedelta(days=n)) for n in range(7)]


def simulate_two_weeks(folder: Path, searches: int) -> TwoWeeks:
    """Write the two weeks into ``folder``, a file a day."""
    folder.mkdir(parents=True, exist_ok=True)
    for week in range(2):
        config = SimulationConfig(
            searches=searches, seed=7, start=FIRST_DAY + timedelta(days=7 * week), listings=300
        )
        out = folder / f"week{week}"
        write_simulation(config, out, file_format="parquet")
        for path in sorted((out / "log").glob("*.parquet")):
            rows = pl.read_parquet(path)
            own = pl.col("id_search").str.replace("simS", f"simS{week}w", literal=True)
            rows.with_columns(own).write_parquet(folder / path.name)
        shutil.rmtree(out)
    return TwoWeeks(folder)


def context_in(root: Path, settings: Settings) -> RunContext:
    return RunContext(home=Home(root), settings=settings, console=Console())


def deliver(context: RunContext, *logs: Path) -> None:
    """Put logs into the home's inbox."""
    inbox = context.home.root / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    for log in logs:
        shutil.copy(log, inbox / log.name)


def daily(context: RunContext, day: date = FIRST_BATCH, *, again: bool = False) -> Batch:
    """The daily batch of a day, without Prefect."""
    batch = Batch(context=context, kind="daily", day=day, id=new_id())
    return run_batch(batch, DAILY, again=again)


def published_rows(home: Home) -> pl.DataFrame:
    """What guests are shown: the rows that the published pointer names."""
    published = read_published(home)
    assert published is not None
    rows = Lake(home.root).scan(RECOMMENDATIONS.name, version=published.version)
    return rows.filter(pl.col("ds") == date.fromisoformat(published.ds)).collect()
