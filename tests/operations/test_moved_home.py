"""A home copied, moved, or restored from a back-up to a path with spaces works on, by itself."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import date
from pathlib import Path

import mlflow
import pytest

from pipelines.config.home import Home
from pipelines.promotion.select_serving_run import select_serving_run
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
from pipelines.tracking.model_registry import RANKER_MODEL
from tests.operations.worlds import TwoWeeks, context_in, daily, deliver

pytestmark = pytest.mark.operations

NEXT = date(2026, 1, 21)
DOCKER = Path(__file__).parents[2] / "docker"


def _snapshot(root: Path) -> dict[str, int]:
    return {str(p.relative_to(root)): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def _copied(context: RunContext, to: Path) -> None:
    shutil.copytree(context.home.root, to)


def _moved(context: RunContext, to: Path) -> None:
    shutil.copytree(context.home.root, to.with_name("original"))
    context.home.root.rename(to)
    to.with_name("original").rename(context.home.root)


def _restored(context: RunContext, to: Path) -> None:
    archive = to.parent / "a back up.tar.gz"
    for script, *arguments in (
        ("backup.sh", context.home.root, archive),
        ("restore.sh", archive, to),
    ):
        subprocess.run([DOCKER / script, *arguments], check=True)


@pytest.mark.parametrize("way", [_copied, _moved, _restored])
def test_a_home_elsewhere_goes_on_and_touches_nothing_of_the_original(
    after_first_day: Callable[..., RunContext],
    two_weeks: TwoWeeks,
    tmp_path: Path,
    way: Callable[[RunContext, Path], None],
) -> None:
    original = after_first_day()
    root = tmp_path / "another place" / "my home (2)"
    root.parent.mkdir()
    way(original, root)
    before = _snapshot(original.home.root)

    context = context_in(root, original.settings)
    deliver(context, two_weeks.log(date(2026, 1, 20)))
    assert daily(context, NEXT).is_done
    assert read_published(Home(root)).ds == "2026-01-21"
    assert select_serving_run(context) is not None
    files = context.tracking.versions.files(RANKER_MODEL, "1")
    assert files.is_relative_to(root)
    assert mlflow.pyfunc.load_model(f"models:/{RANKER_MODEL}/1") is not None
    assert _snapshot(original.home.root) == before
