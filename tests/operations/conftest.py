"""Small homes to run batches in; the first day of one is run once and copied."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.config.settings import Settings, load_settings
from pipelines.run_context import RunContext
from tests.operations.worlds import (
    SEARCHES_A_WEEK,
    SMALL,
    TwoWeeks,
    context_in,
    daily,
    deliver,
    simulate_two_weeks,
)


@pytest.fixture(scope="session")
def two_weeks(tmp_path_factory: pytest.TempPathFactory) -> TwoWeeks:
    return simulate_two_weeks(tmp_path_factory.mktemp("logs"), SEARCHES_A_WEEK)


@pytest.fixture(scope="session")
def small() -> Settings:
    return load_settings(**SMALL)


@pytest.fixture(scope="session")
def finished_home(
    tmp_path_factory: pytest.TempPathFactory, two_weeks: TwoWeeks, small: Settings
) -> Path:
    """A home after its first daily batch, to be copied, not changed."""
    root = tmp_path_factory.mktemp("finished") / "home"
    context = context_in(root, small)
    deliver(context, *two_weeks.first_week(), two_weeks.log(date(2026, 1, 19)))
    daily(context)
    return root


@pytest.fixture
def after_first_day(
    finished_home: Path, tmp_path: Path, small: Settings
) -> Callable[..., RunContext]:
    """Makes a copy of the finished home, with settings changed as given."""

    def make(**batch: object) -> RunContext:
        root = tmp_path / "home"
        shutil.copytree(finished_home, root)
        # MLflow keeps absolute paths: what it is asked for stays in the first home.
        changed = small.model_copy(update={"batch": small.batch.model_copy(update=batch)})
        return context_in(root, changed)

    return make
