"""Locks: one holder, a bounded wait that names it, and none left behind by a dead process."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from data.errors import HomeError, LakeBusyError
from data.lake.lock import file_lock, is_held, lake_lock

HOLD = """
import sys, time
from pathlib import Path
from data.lake.lock import lake_lock
with lake_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_is_held_inside_the_block_only_and_names_its_process(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "some.lock"
    assert not is_held(path)
    with file_lock(path, "busy", wait_s=0):
        assert is_held(path)
        assert path.read_text().startswith(f"process {os.getpid()} since 2")
    assert not is_held(path)


def test_second_holder_is_refused_after_its_wait_with_the_name_of_the_first(
    tmp_path: Path,
) -> None:
    path = tmp_path / "some.lock"
    refused = pytest.raises(
        LakeBusyError,
        match=rf"some\.lock: somebody writes \(process {os.getpid()} since .*waited 0 s",
    )
    started = time.monotonic()
    with (
        file_lock(path, "a first", wait_s=0),
        refused,
        file_lock(path, "somebody writes", wait_s=0.3),
    ):
        pass
    assert 0.3 <= time.monotonic() - started < 5


def test_second_holder_gets_the_lock_when_the_first_gives_it_up(tmp_path: Path) -> None:
    path = tmp_path / "some.lock"
    order: list[str] = []
    first_holds = threading.Event()

    def first() -> None:
        with file_lock(path, "busy", wait_s=0):
            first_holds.set()
            time.sleep(0.2)
            order.append("first ends")

    holder = threading.Thread(target=first)
    holder.start()
    assert first_holds.wait(timeout=5)
    with file_lock(path, "busy", wait_s=5):
        order.append("second begins")
    holder.join()
    assert order == ["first ends", "second begins"]


def test_error_in_the_block_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(KeyError), lake_lock(tmp_path):
        raise KeyError("inside")
    assert not is_held(tmp_path / "lake.lock")


def test_lock_dies_with_its_holder(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    assert is_held(tmp_path / "lake.lock")
    holder.kill()
    holder.wait()
    holder.stdout.close()
    with lake_lock(tmp_path, wait_s=0):
        assert is_held(tmp_path / "lake.lock")


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(HomeError, match="file/home: cannot be written to: Not a directory"),
        lake_lock(tmp_path / "file" / "home"),
    ):
        pass
