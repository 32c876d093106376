"""A command whose address space is limited (``ulimit -v``) runs below a process that looks on.

Libraries in Rust and C end the whole process where they get no memory (SIGABRT), or leave it with
an error of their own about threads. Nothing inside the process can catch the one, nor tell the
other. So where there is such a limit, the command is started once more as a child. The lines
that it prints go on as they come, up to the first that is of such an end; and if it ends so, the
person reads one sentence. Without a limit nothing of this happens.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

from pipelines.config.stop_signals import StopSignals

__all__ = ["be_supervised_where_memory_is_limited"]

SUPERVISED_BY = "_STAYRANK_SUPERVISED_BY"
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_DATA)
# Where the trouble begins in what a library prints: all that follows is held back.
TROUBLE = (
    *("Traceback (most recent call last)", "memory allocation of", "panicked at", "terminate "),
    *("OpenBLAS", "OMP: Error", "Fatal Python error", "libgomp", "Failed to create", "LLVM ERROR"),
    *("ImportError", "failed to map segment", "pthread_create", "--- Logging error"),
)
# A line that may announce it, or nothing: it alone is held back, with the source line below it.
SIGNS = ("Warning:", "<jemalloc>")
MEMORY = (
    *("MemoryError", "memory", "alloc", "thread", "failed to map segment", "os error 12"),
    *("os error 11", "Resource temporarily unavailable"),
)
ABORTS = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGTRAP)


def be_supervised_where_memory_is_limited(stop: StopSignals) -> None:
    """Return at once, or run the command in a child and exit with its code.

    1 with a sentence where the child ended for want of memory.
    """
    starter = os.environ.pop(SUPERVISED_BY, None)
    if starter is not None:
        _end_with(int(starter))
        return
    limits = [soft for soft, _ in map(resource.getrlimit, LIMITS) if soft != resource.RLIM_INFINITY]
    if limits:
        sys.exit(_supervise(min(limits), stop))


def _supervise(limit: int, stop: StopSignals) -> int:
    child = subprocess.Popen(  # noqa: S603  # this same command
        [sys.executable, *sys.orig_argv[1:]],
        env={**os.environ, SUPERVISED_BY: str(os.getpid())},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        # Ctrl-C reaches this process alone, which passes it on: twice would be impatience.
        start_new_session=True,
    )

    def pass_on(number: int, _frame: FrameType | None) -> None:
        stop.received = stop.received or signal.Signals(number)
        child.send_signal(number)

    for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(kind) is not signal.SIG_IGN:
            signal.signal(kind, pass_on)
    held, signs = _pass_lines_on(child.stderr or ())
    code = child.wait()
    stop.say_once()  # the child has said it
    if stop.received is None and _is_of_memory(code, held):
        _write(f"stayrank: {_sentence(limit)}\n")
        return 1
    # Of a command that told its own failure the signs add nothing to that.
    _write("".join([*(signs if code == 0 else ()), *held]))
    return code if code >= 0 else 128 - code


def _pass_lines_on(lines: Iterable[str]) -> tuple[list[str], list[str]]:
    """Write the lines as they come; those of trouble, and the signs of it, are returned instead."""
    held: list[str] = []
    signs: list[str] = []
    was_sign = False
    for line in lines:
        is_sign = any(words in line for words in SIGNS) or (was_sign and line.startswith("  "))
        if held or any(words in line for words in TROUBLE):
            held.append(line)
        elif is_sign:
            signs.append(line)
        else:
            _write(line)
        was_sign = is_sign
    return held, signs


def _write(text: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads it any more
        sys.stderr.write(text)
        sys.stderr.flush()


def _is_of_memory(code: int, held: list[str]) -> bool:
    if code < 0:
        return -code in ABORTS
    return code != 0 and any(words in line for line in held for words in MEMORY)


def _sentence(limit: int) -> str:
    return (
        f"the address space is limited to {limit / 2**20:.0f} MB here (ulimit -v), which is too "
        "little for this command. Nothing is half-written; raise the limit (ulimit -v unlimited) "
        "and run the same command again"
    )


def _end_with(starter: int) -> None:
    """End this process when the one that looks on is gone."""

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
