"""A dry run of a week, time-travelled: seven days, seven reports, one training, one decision."""

from __future__ import annotations

import json
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import RECOMMENDATIONS, SCORES
from pipelines.batch.backfill import BACKFILL
from pipelines.batch.journal import Batch
from pipelines.batch.run_batch import new_id, run_batch
from pipelines.batch.weekly import WEEKLY
from pipelines.config.settings import Settings
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.recommendation.published_pointer import read_published
from pipelines.run_context import RunContext
from tests.operations.worlds import TwoWeeks, context_in, daily, deliver, published_rows

pytestmark = pytest.mark.operations

MONDAY = date(2026, 1, 20)


def test_seven_days_leave_seven_of_everything_and_one_training(
    tmp_path: Path, two_weeks: TwoWeeks, small: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    context = context_in(tmp_path / "home", small)
    home, began = context.home, time.monotonic()
    ingest_logs(context, two_weeks.first_week())
    sunday = Batch(context=context, kind="weekly", day=date(2026, 1, 18), id=new_id())
    assert run_batch(sunday, WEEKLY).is_done
    days = [MONDAY + timedelta(days=n) for n in range(6)]
    for day in (date(2026, 1, 19), *days):
        if day != date(2026, 1, 19):
            deliver(context, two_weeks.log(day - timedelta(days=1)))
        assert daily(context, day).is_done
        assert read_published(home).ds == day.isoformat()
    recommended = context.lake.scan(RECOMMENDATIONS.name).collect()
    assert set(recommended["ds"]) == {date(2026, 1, 19), *days}
    assert recommended.group_by("ds").agg(pl.col("id_user").n_unique())["id_user"].min() > 50
    reports = {path.parent.name for path in home.root.glob("reports/2026-*/index.html")}
    assert reports == {day.isoformat() for day in (date(2026, 1, 19), *days)}
    (record,) = home.runs.glob("*/run.json")
    (decision,) = home.runs.glob("*/promotion.json")
    assert record.parent == decision.parent
    scored = context.lake.scan(SCORES.name).filter(pl.col("split") == "day").collect()
    assert set(scored["ds_search"]) == {date(2026, 1, 18), date(2026, 1, 19), *days[:-1]}
    batches = context.tracking.client.search_runs(
        [context.tracking.experiment_id], "tags.`stayrank.batch` != ''"
    )
    names = {f"daily {day}" for day in (date(2026, 1, 19), *days)} | {"weekly 2026-01-18"}
    assert sorted(run.data.tags["stayrank.batch"] for run in batches) == sorted(names)
    with capsys.disabled():
        print(f"\na week of seven days and one training: {time.monotonic() - began:.0f} s")  # noqa: T201

    _backfill_publishes_nothing(context_in(home.root, small))


def _backfill_publishes_nothing(context: RunContext) -> None:
    before = read_published(context.home)
    rows = published_rows(context.home).height
    batch = Batch(context=context, kind="backfill", day=MONDAY, id=new_id())
    assert run_batch(batch, BACKFILL, again=True).is_done
    assert read_published(context.home) == before
    assert published_rows(context.home).height == rows
    journal = json.loads((batch.folder / "journal.json").read_text())
    assert journal["stages"]["recommend"]["rows"] > 0
