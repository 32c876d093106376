"""The features table of a log that tells instants: late files, and days that overlap."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import FEATURES, IMPRESSIONS
from features.market_days import affected_days
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import load_settings
from pipelines.feature_table.build_table import build_features_table
from pipelines.run_context import RunContext
from tests.features.worlds import CLOCK_GOES_FORWARD, differences, zoned_impressions

KEY = ["id_search", "id_listing"]


def home_of(folder: Path, *parts: pl.DataFrame) -> RunContext:
    """A home that got these parts of a log one after the other, its table built after each."""
    context = RunContext(home=Home(folder), settings=load_settings(seed=1), console=Console())
    context.home.root.mkdir(parents=True, exist_ok=True)
    for part in parts:
        context.lake.append(IMPRESSIONS.name, part)
        build_features_table(context)
    return context


def features_of(context: RunContext) -> pl.DataFrame:
    return context.lake.scan(FEATURES.name).sort(KEY).collect()


def log(*, zones: bool) -> pl.DataFrame:
    whole = zoned_impressions(7, CLOCK_GOES_FORWARD)
    return whole if zones else whole.filter(pl.col("market") == "rio_de_janeiro")


@pytest.mark.parametrize("zones", [False, True], ids=["one zone", "two zones"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_late_file_leaves_no_other_bits_than_one_on_time(
    tmp_path: Path, number: int, zones: bool
) -> None:
    whole = log(zones=zones)
    day = whole["search_day"].unique().sort()[number]
    late = (pl.col("search_day") == day) & (pl.col("market") == "rio_de_janeiro")
    in_parts = home_of(tmp_path / "late", whole.filter(~late), whole.filter(late))
    on_time = home_of(tmp_path / "on_time", whole)
    assert differences(features_of(in_parts), features_of(on_time)) == []


@pytest.mark.parametrize("zones", [False, True], ids=["one zone", "two zones"])
def test_day_after_day_gives_the_bits_of_all_at_once(tmp_path: Path, zones: bool) -> None:
    whole = log(zones=zones)
    days = whole.partition_by("search_day", maintain_order=False)
    days.sort(key=lambda part: part["search_day"][0])
    in_parts = home_of(tmp_path / "daily", *days)
    on_time = home_of(tmp_path / "at_once", whole)
    assert differences(features_of(in_parts), features_of(on_time)) == []


def test_a_day_that_ended_later_than_the_changed_one_began_is_built_again() -> None:
    of_lisbon_and_rio = {5: (0, 97_000), 6: (86_400, 183_000), 7: (172_800, 260_000)}
    assert affected_days({7}, [5, 6, 7], of_lisbon_and_rio) == (6, 7)
    of_one_zone = {5: (10_800, 97_000), 6: (97_300, 183_000), 7: (183_700, 260_000)}
    assert affected_days({7}, [5, 6, 7], of_one_zone) == (7,)
