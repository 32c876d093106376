"""A server ends with the command that started it, however that ends, and holds no pipe of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from data.errors import DataError
from pipelines.config.child_servers import (
    ChildServer,
    RunningServer,
    answers,
    end_orphans,
    free_port,
    refuse_taken_port,
    servers_running,
    start_server,
    wait_until_up,
)

SECONDS = 60.0
# A command that starts a server, says which, and waits.
STARTER = """
import sys, time
from pathlib import Path
from tests.pipelines.config.test_child_servers import pages
from pipelines.config.child_servers import servers_running, wait_until_up
with servers_running([pages(Path(sys.argv[1]), int(sys.argv[2]))]) as (server,):
    wait_until_up(server)
    print(server.process.pid, flush=True)
    time.sleep(600)
"""


def pages(folder: Path, port: int) -> ChildServer:
    return ChildServer(
        name="pages",
        module=["http.server", "--bind", "127.0.0.1", str(port)],
        environment={},
        health_url=f"http://127.0.0.1:{port}/",
        log=folder / "logs" / "pages.log",
        records=folder / "servers",
    )


def until_gone(process: int) -> None:
    deadline = time.monotonic() + SECONDS
    while psutil.pid_exists(process) and psutil.Process(process).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, psutil.Process(process)
        time.sleep(0.05)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    with servers_running([pages(tmp_path, free_port())]) as (running,):
        wait_until_up(running)
        yield running


def test_a_server_answers_writes_to_its_own_log_and_is_stopped(
    tmp_path: Path, server: RunningServer
) -> None:
    assert answers(server.server.health_url)
    assert os.getsid(server.process.pid) != os.getsid(0)
    assert [path.stem for path in (tmp_path / "servers").iterdir()] == [str(server.process.pid)]
    server.stop()
    assert not answers(server.server.health_url)
    assert "GET / " in server.server.log.read_text()
    assert not list((tmp_path / "servers").iterdir())


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_its_command_and_lets_its_pipes_go(
    tmp_path: Path, kind: signal.Signals
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    server = int(command.stdout.readline())
    command.send_signal(kind)
    # Returns when nobody holds the pipe any more: with a server that inherited it, never.
    command.communicate(timeout=SECONDS)
    until_gone(server)


def test_an_orphan_is_found_by_its_record_and_ended_with_its_workers(tmp_path: Path) -> None:
    # A group of two, without the watcher, as after a kill of both.
    orphan = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!; exec sleep 600"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert orphan.stdout is not None
    worker = int(orphan.stdout.readline())
    write_record(tmp_path, orphan.pid, starter=gone_process())
    (line,) = end_orphans(tmp_path)
    assert line.startswith(f"pages (process {orphan.pid}) had outlived its start")
    orphan.wait(SECONDS)
    until_gone(worker)
    assert not list(tmp_path.iterdir())
    assert end_orphans(tmp_path) == []


def test_workers_are_ended_where_their_leader_has_gone(tmp_path: Path) -> None:
    leader = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!; sleep 1"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert leader.stdout is not None
    worker = int(leader.stdout.readline())
    write_record(tmp_path, leader.pid, starter=gone_process())
    leader.wait(SECONDS)
    assert len(end_orphans(tmp_path)) == 1
    until_gone(worker)


def test_a_server_whose_command_runs_is_left_alone(tmp_path: Path, server: RunningServer) -> None:
    assert end_orphans(tmp_path / "servers") == []
    assert server.exit_code is None


def test_a_process_that_has_the_number_by_now_is_left_alone(tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"], start_new_session=True)
    write_record(tmp_path, other.pid, starter=gone_process(), began=1_000.0)
    assert end_orphans(tmp_path) == []
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize("content", ["", "[]", '{"process": "x"}', "null"])
def test_a_damaged_record_is_removed(tmp_path: Path, content: str) -> None:
    (tmp_path / "1.json").write_text(content)
    assert end_orphans(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_server_that_cannot_start_names_its_log(tmp_path: Path, server: RunningServer) -> None:
    taken = int(server.server.health_url.rsplit(":", 1)[1].strip("/"))
    second = start_server(pages(tmp_path, taken))
    # The first one answers on that port, so only the process itself can be asked.
    second.process.wait(SECONDS)
    with pytest.raises(DataError, match=r"pages could not start; its log is .*pages\.log"):
        wait_until_up(second)
    second.stop()
    assert "Address already in use" in second.server.log.read_text()


def test_a_taken_port_names_the_option_of_the_command(server: RunningServer) -> None:
    taken = int(server.server.health_url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(DataError, match=f"port {taken} is taken .* choose another with --a-port"):
        refuse_taken_port(taken, "--a-port")
    refuse_taken_port(free_port(), "--a-port")


def write_record(folder: Path, process: int, *, starter: int, began: float | None = None) -> None:
    since = psutil.Process(process).create_time() if began is None else began
    record = {"name": "pages", "process": process, "began": since}
    record |= {"starter": starter, "starter_began": since}
    (folder / f"{process}.json").write_text(json.dumps(record))


def gone_process() -> int:
    done = subprocess.Popen(["true"])
    done.wait()
    return done.pid
