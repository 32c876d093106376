"""Runs share a home; an erasure has it alone; a process that dies gives it back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from data.errors import LakeBusyError
from data.lake.lock import folder_lock
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.home_use import erasing_from_home, uses_home, using_home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_with_report
from pipelines.monitoring.monitor import monitor
from pipelines.promotion.promote import decide_promotion, evaluate_and_promote
from pipelines.recommendation.recommend import recommend
from pipelines.reporting.write_report import write_report
from pipelines.run_context import RunContext
from pipelines.training.train import train

HOLDER = """
import sys, pathlib, time
from data.lake.lock import folder_lock

with folder_lock(pathlib.Path(sys.argv[1]), "x", is_shared=True, wait_s=0):
    print("held", flush=True)
    time.sleep(600)
"""


def _context(root: Path, wait_s: float) -> RunContext:
    root.mkdir(exist_ok=True)
    settings = load_settings(batch={"wait_s": wait_s})
    return RunContext(home=Home(root), settings=settings, console=Console())


def test_runs_share_a_home_and_no_file_shows_it(tmp_path: Path) -> None:
    context = _context(tmp_path / "home", 0)
    with using_home(context), using_home(context):
        assert list(context.home.root.iterdir()) == []


def test_an_erasure_does_not_begin_while_a_run_uses_the_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context = _context(tmp_path / "home", 0)
    busy = pytest.raises(LakeBusyError, match="a run is using this home; waited 0 s")
    with using_home(context), busy, erasing_from_home(context):
        pass
    assert "waiting: a run is using this home" in capsys.readouterr().out


def test_a_step_waits_while_a_guest_is_erased(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @uses_home
    def step(context: RunContext, word: str) -> str:
        return word

    with erasing_from_home(_context(tmp_path / "home", 0)):
        with pytest.raises(LakeBusyError, match="a guest is being erased"):
            step(_context(tmp_path / "home", 0), "done")
        waiting = _context(tmp_path / "home", 60)
        done: list[str] = []
        thread = threading.Thread(target=lambda: done.append(step(waiting, "done")))
        thread.start()
        thread.join(timeout=0.3)
        assert done == []
    thread.join(timeout=60)
    assert done == ["done"]
    assert "waiting: a guest is being erased" in capsys.readouterr().out


def test_a_process_that_is_killed_gives_the_home_back(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER,
            str(tmp_path),
        ],
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(LakeBusyError),
            folder_lock(tmp_path, "busy", is_shared=False, wait_s=0),
        ):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
    with folder_lock(tmp_path, "busy", is_shared=False, wait_s=0):
        pass


@pytest.mark.parametrize(
    ("step", "arguments"),
    [
        (ingest_with_report, ([Path("log.csv")],)),
        (build_features_table, ()),
        (train, ()),
        (decide_promotion, (None,)),
        (evaluate_and_promote, ("run",)),
        (monitor, ()),
        (recommend, ("run",)),
        (write_report, ("run",)),
    ],
)
def test_no_step_that_reads_rows_begins_while_a_guest_is_erased(
    tmp_path: Path, step: Callable[..., object], arguments: tuple[object, ...]
) -> None:
    context = _context(tmp_path / "home", 0)
    with erasing_from_home(context), pytest.raises(LakeBusyError, match="is being erased"):
        step(context, *arguments)
