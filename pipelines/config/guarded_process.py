"""Run a module as ``python -m`` does, and end it when the process that started it is gone.

    python -m pipelines.config.guarded_process DESCRIPTOR MODULE [ARGUMENT...]

DESCRIPTOR is the reading end of a pipe whose other end only the starter holds. The kernel closes
that end when the starter ends, by SIGKILL too; then the whole process group of this process ends.
So a server never outlives the command that it was started for. It has to lead its own session.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

__all__ = ["end_with_starter", "main"]

SECONDS_TO_STOP = 3.0


def main() -> None:
    """Entry point: watch the pipe, then become the module."""
    descriptor, module, *arguments = sys.argv[1:]
    # Not for the module's own children: the pipe is this process's alone to read.
    os.set_inheritable(int(descriptor), False)
    threading.Thread(target=end_with_starter, args=(int(descriptor),), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def end_with_starter(descriptor: int) -> None:
    """Wait for the pipe's other end to close, then end this process group."""
    os.read(descriptor, 1)
    group = os.getpgid(0)
    os.killpg(group, signal.SIGTERM)
    time.sleep(SECONDS_TO_STOP)
    os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
