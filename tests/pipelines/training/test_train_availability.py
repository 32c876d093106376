"""P(free) is learnt from the days before the test window, or left out with a word."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS
from models.availability.availability_model import AvailabilityModel
from pipelines.config.home import Home
from pipelines.run_context import RunContext
from pipelines.training import train_availability as module
from pipelines.training.run_record import read_record
from pipelines.training.train_availability import load_availability, train_availability


def learnt(
    finished: tuple[RunContext, str], log: pl.DataFrame, home: Path, end_day: int
) -> AvailabilityModel | None:
    """What this log teaches."""
    context = RunContext(
        home=Home(home), settings=finished[0].settings, console=finished[0].console
    )
    context.lake.replace_all(IMPRESSIONS.name, log.lazy())
    return train_availability(context, "run", end_day=end_day)


def test_the_run_keeps_its_model(finished: tuple[RunContext, str]) -> None:
    context, run = finished
    model = load_availability(context.home.runs / run)
    assert model is not None
    assert model.pairs > 1_000
    assert load_availability(context.home.runs / "another") is None


def test_nothing_of_the_test_window_is_learnt_from(
    finished: tuple[RunContext, str], tmp_path: Path
) -> None:
    context, run = finished
    test_day = read_record(context.home, run).windows["test"][0]
    log = context.lake.scan(IMPRESSIONS.name).collect()
    earlier = log.filter(pl.col("search_day") < test_day)
    without = learnt(finished, earlier, tmp_path / "without", test_day)
    model = load_availability(context.home.runs / run)
    assert without is not None
    assert model is not None
    assert without.coefficients.tolist() == model.coefficients.tolist()


def test_a_log_without_dates_says_so(
    finished: tuple[RunContext, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context, _ = finished
    log = context.lake.scan(IMPRESSIONS.name).head(500).collect()
    bare = log.drop("checkin_day", "checkout_day")
    assert learnt(finished, bare, tmp_path, int(log["search_day"].max()) + 1) is None  # type: ignore[arg-type]
    assert "no dated searches" in capsys.readouterr().out


def test_one_day_alone_has_no_morning_to_learn_from(
    finished: tuple[RunContext, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    context, _ = finished
    scan = context.lake.scan(IMPRESSIONS.name)
    log = scan.filter(pl.col("search_day") == pl.col("search_day").min()).collect()
    assert learnt(finished, log, tmp_path, int(log["search_day"].max()) + 1) is None  # type: ignore[arg-type]
    assert "availability: left out" in capsys.readouterr().out


def test_unshown_pairs_stand_for_all_of_theirs(finished: tuple[RunContext, str]) -> None:
    context, run = finished
    day = read_record(context.home, run).windows["valid"][0]
    impressions = context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") <= day)
    config = module.AvailabilityConfig()
    rows = module._day(impressions, day, config)
    assert rows is not None
    detection = rows.detection
    dated = impressions.filter(pl.col("search_day") == day, pl.col("checkin_day").is_not_null())
    shown = dated.collect()
    known = impressions.filter(pl.col("search_day") < day).select("id_listing").unique().collect()
    of_known = shown.join(known, on="id_listing", how="semi")
    # price filters by a median may drop a shown pair: all others are there
    assert 0.9 < int(detection.was_shown_P.sum()) / of_known.height <= 1
    assert detection.weight_P[detection.was_shown_P].max() == 1
    assert detection.weight_P[~detection.was_shown_P].min() >= 1
