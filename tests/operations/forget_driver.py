"""Erases a guest in forked children that are killed on the way; each start costs a fork.

``python -m tests.operations.forget_driver`` reads lines ``HOME GUEST EVENTS SECONDS`` and forks
a child for each. The child dies before its so-manieth change to a file (``EVENTS``), or after so
many seconds (``SECONDS``, also inside a library's own write); 0 lets it end. The parent says
``STATUS EVENTS SECONDS``: how the child ended, how many changes it made, and how long it took.
Nothing runs before the first fork, so no thread of a library is lost in it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from pipelines.privacy import forget_guest
from tests.pipelines.privacy.homes import context_of

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "sqlite3.connect")


def dies_before(event: int, count: list[int]) -> None:
    """Kill this process before its ``event``-th change to a file; count them in any case."""

    def hook(name: str, args: tuple[object, ...]) -> None:
        is_write = name == "open" and isinstance(args[2], int) and bool(args[2] & _WRITES)
        if is_write or name in _CHANGES:
            count[0] += 1
            if count[0] == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def attempt(home: Path, guest: str, event: int, seconds: float) -> None:
    pipe, started = os.pipe(), time.monotonic()
    child = os.fork()
    if child == 0:
        sys.stdin.close()
        sys.stdout = sys.stderr
        count = [0]
        dies_before(event, count)
        if seconds:
            # the signal is not handled: it ends the process wherever it is
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, seconds)
        erasure = forget_guest(context_of(home), guest)
        os.write(pipe[1], str(count[0]).encode())
        os._exit(1 if erasure.not_rewritten else 0)
    os.close(pipe[1])
    _, status = os.waitpid(child, 0)
    count_in_words = os.read(pipe[0], 100).decode() or "0"
    os.close(pipe[0])
    code = os.waitstatus_to_exitcode(status)
    print(code, count_in_words, time.monotonic() - started, flush=True)  # noqa: T201


def main() -> None:
    for line in sys.stdin:
        home, guest, event, seconds = line.split("\t")
        attempt(Path(home), guest, int(event), float(seconds))


if __name__ == "__main__":
    main()
