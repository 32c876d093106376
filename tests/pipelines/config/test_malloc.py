"""A process of many threads finds its memory in as many arenas as it has cores."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.config.malloc import share_arenas

ROOT = Path(__file__).parents[3]
THREADS = 12
# Twelve threads hold memory at once; then glibc tells of each arena in XML, a <heap> each.
PROGRAM = f"""
import ctypes, threading
import {{first}}
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.fdopen.restype = ctypes.c_void_p, ctypes.c_void_p
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
together = threading.Barrier({THREADS})
def hold():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=hold) for _ in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
output = libc.fdopen(1, b"w")
libc.malloc_info(0, output)
libc.fflush(output)
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="another C library has other arenas, or none"
)


def arenas(first: str, **own: str) -> int:
    """How many arenas a process has that imports ``first``."""
    names = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(first=first)],
        cwd=ROOT,
        env={**inherited, **own},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout
    return printed.count("<heap nr=")


def test_threads_share_as_many_arenas_as_there_are_cores() -> None:
    most = max(2, len(os.sched_getaffinity(0)))
    assert arenas("pipelines") <= most
    assert arenas("json") > min(most, THREADS - 1)  # what the C library does by itself


def test_what_a_person_has_set_stays() -> None:
    assert arenas("pipelines", MALLOC_ARENA_MAX="7") == 7
    assert share_arenas({"GLIBC_TUNABLES": "glibc.malloc.arena_max=7"}) is None


@pytest.mark.parametrize("way", ["return_free_pages()", "with Console().step('a step'): pass"])
def test_free_pages_go_back(way: str) -> None:
    """Blocks below the size that is mapped, every second freed: the gaps are whole pages."""
    program = f"""
import ctypes
from pipelines.config.console import Console
from pipelines.config.malloc import return_free_pages
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
size, count = 100_000, 2_000
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
blocks = [libc.malloc(size) for _ in range(count)]
for block in blocks:
    ctypes.memset(block, 1, size)
for block in blocks[::2]:
    libc.free(block)
before = held()
{way}
print((before - held()) / (size * count / 2))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert 0.8 < float(done.stdout) < 1.2
