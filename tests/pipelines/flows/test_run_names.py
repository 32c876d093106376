"""What flow runs are called on Prefect's page."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pipelines.config.settings import SettingsError, load_settings
from pipelines.flows import outcome, run_names
from pipelines.run_context import RunContext


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let Prefect say that a flow runs with these parameters."""

    def call(flow: str, **parameters: object) -> None:
        told = SimpleNamespace(flow_name=flow, parameters=parameters)
        monkeypatch.setattr(run_names, "flow_run", told)

    return call


def _context(*days: date, scenario: str = "default") -> RunContext:
    lake = SimpleNamespace(market_days=lambda _: [("rio_de_janeiro", day) for day in days])
    settings = load_settings(simulation={"scenario": scenario})
    return cast("RunContext", SimpleNamespace(lake=lake, settings=settings))


def test_the_main_job_is_named_by_its_world_and_then_by_its_last_day(called: Any) -> None:
    called("stayrank-run", logs=[], settings=load_settings())
    assert run_names.name_of_main_job() == "run default"
    context = _context(date(2026, 1, 24), date(2026, 1, 25))
    assert run_names.main_job_named(context, []) == "run 2026-01-25 default"
    carnival = _context(date(2026, 2, 13), scenario="carnival")
    assert run_names.main_job_named(carnival, []) == "run 2026-02-13 carnival"


@pytest.mark.parametrize(
    ("logs", "subject"),
    [
        (["/data/searches.csv"], "searches.csv"),
        (["/data/week/"], "week"),
        (["a.csv", "b.csv", "c.csv"], "3 logs"),
        (["x" * 100], "x" * 60 + "…"),
    ],
)
def test_a_job_on_logs_is_named_by_them(logs: list[str], subject: str) -> None:
    assert run_names.main_job_named(_context(), logs) == f"run {subject}"
    assert (
        run_names.main_job_named(_context(date(2018, 2, 12)), logs) == f"run 2018-02-12 {subject}"
    )


def test_a_batch_without_a_day_is_named_by_today(
    called: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_names, "today", lambda _: date(2026, 1, 26))
    called("daily", day=None, settings_file=None)
    assert run_names.name_of_batch() == "daily 2026-01-26"
    called("weekly", day=date(2026, 1, 25))
    assert run_names.name_of_batch() == "weekly 2026-01-25"


def test_settings_that_cannot_be_read_leave_the_batch_its_kind(called: Any, tmp_path: Path) -> None:
    called("daily", day=None, settings_file=str(tmp_path / "absent.toml"))
    assert run_names.name_of_batch() == "daily"


def test_a_backfill_is_named_by_its_days(called: Any) -> None:
    called("backfill", first="2026-01-20", last=date(2026, 1, 22))
    assert run_names.name_of_backfill() == "backfill 2026-01-20 to 2026-01-22"


def test_a_day_typed_on_the_page_is_read_or_told_with_its_parameter() -> None:
    assert outcome.day_of("2026-01-26", "day") == outcome.day_of(date(2026, 1, 26), "day")
    with pytest.raises(SettingsError, match=r"^last: '2026-02-30' is not a date"):
        outcome.day_of("2026-02-30", "last")


def test_an_error_that_can_be_mended_ends_a_run_with_its_own_sentence() -> None:
    def work() -> str:
        raise SettingsError("threads = -1: must be at least 0; see http://ana:s3cret@host")

    state = cast("Any", outcome.ended_in_words(work))
    assert (state.name, state.message) == (
        "Failed",
        "threads = -1: must be at least 0; see http://***@host",
    )
    assert isinstance(state.data, SettingsError)
    assert outcome.ended_in_words(lambda: "done") == "done"
