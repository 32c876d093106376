"""Servers that a command starts: they write to a log of their own, and end with the command.

Each leads a process group of its own, so that Ctrl-C reaches the command alone, and the workers
that a server starts are ended with it. Its output goes to a file: a server that held the
command's own would keep ``stayrank run | tail`` waiting. It watches a pipe, and ends when the
command is gone (:mod:`pipelines.config.guarded_process`).

A server that outlives its command all the same, because its watcher was killed too, is found by
its record at the next start::

    prefect/servers/4711.json   {"name": "Prefect", "process": 4711, "began": 1769400000.2,
                                 "starter": 4700, "starter_began": 1769399990.8}

A process is the one of the record only if it began at that time too: numbers are used again.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from data.errors import DataError
from pipelines.config.home import write_json
from pipelines.config.resource_limits import limits_in_words

__all__ = [
    "LOOPBACK",
    "ChildServer",
    "RunningServer",
    "answers",
    "end_orphans",
    "free_port",
    "refuse_taken_port",
    "servers_running",
    "start_server",
    "wait_until_up",
]

LOOPBACK = "127.0.0.1"
SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 10.0
SECONDS_TO_ANSWER = 2.0
# The system's clock may be set while a process runs, which moves the times of all beginnings.
CLOCK_S = 1.5


@dataclass(frozen=True, kw_only=True)
class ChildServer:
    """A server to start.

    Attributes:
        name: for people.
        module: the module that is the server, and its arguments, as after ``python -m``.
        environment: what is set beside the command's own environment.
        health_url: answers once the server is up.
        log: file that gets the server's output.
        records: folder for the records of what runs.
    """

    name: str
    module: Sequence[str]
    environment: Mapping[str, str]
    health_url: str
    log: Path
    records: Path


@dataclass
class RunningServer:
    """A server that was started; :meth:`stop` ends it and everything that it has started."""

    server: ChildServer
    process: subprocess.Popen[bytes]
    pipe: int
    is_stopped: bool = field(default=False)

    @property
    def exit_code(self) -> int | None:
        """How it ended; ``None`` while it runs."""
        return self.process.poll()

    def stop(self, *, patience_s: float = SECONDS_TO_STOP) -> None:
        """Ask the process group to end, and kill what is left of it after ``patience_s``."""
        if self.is_stopped:
            return
        self.is_stopped = True
        for kind in (signal.SIGTERM, signal.SIGKILL):
            # Workers may be left of a group whose leader has gone.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, kind)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(patience_s)
        with suppress(OSError):
            os.close(self.pipe)
        _record(self.server.records, self.process.pid).unlink(missing_ok=True)


def start_server(server: ChildServer) -> RunningServer:
    """Start a server; it is not up yet, see :func:`wait_until_up`."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    reading, writing = os.pipe()
    try:
        with server.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
                [
                    *(sys.executable, "-m", "pipelines.config.guarded_process", str(reading)),
                    *server.module,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **server.environment},
                start_new_session=True,
                pass_fds=(reading,),
            )
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
    running = RunningServer(server, process, writing)
    try:
        _write_record(running)
    except BaseException:
        running.stop()
        raise
    return running


def wait_until_up(running: RunningServer) -> None:
    """Wait for the server's answer; raises ``DataError`` naming its log where none comes."""
    server, deadline = running.server, time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if running.exit_code is not None:
            raise DataError(
                f"{server.name} could not start; its log is {server.log}{limits_in_words()}"
            )
        if answers(server.health_url):
            return
        time.sleep(0.2)
    raise DataError(f"{server.name} did not answer in {SECONDS_TO_START:.0f} s; see {server.log}")


def answers(health_url: str) -> bool:
    """Whether a server on loopback answers that it is well."""
    try:
        with urllib.request.urlopen(health_url, timeout=SECONDS_TO_ANSWER):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError, ValueError):
        return False


@contextmanager
def servers_running(servers: Sequence[ChildServer]) -> Iterator[list[RunningServer]]:
    """Start the servers; all of them are stopped when the block ends."""
    with ExitStack() as stack:
        running = []
        for server in servers:
            running.append(start_server(server))
            stack.callback(running[-1].stop)
        yield running


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def refuse_taken_port(port: int, option: str) -> None:
    """Raise ``DataError`` naming the command's ``option`` if something answers on the port."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise DataError(f"port {port} is taken on this machine; choose another with {option}")


def end_orphans(records: Path) -> list[str]:
    """End the recorded servers whose starter is gone; returns a line for each."""
    ended = []
    for path in sorted(records.glob("*.json")) if records.is_dir() else ():
        record = _read_record(path)
        if record is not None and _is_running(record.starter, record.starter_began):
            continue
        members = _group(record) if record is not None else []
        if record is not None and members:
            _end(members)
            ended.append(f"{record.name} (process {record.process}) had outlived its start: ended")
        path.unlink(missing_ok=True)
    return ended


@dataclass(frozen=True, kw_only=True)
class _Record:
    name: str
    process: int
    began: float
    starter: int
    starter_began: float


def _record(records: Path, process: int) -> Path:
    return records / f"{process}.json"


def _write_record(running: RunningServer) -> None:
    me, process = psutil.Process(), running.process.pid
    with suppress(psutil.NoSuchProcess):  # it has ended already, which whoever waits will see
        write_json(
            _record(running.server.records, process),
            {
                "name": running.server.name,
                "process": process,
                "began": psutil.Process(process).create_time(),
                "starter": me.pid,
                "starter_began": me.create_time(),
            },
        )


def _read_record(path: Path) -> _Record | None:
    """The record; ``None`` where the file is damaged: what it was of cannot be known."""
    try:
        content = json.loads(path.read_text())
        return _Record(
            name=str(content["name"]),
            process=int(content["process"]),
            began=float(content["began"]),
            starter=int(content["starter"]),
            starter_began=float(content["starter_began"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_running(process: int, began: float) -> bool:
    with suppress(psutil.Error):
        found = psutil.Process(process)
        is_same = abs(found.create_time() - began) < CLOCK_S
        return is_same and bool(found.status() != psutil.STATUS_ZOMBIE)
    return False


def _group(record: _Record) -> list[psutil.Process]:
    """What runs of the server's process group; none if the group is another one by now."""
    members = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == record.process and _is_alive(process):
                members.append(process)
    leads = [process for process in members if process.pid == record.process]
    # A number is not given to a new process while a group has it. So a leader that began at
    # another time leads another group, and members without a leader are the server's workers.
    is_other = leads and not _is_running(record.process, record.began)
    return [] if is_other else members


def _is_alive(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def _end(members: Sequence[psutil.Process]) -> None:
    for kind in (signal.SIGTERM, signal.SIGKILL):
        for process in members:
            with suppress(psutil.Error):
                process.send_signal(kind)
        deadline = time.monotonic() + SECONDS_TO_STOP
        while any(map(_is_alive, members)) and time.monotonic() < deadline:
            time.sleep(0.1)
