"""An erasure that is killed anywhere is finished by the same command, as if nothing had been."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines.tracking.model_checksums import check_manifest
from tests.pipelines.privacy.homes import RUN, context_of, home_in_words, make_home

GUEST = "730"
KILLS_BEFORE_A_CHANGE, KILLS_IN_TIME = 24, 12
# a plan that is on disk changes a model's files and its sums one after the other
PLAN = Path("erasing") / "plan.json"


class Driver:
    """The process that forks attempts; see ``forget_driver``."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.operations.forget_driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def attempt(self, home: Path, event: int = 0, seconds: float = 0.0) -> tuple[int, int, float]:
        """How the child ended, how many changes it made, how many seconds it took."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(home, GUEST, event, seconds, sep="\t", file=self.process.stdin, flush=True)
        status, changes, took = self.process.stdout.readline().split()
        return int(status), int(changes), float(took)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver()
    yield driver
    driver.close()


@pytest.mark.operations
def test_killed_anywhere_and_repeated_an_erasure_ends_where_an_unkilled_one_does(
    tmp_path: Path, driver: Driver
) -> None:
    guests = [GUEST, "U1234567", '5" tv', "9"]
    made = make_home(tmp_path / "made", guests).home.root
    whole = shutil.copytree(made, tmp_path / "whole")
    status, changes, took = driver.attempt(whole)
    assert status == 0
    expected = home_in_words(context_of(whole))
    assert expected["unfinished"] == expected["drafts"] == []
    plan = [(1 + n * changes // KILLS_BEFORE_A_CHANGE, 0.0) for n in range(KILLS_BEFORE_A_CHANGE)]
    plan += [(0, took * (n + 0.5) / KILLS_IN_TIME) for n in range(KILLS_IN_TIME)]
    killed = 0
    for event, seconds in plan:
        home = shutil.copytree(made, tmp_path / "home")
        status, *_ = driver.attempt(home, event, seconds)
        assert status in (0, -signal.SIGKILL, -signal.SIGALRM)
        killed += status < 0
        if not (home / PLAN).exists():
            for model in ("als", "two_tower", "ranker"):
                check_manifest(home / "runs" / RUN / "models" / model)
        assert driver.attempt(home)[0] == 0
        found = home_in_words(context_of(home))
        assert {n for n in expected | found if expected.get(n) != found.get(n)} == set(), event
        shutil.rmtree(home)
    # those by the clock may come after the end, on a machine that is faster at one time
    assert killed >= KILLS_BEFORE_A_CHANGE


@pytest.mark.operations
def test_killed_again_and_again_it_comes_to_its_end(tmp_path: Path, driver: Driver) -> None:
    home = make_home(tmp_path / "home", [GUEST, "U1234567", "9"]).home.root
    whole = shutil.copytree(home, tmp_path / "whole")
    assert driver.attempt(whole)[0] == 0
    for event in range(5, 60, 5):
        driver.attempt(home, event)
    assert driver.attempt(home)[0] == 0
    assert home_in_words(context_of(home)) == home_in_words(context_of(whole))
