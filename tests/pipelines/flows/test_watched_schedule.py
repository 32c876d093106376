"""The server that a schedule needs is watched: started again, or given up with an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import DataError
from pipelines.config.child_servers import (
    ChildServer,
    answers,
    free_port,
    start_server,
    wait_until_up,
)
from pipelines.flows import watched_schedule
from pipelines.flows.watched_schedule import MOST_RESTARTS, NamedServer, OwnServer


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched_schedule, "SECONDS_BEFORE_RESTARTS", (0,) * MOST_RESTARTS)
    monkeypatch.setattr(watched_schedule, "LOOKS_WITHOUT_ANSWER", 1)


@pytest.fixture
def own(tmp_path: Path, said: list[str]) -> Iterator[OwnServer]:
    port = free_port()
    server = OwnServer(
        start_server(
            ChildServer(
                name="Prefect",
                module=["http.server", "--bind", "127.0.0.1", str(port)],
                environment={},
                health_url=f"http://127.0.0.1:{port}/",
                log=tmp_path / "prefect.log",
                records=tmp_path / "servers",
            )
        ),
        said.append,
    )
    wait_until_up(server.running)
    yield server
    server.running.stop()


def test_a_server_that_is_well_is_left_alone(own: OwnServer, said: list[str]) -> None:
    process = own.running.process.pid
    own.look()
    assert (own.running.process.pid, said) == (process, [])


def test_a_server_that_was_killed_is_started_again_on_its_port(
    own: OwnServer, said: list[str]
) -> None:
    own.running.process.kill()
    own.running.process.wait()
    own.look()
    assert answers(own.running.server.health_url)
    assert said == [
        "Prefect's server ended by itself (code -9): starting it again in 0 s",
        "Prefect's server answers again",
    ]


def test_a_server_that_is_silent_is_started_again(
    own: OwnServer, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = own.running.process.pid
    with monkeypatch.context() as patch:
        patch.setattr(watched_schedule, "answers", lambda _: False)
        own.look()
    assert own.running.process.pid != silent
    assert "Prefect's server does not answer" in said[0]


def test_a_server_that_cannot_be_had_back_ends_serving(own: OwnServer, said: list[str]) -> None:
    own.running.stop()
    broken = replace(own.running.server, module=["no_such_module"])
    own.running.server = broken
    with pytest.raises(DataError, match=f"after {MOST_RESTARTS} restarts; its log is .*mend it"):
        own.look()
    assert sum("starting it again" in line for line in said) == MOST_RESTARTS


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    now = [0.0]
    monkeypatch.setattr(watched_schedule.time, "monotonic", lambda: now[0])

    def advance(seconds: float) -> None:
        now[0] += seconds

    return advance


def test_the_silence_of_somebody_elses_server_is_told_and_then_ends_serving(
    said: list[str], clock: Callable[[float], None]
) -> None:
    problem = ["no Prefect server answers at http://x"]
    named = NamedServer(lambda: problem[0], said.append)
    named.look()
    named.look()
    assert said == ["no Prefect server answers at http://x; no batch starts meanwhile"]
    problem[0] = ""
    named.look()
    assert said[1:] == ["the Prefect server answers again"]
    problem[0] = "no Prefect server answers at http://x"
    named.look()
    clock(watched_schedule.SECONDS_OF_SILENCE)
    with pytest.raises(DataError, match="for 5 minutes; stopped serving"):
        named.look()


def test_what_the_runner_prints_of_a_server_that_is_away_is_kept_quiet() -> None:
    poller = pytest.importorskip("prefect.runner._scheduled_run_poller")
    before = poller.critical_service_loop
    try:
        watched_schedule._quieten_runner()
        assert poller.critical_service_loop.keywords["printer"]("Traceback") is None
        first = poller.critical_service_loop
        watched_schedule._quieten_runner()
        assert poller.critical_service_loop is first
    finally:
        poller.critical_service_loop = before
