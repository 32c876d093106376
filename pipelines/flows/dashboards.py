"""The MLflow and Prefect pages on loopback, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from data.errors import DataError
from data.paths import sqlite_address
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.flows.prefect_environment import database_of

__all__ = [
    "Page",
    "prefect_page",
    "refuse_taken_port",
    "serve_dashboards",
    "servers_running",
    "stop_on_signal",
    "wait_until_up",
]

LOOPBACK = "127.0.0.1"
SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 10.0


@dataclass(frozen=True, kw_only=True)
class Page:
    """A server to start, and its page.

    Attributes:
        health_url: answers once the server is up.
        link: to print; opens at the runs.
        log: file that gets the server's output.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    health_url: str
    link: str
    log: Path


def serve_dashboards(
    home: Home, console: Console, mlflow_port: int = 5_000, prefect_port: int = 4_200
) -> None:
    """Start both pages, print links that open at the runs, stop both at Ctrl-C.

    Raises ``DataError`` when the home has no runs yet, a port is taken, or a server does
    not come up (its log is named).
    """
    if not home.mlflow_database.is_file():
        raise DataError(
            f"{home.root} holds no MLflow runs yet. Make some first: stayrank run; or name "
            "another home with --home."
        )
    from pipelines.tracking.tracking import Tracking

    runs_page = Tracking.open(home).runs_page()
    pages = [_mlflow(home, mlflow_port, runs_page), prefect_page(home, prefect_port)]
    for port in (mlflow_port, prefect_port):
        refuse_taken_port(port)
    with stop_on_signal(), servers_running(pages) as servers:
        for page, server in zip(pages, servers, strict=True):
            wait_until_up(page, server)
            console.say(f"{page.name:8} {page.link}")
        console.say("Ctrl-C stops both.")
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
    # -15 is our own SIGTERM; any other code means that the server ended by itself.
    failed = [p.name for p, s in zip(pages, servers, strict=True) if s.returncode not in (0, -15)]
    if failed:
        raise DataError(f"{failed[0]} stopped by itself; its log is {home.root / 'logs'}")


def _mlflow(home: Home, port: int, runs_page: str) -> Page:
    return Page(
        name="MLflow",
        command=[
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(port)),
            *("--backend-store-uri", sqlite_address(home.mlflow_database)),
            *("--default-artifact-root", home.artifacts.resolve().as_uri(), "--workers", "1"),
        ],
        environment={
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
            # The job runners are eight processes of 220 MB that nothing here uses.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        },
        health_url=f"http://{LOOPBACK}:{port}/health",
        link=f"http://{LOOPBACK}:{port}{runs_page}",
        log=home.root / "logs" / "mlflow.log",
    )


def prefect_page(home: Home, port: int) -> Page:
    """A Prefect server with its database under the home."""
    return Page(
        name="Prefect",
        command=[
            *(sys.executable, "-m", "prefect", "server", "start"),
            *("--host", LOOPBACK, "--port", str(port)),
        ],
        environment={
            "PREFECT_HOME": str(home.prefect.resolve()),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            # Records of runs, their logs and artifacts, not events alone: after 90 days, or
            # what PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD says (in seconds).
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            # Without it the page asks port 4200 whatever port it is served on.
            "PREFECT_API_URL": f"http://{LOOPBACK}:{port}/api",
            **database_of(home),
        },
        health_url=f"http://{LOOPBACK}:{port}/api/health",
        link=f"http://{LOOPBACK}:{port}/runs",
        log=home.root / "logs" / "prefect.log",
    )


def refuse_taken_port(port: int) -> None:
    """Raise ``DataError`` if something answers on the port already."""
    with socket.socket() as probe:
        if probe.connect_ex((LOOPBACK, port)) == 0:
            raise DataError(
                f"port {port} is taken on this machine; choose others with --mlflow-port and "
                "--prefect-port"
            )


@contextmanager
def servers_running(pages: list[Page]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start the servers; all of them are stopped when the block ends.

    Each is a process group of its own, so that Ctrl-C reaches this program alone, and the
    workers that a server has forked are stopped with it.
    """
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for page in pages:
            page.log.parent.mkdir(parents=True, exist_ok=True)
            with page.log.open("ab") as log:
                servers.append(
                    subprocess.Popen(  # noqa: S603  # our own interpreter and arguments
                        page.command,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        env={**os.environ, **page.environment},
                        start_new_session=True,
                    )
                )
        yield servers
    finally:
        for server in servers:
            _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask the whole process group to end; kill it if it has not after ``SECONDS_TO_STOP``."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        if server.poll() is not None:
            return
        os.killpg(server.pid, kind)
        try:
            server.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def stop_on_signal() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block instead of the program."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def wait_until_up(page: Page, server: subprocess.Popen[bytes]) -> None:
    """Wait for the server's answer; raises ``DataError`` naming its log where none comes."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DataError(f"{page.name} could not start; its log is {page.log}")
        try:
            with urllib.request.urlopen(page.health_url, timeout=2):  # noqa: S310  # loopback
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise DataError(f"{page.name} did not answer in {SECONDS_TO_START:.0f} s; see {page.log}")
