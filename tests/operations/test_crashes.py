"""Killed at forty moments across every stage, two days, a training and a backfill end the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import polars.testing
import pytest

from data.errors import DataError
from data.lake.store import Lake
from pipelines.config.home import Home
from pipelines.recommendation.published_pointer import read_published
from pipelines.tracking.tracking import Tracking
from tests.operations.worlds import TwoWeeks, published_rows

pytestmark = [pytest.mark.operations, pytest.mark.timeout(900)]

KILLS = 40
SEED = 20
# Tables of which every row must come out the same, with what may differ left out: the
# names of runs and versions count the attempts, and times are times.
COMPARED = {
    "impressions": ["source_line", "id_search", "id_listing", "stage"],
    "quarantine": ["source_id", "source_line", "reasons"],
    "ingests": ["source_id", "rows_in", "rows_accepted"],
    "features": None,
    "recommendations": ["id_search", "rank", "id_listing", "score", "market", "ds"],
    "scores": ["id_search", "id_listing", "split", "model", "score"],
}


@dataclass
class Attempt:
    """One start: the stages it reached, when, and how it ended (-9: killed)."""

    stages: list[tuple[str, float]] = field(default_factory=list)
    status: int = 0


class Driver:
    """The process that forks attempts; see ``crash_driver``."""

    def __init__(self, home: Path, logs: TwoWeeks, order: Sequence[str] = ()) -> None:
        self.order = list(order)
        command = [sys.executable, "-m", "tests.operations.crash_driver", str(home)]
        self.errors = home.with_suffix(".err").open("w")
        self.process = subprocess.Popen(
            [*command, str(logs.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
        )

    def attempt(self, kill: tuple[str, float] | None) -> Attempt:
        """Start; kill so many seconds after the stage has begun, or let it end.

        A stage that an earlier attempt finished just before its kill does not begin
        again: then the seconds count from the first stage that does.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        attempt, child, started = Attempt(), 0, time.monotonic()
        for line in self.process.stdout:
            word, _, rest = line.strip().partition(" ")
            if word == "child":
                child = int(rest)
            elif word == "stage":
                attempt.stages.append((rest, time.monotonic() - started))
                if kill is not None and self._is_time(kill[0], attempt):
                    threading.Timer(kill[1], _kill, (child,)).start()
            elif word == "ended":
                attempt.status = int(rest)
                return attempt
        raise AssertionError(Path(self.errors.name).read_text()[-3000:])

    def _is_time(self, stage: str, attempt: Attempt) -> bool:
        reached = [name for name, _ in attempt.stages]
        is_past = self.order.index(reached[0]) > self.order.index(stage)
        return reached[-1] == stage or (is_past and len(reached) == 1)

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self.process.wait(60)
        self.errors.close()


def _kill(process: int) -> None:
    # The child may have come to its end by itself in the meantime.
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@contextmanager
def _driver(home: Path, logs: TwoWeeks, order: Sequence[str] = ()) -> Iterator[Driver]:
    driver = Driver(home, logs, order)
    try:
        yield driver
    finally:
        driver.close()


class Reader:
    """Polls what guests and analysts read, and lists the faults that it sees."""

    def __init__(self, home: Path, rows_of_day: dict[Any, int]) -> None:
        self.home, self.rows_of_day = home, rows_of_day
        self.faults: list[str] = []
        self.polls = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *given: object) -> None:
        self._stop.set()
        self._thread.join()

    def _poll(self) -> None:
        while not self._stop.wait(0.05):
            try:
                self._look(Lake(self.home))
            except DataError as error:
                # A table that is being made for the first time is not there yet.
                if "there is no table" not in str(error):
                    self.faults.append(str(error))
            self.polls += 1

    def _look(self, lake: Lake) -> None:
        if lake.exists("impressions"):
            days = lake.scan("impressions").group_by("ds_search").len().collect()
            for day, rows in days.iter_rows():
                if rows != self.rows_of_day[day]:
                    self.faults.append(f"impressions of {day}: {rows}")
        if read_published(Home(self.home)) is not None:
            published = read_published(Home(self.home))
            rows = published_rows(Home(self.home))
            if published == read_published(Home(self.home)) and rows.height != published.rows:
                self.faults.append(f"published {published}: {rows.height} rows")


def _plan(undisturbed: Attempt) -> list[tuple[str, float]]:
    """Stage and seconds after its beginning: each stage once, then by their length."""
    rng = np.random.default_rng(SEED)
    names = [name for name, _ in undisturbed.stages]
    begun = [at for _, at in undisturbed.stages]
    lasted = np.diff([*begun, begun[-1] + 0.3])
    more = rng.choice(len(names), size=max(0, KILLS - len(names)), p=lasted / lasted.sum())
    chosen = sorted([*range(len(names)), *map(int, more)])
    return [(names[place], float(rng.uniform(0.05, 0.9) * lasted[place])) for place in chosen]


def _table(home: Path, table: str) -> pl.DataFrame:
    rows = Lake(home).scan(table)
    columns = COMPARED[table] or sorted(rows.collect_schema().names())
    return rows.select(columns).collect().sort(columns)


def _mlflow(home: Path) -> tuple[Counter[str], dict[str, dict[str, float]], Counter[str]]:
    """Finished runs by name, their quality, and the others by status."""
    tracking = Tracking.open(Home(home))
    tracking.end_abandoned()
    runs = tracking.client.search_runs([tracking.experiment_id], max_results=1000)
    ended = {run.info.run_id for run in runs if run.info.status == "FINISHED"}
    # What a killed training had finished stays under its killed parent, and counts no more.
    parents = {run.info.run_id: run.data.tags.get("mlflow.parentRunId") for run in runs}
    done = [
        run
        for run in runs
        if run.info.run_id in ended and parents[run.info.run_id] in (None, *ended)
    ]
    figures = {
        f"{run.info.run_name} {place}": {
            name: value for name, value in run.data.metrics.items() if name.startswith("test.")
        }
        for place, run in enumerate(sorted(done, key=lambda run: run.info.start_time))
    }
    others = Counter(run.info.status for run in runs if run.info.status != "FINISHED")
    return Counter(run.info.run_name for run in done), figures, others


def test_killed_at_any_moment_the_days_end_as_undisturbed(
    tmp_path: Path, two_weeks: TwoWeeks, capsys: pytest.CaptureFixture[str]
) -> None:
    calm, killed = tmp_path / "calm", tmp_path / "killed"
    with _driver(calm, two_weeks) as driver:
        undisturbed = driver.attempt(None)
    assert undisturbed.status == 0, calm.with_suffix(".err").read_text()[-3000:]
    rows_of_day = {
        pl.read_parquet(path)["ds_search"][0]: pl.read_parquet(path).height
        for path in two_weeks.folder.glob("*.parquet")
    }
    attempts: list[Attempt] = []
    plan = _plan(undisturbed)
    order = [name for name, _ in undisturbed.stages]
    with _driver(killed, two_weeks, order) as driver, Reader(killed, rows_of_day) as reader:
        attempts += [driver.attempt(kill) for kill in plan]
        attempts.append(driver.attempt(None))
    assert attempts[-1].status == 0, killed.with_suffix(".err").read_text()[-3000:]
    assert reader.faults == []
    for table in COMPARED:
        found, expected = _table(killed, table), _table(calm, table)
        is_exact = table == "recommendations"  # to the last bit
        pl.testing.assert_frame_equal(found, expected, abs_tol=1e-9, check_exact=is_exact)
    (names, figures, _), (expected_names, expected_figures, _) = _mlflow(killed), _mlflow(calm)
    assert names == expected_names
    for run, metrics in expected_figures.items():
        assert figures[run] == pytest.approx(metrics, abs=1e-6), run
    _show(capsys, attempts, plan, reader)


def _show(
    capsys: pytest.CaptureFixture[str],
    attempts: list[Attempt],
    plan: list[tuple[str, float]],
    reader: Reader,
) -> None:
    """The figures that the documents quote."""
    kills = sum(attempt.status == -signal.SIGKILL for attempt in attempts)
    assert kills >= 30
    recovered = [later.stages[0][1] for later in attempts[1:] if later.stages]
    with capsys.disabled():
        print(f"\nkills survived: {kills} in {len({stage for stage, _ in plan})} stages")  # noqa: T201
        print(f"polls of the reader: {reader.polls}, faults: {len(reader.faults)}")  # noqa: T201
        print(  # noqa: T201
            "seconds from a new start to work going on: "
            f"median {np.median(recovered):.2f}, longest {max(recovered):.2f}"
        )
