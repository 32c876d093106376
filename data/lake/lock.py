"""Locks on a home and its files, freed by the kernel when the holder's process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from data.errors import HomeError, LakeBusyError

__all__ = ["file_lock", "folder_lock", "is_held", "lake_lock"]

_POLL_S = 0.1


@contextmanager
def lake_lock(home: Path, *, wait_s: float = 600.0) -> Iterator[None]:
    """Hold ``home/lake.lock``, the right to write to the tables; see :func:`file_lock`."""
    with file_lock(home / "lake.lock", "another run is writing to this home", wait_s=wait_s):
        yield


@contextmanager
def file_lock(path: Path, busy: str, *, wait_s: float) -> Iterator[None]:
    """Hold the lock at ``path``; the kernel frees it when this process ends, however it ends.

    Waits at most ``wait_s`` seconds for another holder, then raises
    :class:`LakeBusyError` with the sentence ``busy`` and the process that holds it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise HomeError(
            f"{path.parent}: cannot be written to: {error.strerror or error}"
        ) from error
    try:
        _acquire(handle, path, busy, wait_s)
        # for the message of those who wait; the lock itself is the kernel's
        since = datetime.now(UTC).isoformat(timespec="seconds")
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} since {since}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def folder_lock(
    folder: Path,
    busy: str,
    *,
    is_shared: bool,
    wait_s: float,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold a folder itself: by many at once (``is_shared``), or by one alone.

    No file is made and none changes, so that who only looks leaves no trace. The kernel frees
    it when this process ends, however it ends. ``on_wait`` is called once, before a wait; after
    ``wait_s`` seconds :class:`LakeBusyError` is raised with the sentence ``busy``.
    """
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise HomeError(f"{folder}: cannot be opened: {error.strerror or error}") from error
    kind = fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX
    try:
        if not _is_acquired(handle, kind):
            on_wait()
            deadline = time.monotonic() + wait_s
            while not _is_acquired(handle, kind):
                if time.monotonic() >= deadline:
                    raise LakeBusyError(
                        f"{folder}: {busy}; waited {wait_s:.0f} s. Try again when it has finished"
                    )
                time.sleep(_POLL_S)
        yield
    finally:
        os.close(handle)


def _is_acquired(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_held(path: Path) -> bool:
    """Whether a running process holds the lock at ``path``."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _acquire(handle: int, path: Path, busy: str, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = path.read_text(encoding="utf-8", errors="replace").strip()
                raise LakeBusyError(
                    f"{path}: {busy} ({holder or 'unknown'}); "
                    f"waited {wait_s:.0f} s. Try again when it has finished"
                ) from None
            time.sleep(_POLL_S)
        else:
            return
