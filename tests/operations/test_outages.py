"""No space, no permission: a clear message, nothing lost, and the next start ends the day."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from data.errors import DataError
from data.lake.store import Lake
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
from tests.operations.worlds import SMALL, TwoWeeks, context_in, daily, deliver

pytestmark = pytest.mark.operations

NEXT = date(2026, 1, 21)
MakeContext = Callable[..., RunContext]


def _day_with_little_space(root: Path, most_bytes: int, message_file: Path) -> None:
    """The next day in a process whose files may not grow above ``most_bytes``."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    try:
        daily(context_in(root, load_settings(**SMALL)), NEXT)
    except Exception as error:  # noqa: BLE001  # its message is what the test reads
        message_file.write_text(f"{type(error).__name__}: {error}"[:500])
        os._exit(1)
    os._exit(0)


@pytest.mark.parametrize("most_bytes", [4_000, 60_000, 250_000])
def test_without_space_the_day_stops_with_a_message_and_ends_when_there_is_some(
    after_first_day: MakeContext, two_weeks: TwoWeeks, tmp_path: Path, most_bytes: int
) -> None:
    context = after_first_day()
    before, message_file = read_published(context.home), tmp_path / "message.txt"
    rows_before = context.lake.rows(IMPRESSIONS.name)
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    process = multiprocessing.get_context("spawn").Process(
        target=_day_with_little_space, args=(context.home.root, most_bytes, message_file)
    )
    process.start()
    process.join(180)
    assert process.exitcode == 1
    message = message_file.read_text()
    # "File too large" or "No space left on device", however the library that met it says so.
    assert "arge" in message or "space" in message, message
    assert read_published(context.home) == before
    assert Lake(context.home.root).rows(RECOMMENDATIONS.name) >= before.rows
    assert daily(context_in(context.home.root, context.settings), NEXT).is_done
    assert read_published(context.home).ds == NEXT.isoformat()
    assert Lake(context.home.root).rows(IMPRESSIONS.name) > rows_before


@pytest.mark.parametrize("reason", [errno.EROFS, errno.EACCES])
def test_a_home_that_cannot_be_written_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    def refused(path: Path, *args: object, **kwargs: object) -> None:
        raise OSError(reason, os.strerror(reason), str(path))

    monkeypatch.setattr(Path, "touch", refused)
    with pytest.raises(DataError, match=rf"cannot be written \({os.strerror(reason)}\).*--home"):
        Home(tmp_path / "home").prepare()


def test_a_lake_that_became_read_only_stops_the_day_before_anything_is_taken(
    after_first_day: MakeContext, two_weeks: TwoWeeks, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = after_first_day()
    before = read_published(context.home)
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    real = os.open

    def refused(path: str | Path, *args: int, **kwargs: int) -> int:
        if str(path).endswith("lake.lock"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr("data.lake.lock.os.open", refused)
        with pytest.raises(DataError, match="cannot be written to: Read-only file system"):
            daily(context, NEXT)
    assert read_published(context.home) == before
    left = list((context.home.root / "inbox").rglob("2026-01-20.parquet"))
    assert [path.parent.name for path in left] == ["claimed"]
    assert daily(context, NEXT).is_done


def _has_small_disks() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("mount") is not None


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Makes a file system of so many megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def make(megabytes: int) -> Path:
        size = f"size={megabytes}m"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("no file system can be mounted here")
        return folder

    yield make
    subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)


@pytest.mark.skipif(not _has_small_disks(), reason="only root may mount a small file system")
@pytest.mark.parametrize("megabytes", [17, 19])
def test_a_disk_that_fills_during_a_run_is_one_sentence(
    small_disk: Callable[[int], Path], two_weeks: TwoWeeks, megabytes: int
) -> None:
    disk = small_disk(megabytes)
    settings = {
        "STAYRANK_EVALUATION__REPLICATES": "100",
        "STAYRANK_MODELS": '["popularity", "two_tower", "ranker"]',
        "STAYRANK_TWO_TOWER__EPOCHS": "1",
        "STAYRANK_RANKER__MAX_ROUNDS": "10",
    }
    run = [sys.executable, "-m", "pipelines.cli", "run", str(two_weeks.folder)]
    done = subprocess.run(
        [*run, "--home", str(disk / "home")],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("stayrank: ")]
    assert len(said) == 1, done.stderr
    assert "full" in said[0]
    assert done.stderr.splitlines()[-1] == said[0], done.stderr
