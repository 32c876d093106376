"""``stayrank run`` as a person runs it: through Prefect, killed, and started again."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from data.lake.store import Lake

pytestmark = pytest.mark.slow

SMALL = {
    "STAYRANK_SIMULATION__SEARCHES": "3000",
    "STAYRANK_EVALUATION__REPLICATES": "100",
    "STAYRANK_TWO_TOWER__EPOCHS": "1",
    "STAYRANK_RANKER__MAX_ROUNDS": "20",
}
MOMENTS_S = (3.0, 7.0, 11.0, 15.0)


def _start(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run", "--home", str(home)],
        env={**os.environ, **SMALL},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _figures(home: Path) -> dict[tuple[str, str, str], float]:
    scores = json.loads((home / "reports" / "latest" / "scorecard.json").read_text())
    return {(s["model"], s["segment"], s["metric"]): s["value"] for s in scores}


def test_killed_run_is_finished_by_the_next_one(tmp_path: Path) -> None:
    for moment in MOMENTS_S:
        run = _start(tmp_path / "killed")
        time.sleep(moment)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
    last, undisturbed = _start(tmp_path / "killed"), _start(tmp_path / "whole")
    for run in (last, undisturbed):
        output, complaints = run.communicate(timeout=400)
        assert run.returncode == 0, complaints
        assert "Where to look next" in output
        assert "Traceback" not in complaints
    lake, whole = Lake(tmp_path / "killed"), Lake(tmp_path / "whole")
    for table in ("impressions", "quarantine", "features", "scores", "recommendations"):
        assert lake.rows(table) == whole.rows(table)
    # To the last bit: scores too, which are compared as numbers and not nearly.
    recommended = [Lake(tmp_path / name).scan("recommendations") for name in ("killed", "whole")]
    columns = ["id_search", "rank", "id_listing", "score", "market", "ds"]
    first, second = (rows.select(columns).collect().sort(columns) for rows in recommended)
    assert first.equals(second)
    _assert_prefect_shows_what_was_done(tmp_path / "whole")
    found, expected = _figures(tmp_path / "killed"), _figures(tmp_path / "whole")
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-6)


def _assert_prefect_shows_what_was_done(home: Path) -> None:
    """By Prefect's own records: the run's name with its day, its tasks, and its artifacts."""
    with closing(sqlite3.connect(home / "prefect" / "prefect.db")) as records:
        ((name, state),) = records.execute("select name, state_name from flow_run").fetchall()
        tasks = {row[0] for row in records.execute("select name from task_run")}
        artifacts = dict(records.execute("select key, data from artifact").fetchall())
    assert (name, state) == ("run 2026-01-25 default", "Completed")
    assert tasks == {
        *("simulate", "ingest", "features", "train", "evaluate", "monitor", "recommend", "report")
    }
    assert {"run-figures", "run-sentences", "run-scorecard", "run-mlflow"} <= set(artifacts)
    assert "SIMULATED" in artifacts["run-sentences"]
    assert "(http://127.0.0.1:5000/#/experiments/" in artifacts["run-mlflow"]


def test_interrupted_run_ends_with_one_message(tmp_path: Path) -> None:
    run = _start(tmp_path)
    time.sleep(8)
    os.kill(run.pid, signal.SIGINT)
    _, complaints = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGINT
    assert "stopped by SIGINT" in complaints
    assert "Traceback" not in complaints
