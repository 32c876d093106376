"""Three signals, one sentence, exit code 128 + number; also while C code runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.usefixtures("no_signal_ignored")

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Says that it waits, then waits in the way that is given.
PROGRAM = """
import sys, time
from pipelines.cli.main import _message_and_code
from pipelines.config import stop_signals
stop_signals.SECONDS_TO_END = 0.5
stop = stop_signals.StopSignals()
stop.install()
def say():
    print("waiting", flush=True)
def wait():
    {wait}
try:
    wait()
except BaseException as error:
    message, code = _message_and_code(error, stop)
    sys.stderr.write(f"stayrank: {{message}}\\n")
    sys.exit(code)
"""
SLEEP = "say(); time.sleep(60)"
# A regular expression that takes centuries, in C, without a look at signals.
IN_C = "say(); import re; re.match('(a|a)*b', 'a' * 60)"
# As a library that turns an interruption into an error of its own.
SWALLOWED = """
    try:
        say()
        time.sleep(60)
    except BaseException:
        raise RuntimeError("the write was torn")
"""
# Where Python drops what is raised.
FINALISED = """
    class Slow:
        def __del__(self):
            say()
            time.sleep(60)
    Slow()
    time.sleep(60)
"""
CLEANING_UP = """
    try:
        say()
        time.sleep(60)
    finally:
        print("cleaning", flush=True)
        time.sleep(60)
"""


@contextmanager
def program(wait: str, *, before: str = "") -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        ["sh", "-c", f'{before} exec "$0" -c "$1"', sys.executable, PROGRAM.format(wait=wait)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    "wait",
    [SLEEP, IN_C, SWALLOWED, FINALISED],
    ids=["sleeping", "in C", "swallowed", "finalised"],
)
@pytest.mark.parametrize("kind", SIGNALS, ids=lambda kind: kind.name)
def test_a_signal_ends_the_program_with_one_sentence_and_its_code(
    kind: signal.Signals, wait: str
) -> None:
    with program(wait) as process:
        process.send_signal(kind)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + kind
    (sentence,) = complaints.splitlines()
    assert sentence.startswith(f"stayrank: stopped by {kind.name}; nothing is half-written")


def test_nohup_stays_in_force() -> None:
    with program("say(); time.sleep(1)", before="trap '' HUP;") as process:
        process.send_signal(signal.SIGHUP)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")


def test_a_second_ctrl_c_does_not_wait() -> None:
    with program(CLEANING_UP) as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "cleaning\n"
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT
    assert complaints.count("stopped by SIGINT") == 1
