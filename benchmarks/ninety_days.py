"""Ninety simulated days of the daily batch: disk, memory and the cost of a daily at their end.

One home, one small simulated log a day, the retention of ``[keep]`` shortened so that its steady
state is reached early (``--keep``). A day of the simulation takes seconds, so the clock cannot age
anything: after each day every file of the home is made one day older, and MLflow's runs with it.
Old versions of tables are dropped at once, since Delta's own tombstones cannot be aged; in life
they stay for ``batch.keep_days``. SIMULATED data.

The batches run in this one process, so that memory which a daily does not give back adds up;
``stayrank schedule`` starts a process for each. Prefect's records are not made here: its server
drops them by itself.

Run: python benchmarks/ninety_days.py --days 90 --searches 100
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from data.lake import retention
from data.simulator import SimulationConfig, write_simulation
from pipelines.batch import table_maintenance
from pipelines.batch.daily import DAILY
from pipelines.batch.journal import Batch
from pipelines.batch.run_batch import new_id, run_batch
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings, load_settings
from pipelines.run_context import RunContext

FIRST_DAY = date(2026, 1, 12)
DAY_S = 86_400
MEGABYTE = 1e6
# The smallest models that every stage still does its real work with.
SMALL: dict[str, Any] = {
    "evaluation": {"replicates": 100},
    "recommendation": {"top": 5, "candidates": 20},
    "models": ("popularity", "two_tower", "lambdarank", "ranker"),
    "two_tower": {"epochs": 1, "dimension": 8, "hidden": 16},
    "lambdarank": {"max_rounds": 10, "patience": 5},
    "ranker": {"max_rounds": 10, "patience": 5},
    "batch": {"notebooks": False, "settle_s": 0, "keep_days": 1},
}


def main() -> None:
    """Run the days; print a line for each, and how the last third compares with the middle."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        days = list(_run(Path(folder), arguments))
    third = max(1, len(days) // 3)
    print(
        f"\nSIMULATED: {len(days)} days, {arguments.searches} searches a week, SHA of no real log"
    )
    for name in ("disk_mb", "memory_mb", "cpu_s"):
        middle, last = (_mean(days[-2 * third : -third], name), _mean(days[-third:], name))
        print(f"{name:10} middle third {middle:8.1f}   last third {last:8.1f}")
    if arguments.out:
        arguments.out.write_text(json.dumps(days, indent=1) + "\n")


def _run(folder: Path, arguments: argparse.Namespace) -> Iterator[dict[str, float]]:
    """The measures of each day, in its order."""
    context = _context(folder / "home", _settings(arguments.keep))
    _drop_versions_at_once()
    started = time.monotonic()
    for number in range(arguments.days):
        log_day = FIRST_DAY + timedelta(days=number + 6)
        if number % 7 == 0:
            logs = _week(folder / "logs", FIRST_DAY + timedelta(days=number), arguments.searches)
            _deliver(context, logs, first=number == 0, last=log_day)
        elif (log := folder / "logs" / f"{log_day}.parquet").exists():
            _deliver(context, [log], first=False, last=log_day)
        before = time.process_time()
        batch = Batch(context=context, kind="daily", day=log_day + timedelta(days=1), id=new_id())
        run_batch(batch, DAILY)
        _age(context.home)
        yield _measures(context.home, number, before)
        if time.monotonic() - started > arguments.most_s:
            return


def _week(folder: Path, first: date, searches: int) -> list[Path]:
    """The logs of the week that begins six days after ``first`` (of both weeks at the start)."""
    folder.mkdir(exist_ok=True)
    starts = [first, first + timedelta(days=7)] if first == FIRST_DAY else [first + timedelta(7)]
    for start in starts:
        config = SimulationConfig(searches=searches, seed=7, start=start, listings=300)
        write_simulation(config, folder / "week", file_format="parquet")
        for path in sorted((folder / "week" / "log").glob("*.parquet")):
            own = pl.col("id_search").str.replace("simS", f"simS{start:%y%m%d}w", literal=True)
            pl.read_parquet(path).with_columns(own).write_parquet(folder / path.name)
        shutil.rmtree(folder / "week")
    return sorted(folder.glob("*.parquet"))


def _deliver(context: RunContext, logs: list[Path], *, first: bool, last: date) -> None:
    """Move to the inbox the log of the last day, and at the start those of the days before it."""
    inbox = context.home.root / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    for log in logs:
        day = date.fromisoformat(log.stem)
        if day == last or (first and day < last):
            shutil.move(log, inbox / log.name)


def _drop_versions_at_once() -> None:
    drop = retention.drop_old_versions

    def at_once(*given: Any, **named: Any) -> int:
        return drop(*given, **{**named, "keep_days": 0})

    setattr(table_maintenance, "drop_old_versions", at_once)  # noqa: B010  # for mypy


def _age(home: Home) -> None:
    """Make every file one day older, and every run of MLflow."""
    for path in home.root.rglob("*"):
        status = path.lstat()
        os.utime(path, (status.st_atime, status.st_mtime - DAY_S), follow_symlinks=False)
    with closing(sqlite3.connect(home.mlflow_database)) as database, database:
        database.execute(
            "UPDATE runs SET start_time = start_time - ?, end_time = end_time - ?",
            (DAY_S * 1000, DAY_S * 1000),
        )


def _measures(home: Home, number: int, before: float) -> dict[str, float]:
    sizes = {part.name: _size(part) / MEGABYTE for part in home.root.iterdir()}
    measures = {
        "day": number + 1,
        "disk_mb": sum(sizes.values()),
        "memory_mb": psutil.Process().memory_info().rss / MEGABYTE,
        "cpu_s": time.process_time() - before,
    }
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:6]
    words = "  ".join(f"{name} {size:.1f}" for name, size in largest)
    line = "  ".join(f"{name} {value:.1f}" for name, value in measures.items())
    print(f"{line}  |  {words}", flush=True)
    return measures | sizes


def _size(part: Path) -> int:
    files = part.rglob("*") if part.is_dir() else [part]
    return sum(path.lstat().st_size for path in files if not path.is_dir())


def _mean(days: list[dict[str, float]], name: str) -> float:
    return sum(day[name] for day in days) / max(1, len(days))


def _settings(keep: int) -> Settings:
    kinds = ("reports", "logs", "batches", "taken", "refused", "mlflow", "recommendations")
    days = {f"{kind}_days": max(7, keep) for kind in kinds}
    return load_settings(**SMALL, keep={**days, "history_days": 2 * keep, "runs": 2})


def _context(root: Path, settings: Settings) -> RunContext:
    quiet = Console()
    return RunContext(home=Home(root).prepare(), settings=settings, console=quiet)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--searches", type=int, default=100, help="in a simulated week")
    parser.add_argument("--keep", type=int, default=14, help="days of every kind; the log's twice")
    parser.add_argument("--most-s", type=float, default=float("inf"), help="stop after seconds")
    parser.add_argument("--small", action="store_true", help="three days")
    parser.add_argument("--out", type=Path, help="write the measures of each day as JSON")
    arguments = parser.parse_args()
    if arguments.small:
        arguments.days = 3
    return arguments


if __name__ == "__main__":
    main()
