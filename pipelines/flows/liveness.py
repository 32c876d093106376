"""Which flow runs still have a process: each holds a lock file while it runs.

A killed process cannot tell Prefect that it ended, so its run would stay "Running" for ever.
But the kernel has freed its lock: the next start finds the file ``prefect/running/RUN_ID``
unlocked, and marks that run as crashed.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.lake.lock import file_lock, is_held
from pipelines.config.home import Home

__all__ = ["SERVED_BY", "end_with_schedule", "hold_liveness_lock", "mark_crashed_runs"]

# Set by ``stayrank schedule`` for the processes that its batches run in.
SERVED_BY = "STAYRANK_SERVED_BY_PROCESS"
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_TO_STOP = 10.0

CRASHED = "its process ended without a word; the next start went on with its work"


@contextmanager
def hold_liveness_lock(home: Home, flow_run_id: str) -> Iterator[None]:
    """Hold the lock of this flow run while the block runs; its file goes with it."""
    path = _lock(home, flow_run_id)
    with file_lock(path, f"flow run {flow_run_id} runs already", wait_s=0.0):
        yield
    path.unlink(missing_ok=True)


def end_with_schedule() -> None:
    """End this process when the ``stayrank schedule`` that started it is gone, killed for example.

    Its Prefect server went with it, so that the batch could report nothing any more. Prefect
    starts the process without a pipe of ours, so its parent is looked at.
    """
    schedule = os.environ.get(SERVED_BY)
    if schedule is None or int(schedule) == os.getpid():
        return

    def watch() -> None:
        # The parent of a process whose parent has ended is another one.
        while os.getppid() == int(schedule):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(SECONDS_TO_STOP)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def mark_crashed_runs(home: Home) -> list[str]:
    """Mark flow runs of this home as crashed whose process is gone; returns their names.

    Runs without a lock file here are left alone: they may be another home's.
    """
    dead = [path for path in home.prefect.glob("running/*") if not is_held(path)]
    if not dead:
        return []
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    names = []
    with get_client(sync_client=True) as client:
        for path in dead:
            try:
                run = client.read_flow_run(path.name)  # type: ignore[arg-type]
            except ObjectNotFound:
                run = None
            if run is not None and run.state is not None and not run.state.is_final():
                client.set_flow_run_state(run.id, Crashed(message=CRASHED), force=True)
                names.append(run.name)
            # Only now: killed before it, the next start tries again.
            path.unlink(missing_ok=True)
    return names


def _lock(home: Home, flow_run_id: str) -> Path:
    return home.prefect / "running" / flow_run_id
