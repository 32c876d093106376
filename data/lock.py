"""One writer at a time: a lock on the home that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from data.errors import HomeError, LakeBusyError

__all__ = ["lake_lock"]

_POLL_S = 0.1


@contextmanager
def lake_lock(home: Path, *, wait_s: float = 600.0) -> Iterator[None]:
    """Hold ``home/lake.lock``; the kernel frees it when this process ends, however it ends.

    Waits at most ``wait_s`` seconds for another holder, then raises
    :class:`LakeBusyError` saying who holds it.
    """
    path = home / "lake.lock"
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HomeError(f"{home}: cannot be written to: {error.strerror or error}") from error
    try:
        _acquire(handle, path, wait_s)
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} since {since}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def _acquire(handle: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = path.read_text(encoding="utf-8", errors="replace").strip()
                raise LakeBusyError(
                    f"{path}: another run is writing to this home ({holder or 'unknown'}); "
                    f"waited {wait_s:.0f} s. Try again when it has finished"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
