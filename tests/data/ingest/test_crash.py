"""Killed at any point, an ingest is completed or forgotten by the next, exactly once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from data.errors import LakeBusyError
from data.ingest import IngestOptions, ingest
from data.lake.lock import lake_lock
from data.lake.store import Lake

# Runs an ingest and kills its own process before the call whose number is given.
KILLED = """
import os, signal, sys
from pathlib import Path
import data.ingest.staging, data.lake.store, data.ingest.plan, data.ingest.commit
from data.ingest import ingest
left = int(sys.argv[3])
def counted(owner, name):
    real = getattr(owner, name)
    def step(*args, **kwargs):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(owner, name, step)
for name in ("write", "declare_ready", "plan", "remove"):
    counted(data.ingest.staging.Staging, name)
counted(data.lake.store, "write_deltalake")
counted(data.ingest.plan, "find_duplicates")
ingest([Path(sys.argv[2])], home=Path(sys.argv[1]))
print("finished")
"""


def _state(lake: Lake) -> dict[str, list[tuple]]:
    keys = ["source_line", "id_search", "stage"]
    return {
        "impressions": sorted(lake.scan("impressions").select(keys).collect().rows()),
        "quarantine": sorted(
            lake.scan("quarantine").select("source_id", "source_line", "reasons").collect().rows()
        ),
        "ingests": sorted(
            lake.scan("ingests").select("source_id", "rows_in", "rows_accepted").collect().rows()
        ),
    }


@pytest.fixture
def two_days(world, row):
    """A first log in the lake, and a second that supersedes, repeats and adds rows."""
    first = world.log(row(1), row(2), row(3, label="x"), name="first.csv")
    rows = [row(1, label="click"), row(2), row(4), row(5, listing_total_price="0")]
    return world, first, world.log(*rows, name="second.csv")


def test_raising_at_every_commit_leaves_a_lake_that_the_next_run_completes(
    two_days, monkeypatch, make_world
):
    world, first, second = two_days
    calm = make_world(world.folder)
    calm.home, calm.lake = world.folder / "calm", Lake(world.folder / "calm")
    calm.ingest(first)
    calm.ingest(second)
    for step in range(3):
        home = world.folder / f"home{step}"
        ingest([first], home=home)
        _fail_at_write(step, second, home, monkeypatch)
        report = ingest([second], home=home)
        assert report.recovered == 1
        assert report.files[0].status == "already ingested"
        assert _state(Lake(home)) == _state(calm.lake)
        assert list((home / "staging").glob("*")) == []


def _fail_at_write(step: int, path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import data.lake.store

    real, left = data.lake.store.write_deltalake, [step]

    def failing(*args, **kwargs):
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        left[0] -= 1
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("data.lake.store.write_deltalake", failing)
        with pytest.raises(Exception, match="No space left"):
            ingest([path], home=home)


def _run_killed(home: Path, path: Path, step: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(home), str(path), str(step)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("step", [1, 4, 7, 9])
def test_killed_ingest_is_completed_or_forgotten_exactly_once(two_days, step):
    world, first, second = two_days
    world.ingest(first)
    _run_killed(world.home, second, step)
    world.ingest(second)
    assert world.lake.rows("impressions") == 3
    assert world.accounts_for_every_row()
    assert list((world.home / "staging").glob("*")) == []


@pytest.mark.slow
def test_killed_at_each_step_in_turn_ends_as_an_undisturbed_run(two_days):
    world, first, second = two_days
    calm = world.folder / "calm"
    for path in (first, second):
        ingest([path], home=calm)
    outcomes = []
    for step in range(14):
        home = world.folder / f"killed{step}"
        ingest([first], home=home)
        outcomes.append(_run_killed(home, second, step))
        ingest([second], home=home)
        assert _state(Lake(home)) == _state(Lake(calm)), step
    assert "finished" in outcomes
    assert outcomes.count("") >= 8


def _ingest_in_process(home: Path, path: Path) -> None:
    ingest([path], home=home)


def test_two_processes_of_different_files_both_land_and_of_the_same_file_one(world, row):
    first = world.log(*[row(n) for n in range(50)], name="a.csv")
    second = world.log(*[row(n) for n in range(100, 150)], name="b.csv")
    context = multiprocessing.get_context("spawn")
    runs = [
        context.Process(target=_ingest_in_process, args=(world.home, path))
        for path in (first, second, second)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=120)
    assert [run.exitcode for run in runs] == [0, 0, 0]
    assert world.lake.rows("impressions") == 100
    assert world.lake.rows("ingests") == 2
    assert world.accounts_for_every_row()


def test_reader_never_sees_half_an_ingest(world, row):
    world.ingest(world.log(*[row(n) for n in range(100)], name="a.csv"))
    seen: set[int] = set()
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            seen.add(world.lake.scan("impressions").collect().height)

    reader = threading.Thread(target=poll)
    reader.start()
    late = [row(n, label="click") for n in range(150)]
    world.ingest(world.log(*late, name="b.csv"))
    stop.set()
    reader.join()
    assert seen <= {100, 150}


def test_second_writer_waits_a_bounded_time_and_learns_who_writes(world, row):
    path = world.log(row(1))
    with (
        lake_lock(world.home),
        pytest.raises(LakeBusyError, match=f"process {os.getpid()} since"),
    ):
        world.ingest(path, options=IngestOptions(wait_s=0.2))
    assert world.ingest(path).rows_accepted == 1
