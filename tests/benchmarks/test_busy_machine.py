"""The load beside a training: it wants cores while the block lasts, and outlives nobody."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's /proc")


@pytest.fixture(scope="module")
def busy_machine(load_benchmark: Callable[[str], ModuleType]) -> ModuleType:
    return load_benchmark("busy_machine")


def test_the_load_ends_with_its_block_also_when_that_fails(busy_machine: ModuleType) -> None:
    started: list[subprocess.Popen[bytes]] = []

    def fail_beside_load() -> None:
        with busy_machine.busy_cores(1) as processes:
            started.extend(processes)
            assert all(process.poll() is None for process in processes)
            raise ValueError("the fit failed")

    with pytest.raises(ValueError, match="the fit failed"):
        fail_beside_load()
    assert len(started) == busy_machine.cores()
    assert all(process.returncode is not None for process in started)


def test_the_load_ends_when_its_starter_is_killed(busy_machine: ModuleType) -> None:
    program = (
        "import os, subprocess, sys, time\n"
        f"load = [sys.executable, '-c', {busy_machine.LOAD!r}, str(os.getpid())]\n"
        "load = subprocess.Popen(load)\n"
        "print(load.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    load = int(starter.stdout.readline())
    starter.kill()
    starter.communicate()
    # The load looks for its parent now and then; a test that waits in vain is stopped.
    while _runs(load):
        time.sleep(0.05)


def _runs(process: int) -> bool:
    """Neither gone nor a zombie that its new parent has not collected."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
