"""A full disk gives one clear error, whatever failed because of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from data.errors import DataError
from pipelines.config.disk_space import LEAST_FREE_BYTES, clear_disk_full_error
from pipelines.config.home import Home


class Usage(NamedTuple):
    """As ``shutil.disk_usage`` gives it."""

    total: int
    used: int
    free: int


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def leave(byte_count: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(1, 1, byte_count))

    return leave


def test_no_work_is_begun_on_a_full_disk(free: Callable[[int], None], tmp_path: Path) -> None:
    free(LEAST_FREE_BYTES - 1)
    with (
        pytest.raises(DataError, match="is full: 16 MB are free"),
        clear_disk_full_error(Home(tmp_path)),
    ):
        pytest.fail("the block ran")


def test_a_failure_that_filled_the_disk_names_the_home_and_what_failed(
    free: Callable[[int], None], tmp_path: Path
) -> None:
    def fail() -> None:
        with clear_disk_full_error(Home(tmp_path)):
            free(0)
            raise RuntimeError("500 Internal Server Error\nmore of it")

    free(LEAST_FREE_BYTES)
    with pytest.raises(DataError, match=r"is full.*\(RuntimeError: 500 Internal Server Error\)$"):
        fail()


def test_other_failures_stay_what_they_are(free: Callable[[int], None], tmp_path: Path) -> None:
    def fail(error: Exception) -> None:
        with clear_disk_full_error(Home(tmp_path)):
            raise error

    free(LEAST_FREE_BYTES)
    with pytest.raises(RuntimeError, match="ours"):
        fail(RuntimeError("ours"))
    with pytest.raises(DataError, match="log is broken"):
        fail(DataError("log is broken"))
