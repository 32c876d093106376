"""``stayrank schedule``: served, stopped, started again; what was missed is done once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from tests.operations.servers import Server, free_port

pytestmark = [pytest.mark.operations, pytest.mark.timeout(600)]

SECONDS = 180.0
SCHEDULED = {"type": {"any_": ["SCHEDULED"]}}


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prefect server of its own; its API's address."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    api = f"http://127.0.0.1:{port}/api"
    server = Server(
        "Prefect",
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        {
            "PREFECT_HOME": str(folder),
            "PREFECT_API_URL": api,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
        },
        folder / "server.log",
        f"{api}/health",
    )
    server.start()
    yield api
    server.stop()


class Schedule:
    """``stayrank schedule`` on one home, as a process."""

    def __init__(self, api: str, home: Path, log: Path) -> None:
        self.api, self.home, self.log = api, home, log

    def __enter__(self) -> Self:
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.cli", "schedule", "--home", str(self.home)],
                env={**os.environ, "PREFECT_API_URL": self.api},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _until(lambda: "Ctrl-C stops" in self.log.read_text(), self.log)
        return self

    def __exit__(self, *given: object) -> None:
        os.kill(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(60)
            assert self.process.returncode == 128 + signal.SIGINT
        finally:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)


def _until(holds: Any, log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.3)


def _asked(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  # loopback
        url, data=data, headers={"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            # A server that has just started is busy with its database; Prefect's own clients ask
            # again too.
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _deployments(api: str) -> dict[str, dict[str, Any]]:
    return {d["name"]: d for d in _asked(f"{api}/deployments/filter", {})}


def _late_run(api: str, deployment: str, hours: int) -> str:
    """A start that was due so many hours ago and that nobody served."""
    at = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": at}}
    url = f"{api}/deployments/{deployment}/create_flow_run"
    return str(_asked(url, {"state": state})["id"])


def _dead_run(api: str, deployment: str, home: Path) -> str:
    """A run that Prefect holds for running, whose process is gone."""
    url = f"{api}/deployments/{deployment}/create_flow_run"
    run_id = str(_asked(url, {"state": {"type": "RUNNING"}})["id"])
    (home / "prefect" / "running").mkdir(parents=True, exist_ok=True)
    (home / "prefect" / "running" / run_id).write_text("process 1 since never")
    return run_id


def _state(api: str, run_id: str) -> str:
    return str(_asked(f"{api}/flow_runs/{run_id}")["state_type"])


def _named(api: str, run_id: str) -> str:
    return str(_asked(f"{api}/flow_runs/{run_id}")["state"]["name"])


def test_a_schedule_survives_a_stop_and_does_once_what_was_missed(
    prefect: str, tmp_path: Path
) -> None:
    home, log = tmp_path / "home", tmp_path / "schedule.log"
    with Schedule(prefect, home, log):
        made = _deployments(prefect)
        assert set(made) == {"daily", "weekly", "backfill"}
        (clock,) = made["daily"]["schedules"]
        assert (clock["schedule"]["timezone"], clock["active"]) == ("America/Sao_Paulo", True)
        limits = _asked(f"{prefect}/v2/concurrency_limits/filter", {"limit": 200})
        assert {"stayrank-backfill"} <= {one["name"] for one in limits}
    assert "Traceback" not in log.read_text()
    late = [_late_run(prefect, made["daily"]["id"], hours) for hours in (72, 48, 24)]
    dead = _dead_run(prefect, made["daily"]["id"], home)
    with Schedule(prefect, home, log):
        assert "caught up once: daily, missed 3 times" in log.read_text()
        assert "had ended without a word" in log.read_text()
        assert all(s["active"] for s in _deployments(prefect)["daily"]["schedules"])
        _assert_a_typo_is_a_sentence(prefect, made, log)
        _until(lambda: _upcoming_are_named(prefect, made["daily"]["id"]), log)
        _until(lambda: _named(prefect, late[2]) in ("Held", "Failed", "Crashed"), log)
    states = Counter(_named(prefect, run) for run in late)
    # A home without a log holds: its start is told apart from those that were caught up.
    assert states == {"Cancelled": 2, "Held": 1}, log.read_text()[-3000:]
    assert _asked(f"{prefect}/flow_runs/{late[2]}")["name"].startswith("daily 20")
    assert _state(prefect, dead) == "CRASHED"
    # Its reason is in the journal.
    (journal,) = (home / "batches" / "daily").glob("*/journal.json")
    assert json.loads(journal.read_text())["status"] == "held"


def _upcoming_are_named(api: str, deployment: str) -> bool:
    """Whether runs that are planned are called ``daily DAY``, and not by two random words."""
    wanted = {"flow_runs": {"deployment_id": {"any_": [deployment]}, "state": SCHEDULED}}
    names = [str(run["name"]) for run in _asked(f"{api}/flow_runs/filter", wanted)]
    return bool(names) and all(name.startswith("daily 20") for name in names)


def _assert_a_typo_is_a_sentence(
    api: str, deployments: dict[str, dict[str, Any]], log: Path
) -> None:
    """What somebody types on Prefect's page in place of a day."""
    typed = {
        ("daily", "day", "2026-02-30"): (
            "day: '2026-02-30' is not a date like 2026-01-26: February 2026 has 28 days"
        ),
        ("backfill", "first", "2026-1-2"): (
            "first: '2026-1-2' is not a date like 2026-01-26; did you mean 2026-01-02?"
        ),
    }
    for (name, parameter, text), sentence in typed.items():
        url = f"{api}/deployments/{deployments[name]['id']}/create_flow_run"
        others = {"first": "2026-01-02", "last": "2026-01-02"} if name == "backfill" else {}
        given = {**deployments[name]["parameters"], **others, parameter: text}
        run = str(_asked(url, {"state": {"type": "SCHEDULED"}, "parameters": given})["id"])
        _until(lambda run=run: _named(api, run) in ("Failed", "Crashed"), log)
        state = _asked(f"{api}/flow_runs/{run}")["state"]
        assert (state["name"], state["message"]) == ("Failed", sentence)
        lines = _asked(f"{api}/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        assert not any("Traceback" in line["message"] for line in lines)


class OwnSchedule:
    """``stayrank schedule`` with a Prefect server of its own, which is to be attacked."""

    def __init__(self, home: Path, log: Path, port: int) -> None:
        self.home, self.log, self.port = home, log, port
        # MLflow sets variables of its own in the process of the tests, which name another home.
        others = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
        inherited = {name: value for name, value in os.environ.items() if name not in others}
        words = ["schedule", "--home", str(home), "--prefect-port", str(port)]
        with log.open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.cli", *words],
                env=inherited,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def says(self, words: str, times: int = 1) -> None:
        _until(lambda: self.log.read_text().count(words) >= times, self.log)

    def server(self) -> int:
        (record,) = (self.home / "prefect" / "servers").glob("*.json")
        return int(json.loads(record.read_text())["process"])

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)


@pytest.fixture
def own(tmp_path: Path) -> Iterator[OwnSchedule]:
    schedule = OwnSchedule(tmp_path / "home", tmp_path / "schedule.log", free_port())
    schedule.says("Ctrl-C stops")
    yield schedule
    schedule.kill()


def test_a_prefect_server_that_is_killed_is_started_again_and_serves(own: OwnSchedule) -> None:
    first = own.server()
    os.kill(first, signal.SIGKILL)
    own.says("Prefect's server ended by itself (code -9): starting it again in 0 s")
    own.says("Prefect's server answers again")
    assert own.server() != first
    # Not only there: a run that is due is started.
    api = f"http://127.0.0.1:{own.port}/api"
    late = _late_run(api, _deployments(api)["daily"]["id"], hours=0)
    _until(lambda: _named(api, late) == "Held", own.log)
    assert "Traceback" not in own.log.read_text()


def test_a_schedule_that_is_killed_can_be_started_again_at_once_on_its_port(
    own: OwnSchedule,
) -> None:
    own.process.kill()
    own.process.wait()
    again = OwnSchedule(own.home, own.log, own.port)
    try:
        again.says("Ctrl-C stops", times=2)
        assert again.process.poll() is None
    finally:
        again.kill()


def test_a_second_schedule_of_a_home_is_refused(own: OwnSchedule, tmp_path: Path) -> None:
    second = OwnSchedule(own.home, tmp_path / "second.log", free_port())
    assert second.process.wait(SECONDS) == 1
    (sentence,) = (tmp_path / "second.log").read_text().splitlines()
    assert "stayrank schedule serves this home already" in sentence


def test_a_taken_port_names_an_option_that_the_command_has(
    own: OwnSchedule, tmp_path: Path
) -> None:
    second = OwnSchedule(tmp_path / "other", tmp_path / "second.log", own.port)
    assert second.process.wait(SECONDS) == 1
    (sentence,) = (tmp_path / "second.log").read_text().splitlines()
    assert sentence.endswith("choose another with --prefect-port")
