"""SIGINT, SIGTERM and SIGHUP × every command: one sentence, 128 + n, no lock and no server left."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from data.lake.lock import is_held
from pipelines.cli.app import COMMAND_ORDER
from pipelines.config.child_servers import free_port
from tests.operations.worlds import TwoWeeks

pytestmark = [
    pytest.mark.operations,
    pytest.mark.timeout(600),
    pytest.mark.usefixtures("no_signal_ignored"),
]

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SECONDS = 180.0
REPOSITORY = Path(__file__).parents[2]
ARGUMENTS = {
    "mapping": ("no.csv",),
    "simulate": ("--out", "{home}/week"),
    "ingest": ("{log}",),
    "run": ("{log}",),
    "backfill": ("--from", "2026-01-20", "--to", "2026-01-20"),
    "forget-user": ("U1",),
    "tune": ("--trials", "1"),
    "show": ("guest", "U1"),
    "schedule": ("--prefect-port", "{port}"),
    "dashboards": ("--prefect-port", "{port}", "--mlflow-port", "{port2}"),
    "notebooks": ("--no-browser", "--port", "{port}"),
}
WITHOUT_HOME = ("mapping", "simulate")
# What each says once it cannot go on because the home is held; an erasure names a run.
WAITING = "waiting: a "
WAIT_FOR_THE_HOME = (
    *("run", "ingest", "features", "train", "tune", "evaluate", "recommend", "report"),
    *("promote", "daily", "weekly", "backfill", "forget-user"),
)
SERVING = ("schedule", "dashboards", "notebooks")
SMALL = {
    "STAYRANK_MODELS": '["popularity", "two_tower", "ranker"]',
    "STAYRANK_EVALUATION__REPLICATES": "100",
    "STAYRANK_BATCH__WAIT_S": "600",
}


class Command:
    """One command on a home, its output in a file."""

    def __init__(self, home: Path, log: Path, name: str) -> None:
        given = {"home": home, "log": log, "port": free_port(), "port2": free_port()}
        words = [word.format(**given) for word in ARGUMENTS.get(name, ())]
        where = () if name in WITHOUT_HOME else ("--home", str(home))
        self.output = home.parent / f"{name}.out"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipelines.cli", name, *words, *where],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY), **SMALL},
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=home.parent,
                start_new_session=True,
            )

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert self.process.poll() is None, self.text()
            assert time.monotonic() < deadline, self.text()
            time.sleep(0.02)

    def text(self) -> str:
        return self.output.read_text()

    def takes_signals(self) -> bool:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
        assert caught is not None
        return bool(int(caught[1], 16) & (1 << (signal.SIGHUP - 1)))

    def ends_with_one_sentence(self, kind: signal.Signals) -> None:
        self.process.send_signal(kind)
        self.process.wait(SECONDS)
        assert self.process.returncode == 128 + kind, self.text()
        assert "Traceback" not in self.text()
        said = [line for line in self.text().splitlines() if line.startswith("stayrank: ")]
        assert len(said) == 1, self.text()
        assert said[0].startswith(f"stayrank: stopped by {kind.name}; nothing is half-written")
        assert self.text().splitlines()[-1] == said[0], self.text()


@contextmanager
def started(home: Path, log: Path, name: str) -> Iterator[Command]:
    command = Command(home, log, name)
    try:
        yield command
    finally:
        with suppress(ProcessLookupError):
            os.killpg(command.process.pid, signal.SIGKILL)
        command.process.wait()


def nothing_is_left(home: Path) -> None:
    """No server of the home runs, and none of its locks is held."""
    assert not list((home / "prefect" / "servers").glob("*.json"))
    assert processes_of(home) == []
    for lock in ("lake.lock", "batch.lock", "registry/lake.lock", "prefect/schedule.lock"):
        assert not is_held(home / lock), lock


def processes_of(home: Path) -> list[str]:
    """Command lines of running processes that name the home, in words or in the environment."""
    named = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            words = [*process.cmdline(), *process.environ().values()]
            is_other = process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
            if is_other and any(str(home) in word for word in words):
                named.append(" ".join(process.cmdline())[:200])
    return named


@pytest.fixture
def home(finished_home: Path, tmp_path: Path) -> Path:
    root = tmp_path / "home"
    shutil.copytree(finished_home, root)
    return root


@pytest.fixture
def log(two_weeks: TwoWeeks) -> Path:
    return two_weeks.folder


@contextmanager
def held_by_an_erasure(home: Path) -> Iterator[None]:
    folder = os.open(home, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(folder)


@pytest.mark.parametrize("name", COMMAND_ORDER)
def test_a_signal_while_the_command_is_loaded(tmp_path: Path, log: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for kind in SIGNALS:
        with started(home, log, name) as command:
            command.until(command.takes_signals)
            command.ends_with_one_sentence(kind)
    nothing_is_left(home)


@pytest.mark.parametrize("name", WAIT_FOR_THE_HOME)
def test_a_signal_in_the_middle_of_a_command(home: Path, log: Path, name: str) -> None:
    for kind in SIGNALS:
        with held_by_an_erasure(home), started(home, log, name) as command:
            command.until(lambda command=command: WAITING in command.text())
            command.ends_with_one_sentence(kind)
            nothing_is_left(home)


@pytest.mark.parametrize("name", SERVING)
def test_a_signal_to_what_serves_pages(home: Path, log: Path, name: str) -> None:
    for kind in SIGNALS:
        with started(home, log, name) as command:
            command.until(lambda command=command: "Ctrl-C stops" in command.text())
            assert processes_of(home)
            command.ends_with_one_sentence(kind)
            nothing_is_left(home)


@pytest.mark.parametrize("name", ["run", "daily", *SERVING])
def test_a_kill_leaves_no_server_and_no_held_pipe(home: Path, log: Path, name: str) -> None:
    with held_by_an_erasure(home), started(home, log, name) as command:
        word = "Ctrl-C stops" if name in SERVING else WAITING
        command.until(lambda: word in command.text())
        holders = [name for name in processes_of(home) if "guarded_process" in name]
        assert holders
        command.process.kill()
        command.process.wait()
        deadline = time.monotonic() + SECONDS
        while processes_of(home):
            assert time.monotonic() < deadline, processes_of(home)
            time.sleep(0.1)


def test_what_a_killed_run_was_piped_into_ends(home: Path, log: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **SMALL}
    with held_by_an_erasure(home):
        run = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "run", str(log), "--home", str(home)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert run.stdout is not None
        lines: Sequence[str] = [next(line for line in run.stdout if WAITING in line)]
        assert lines
        run.kill()
        # The end of the pipe: nobody else holds it.
        run.communicate(timeout=SECONDS)
