"""The containers' topology as processes: a scheduled daily through it, and servers that fall."""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.recommendation.published_pointer import read_published
from tests.operations.servers import Topology, can_run_postgres, topology
from tests.operations.worlds import SMALL, TwoWeeks, context_in, deliver

pytestmark = [
    pytest.mark.operations,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not can_run_postgres(),
        reason="needs PostgreSQL's programs (Debian: apt install postgresql), run by a user it has",
    ),
]

SECONDS_OF_A_RUN = 240.0


@pytest.fixture(scope="module")
def up(
    tmp_path_factory: pytest.TempPathFactory, two_weeks: TwoWeeks, small: Settings
) -> Iterator[Topology]:
    home = tmp_path_factory.mktemp("topology") / "home"
    deliver(context_in(home, small), *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    settings = {
        f"STAYRANK_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in SMALL.items()
    }
    with topology(home, settings) as servers:
        yield servers


def _asked(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  # loopback
        url, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.loads(answer.read() or b"null")


def _deployment(up: Topology, name: str) -> dict[str, Any]:
    """The deployment, as soon as the worker has made it."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        wanted = {"deployments": {"name": {"any_": [name]}}}
        found = _asked(f"{up.prefect_url}/deployments/filter", wanted)
        if found:
            return dict(found[0])
        time.sleep(1)
    raise AssertionError(up.worker.log.read_text()[-3000:])


def _start(up: Topology, name: str, **parameters: str) -> str:
    deployment = _deployment(up, name)
    url = f"{up.prefect_url}/deployments/{deployment['id']}/create_flow_run"
    body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    return str(_asked(url, body)["id"])


def _ended(up: Topology, run_id: str) -> dict[str, Any]:
    """The flow run when it is over; fails with the worker's log."""
    deadline = time.monotonic() + SECONDS_OF_A_RUN
    while time.monotonic() < deadline:
        run = _asked(f"{up.prefect_url}/flow_runs/{run_id}")
        if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            return dict(run)
        time.sleep(0.5)
    raise AssertionError(up.worker.log.read_text()[-3000:])


def _batches_in_mlflow(up: Topology) -> Counter[str]:
    """How many finished runs MLflow holds of each batch."""
    experiments = _asked(f"{up.mlflow_url}/api/2.0/mlflow/experiments/search?max_results=10")
    ids = [experiment["experiment_id"] for experiment in experiments["experiments"]]
    body = {"experiment_ids": ids, "max_results": 500}
    runs = _asked(f"{up.mlflow_url}/api/2.0/mlflow/runs/search", body).get("runs", [])
    return Counter(
        tag["value"]
        for run in runs
        if run["info"]["status"] == "FINISHED"
        for tag in run["data"].get("tags", [])
        if tag["key"] == "stayrank.batch"
    )


def test_a_scheduled_daily_ends_in_published_recommendations(up: Topology) -> None:
    deployment = _deployment(up, "daily")
    assert [s["schedule"]["timezone"] for s in deployment["schedules"]] == ["America/Sao_Paulo"]
    help_text = deployment["parameter_openapi_schema"]["properties"]["day"]
    assert "Day to recommend for" in help_text["description"]
    soon = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
    schedule = {"interval": 86_400, "anchor_date": soon, "timezone": "America/Sao_Paulo"}
    _asked(
        f"{up.prefect_url}/deployments/{deployment['id']}/schedules",
        [{"active": True, "schedule": schedule, "parameters": {"day": "2026-01-20"}}],
    )
    deadline = time.monotonic() + SECONDS_OF_A_RUN
    while read_published(Home(up.home)) is None and time.monotonic() < deadline:
        time.sleep(1)
    published = read_published(Home(up.home))
    assert published is not None, up.worker.log.read_text()[-3000:]
    assert published.ds == "2026-01-20"
    first = _first_run(up)
    assert _ended(up, first["id"])["state_type"] == "COMPLETED"
    assert first["auto_scheduled"]
    assert _batches_in_mlflow(up) == {"daily 2026-01-20": 1}
    keys = {a["key"] for a in _asked(f"{up.prefect_url}/artifacts/filter", {})}
    assert keys >= {"daily-figures", "daily-scorecard", "daily-mlflow"}


def _first_run(up: Topology) -> dict[str, Any]:
    """The flow run of the schedule, the earliest that has begun."""
    runs = _asked(f"{up.prefect_url}/flow_runs/filter", {"sort": "START_TIME_ASC"})
    return next(dict(run) for run in runs if run["start_time"])


def test_while_mlflow_is_away_and_postgres_restarts_a_day_goes_out_and_is_logged_once(
    up: Topology, two_weeks: TwoWeeks, small: Settings
) -> None:
    up.mlflow.stop(signal.SIGKILL)
    up.postgres.restart()
    deliver(context_in(up.home, small), two_weeks.log(date(2026, 1, 20)))
    assert _ended(up, _start(up, "daily", day="2026-01-21"))["state_type"] == "COMPLETED"
    assert read_published(Home(up.home)).ds == "2026-01-21"
    waiting = sorted((up.home / "outbox").glob("*.json"))
    assert waiting
    up.mlflow.start()
    deliver(context_in(up.home, small), two_weeks.log(date(2026, 1, 21)))
    assert _ended(up, _start(up, "daily", day="2026-01-22"))["state_type"] == "COMPLETED"
    assert not sorted((up.home / "outbox").glob("*.json"))
    assert _batches_in_mlflow(up) == {f"daily 2026-01-{day}": 1 for day in (20, 21, 22)}


def test_a_day_whose_prefect_server_is_killed_is_continued(
    up: Topology, two_weeks: TwoWeeks, small: Settings
) -> None:
    deliver(context_in(up.home, small), two_weeks.log(date(2026, 1, 22)))
    run_id = _start(up, "daily", day="2026-01-23")
    journal = up.home / "batches" / "daily" / "2026-01-23" / "journal.json"
    deadline = time.monotonic() + SECONDS_OF_A_RUN
    while not journal.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    up.prefect.stop(signal.SIGKILL)
    time.sleep(3)
    up.prefect.start()
    up.postgres.restart()
    again = _start(up, "daily", day="2026-01-23")
    assert _ended(up, again)["state_type"] == "COMPLETED", up.worker.log.read_text()[-3000:]
    assert read_published(Home(up.home)).ds == "2026-01-23"
    assert _ended(up, run_id)["state_type"] in ("COMPLETED", "CRASHED", "FAILED")


def test_no_secret_of_the_servers_is_written_under_the_home(up: Topology) -> None:
    password = up.postgres.password.encode()
    for path in Path(up.home).rglob("*"):
        assert not path.is_file() or password not in path.read_bytes(), path
    assert os.environ.get("POSTGRES_PASSWORD") is None
