"""Recommendations of a day as they are written."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.home import Home
from pipelines.recommendation.allocation_prices import read_prices
from pipelines.recommendation.recommend import (
    recommend,
    try_recommending,
    write_recommendations,
)
from pipelines.run_context import RunContext
from tests.pipelines.recommendation.worlds import RIO, Trained, search, table_of

FILE = "night_prices.parquet"


def date_of(day: int) -> date:
    return date(1970, 1, 1) + timedelta(days=day)


def written(context: RunContext) -> pl.DataFrame:
    return context.lake.scan(RECOMMENDATIONS.name).collect().sort("ds", "id_search", "rank")


@pytest.fixture
def context(trained: Trained, tmp_path: Path) -> RunContext:
    return trained.with_log(tmp_path / "home", trained.impressions)


def test_what_was_made_is_written_for_the_day_after_the_log_with_as_many_as_asked_for(
    context: RunContext, trained: Trained
) -> None:
    made = write_recommendations(context, trained.run, top=3)
    table = written(context)
    assert table.equals(table_of(made).sort("ds", "id_search", "rank"))
    assert set(table["ds"]) == {date_of(trained.morning)}
    assert table["rank"].max() == 3
    # A past day leaves it as it is.
    past = trained.morning - 2
    rows = recommend(context, trained.run, day=past)
    both = written(context)
    assert both.filter(ds=date_of(past)).height == rows
    assert both.filter(ds=date_of(trained.morning)).equals(table)


def test_a_trial_gives_the_rows_of_its_own_settings_and_writes_nothing(
    context: RunContext, trained: Trained
) -> None:
    write_recommendations(context, trained.run)
    table, version = written(context), context.version(RECOMMENDATIONS.name)
    prices = (context.home.root / FILE).read_bytes()
    rows = try_recommending(context, trained.run, top=2)
    assert rows["rank"].max() == 2
    assert rows.columns == table.columns
    assert context.version(RECOMMENDATIONS.name) == version
    assert written(context).equals(table)
    assert (context.home.root / FILE).read_bytes() == prices


def test_a_table_from_before_nights_and_party_gains_them_for_new_days(
    context: RunContext, trained: Trained
) -> None:
    later = ["query_checkin", "query_nights", "query_num_guests"]
    past = trained.morning - 2
    recommend(context, trained.run, day=past)
    context.lake.replace_all(RECOMMENDATIONS.name, written(context).drop(later))
    recommend(context, trained.run)
    both = written(context)
    assert both.filter(ds=date_of(past)).height > 0
    assert both.filter(ds=date_of(past)).select(pl.col(later).is_null().all()).row(0) == (True,) * 3
    new = both.filter(ds=date_of(trained.morning))
    assert new["query_num_guests"].null_count() == 0
    assert 0 < new["query_checkin"].null_count() < new.height


def test_a_market_whose_guests_get_nothing_any_more_keeps_nothing(
    context: RunContext, trained: Trained
) -> None:
    log, last = trained.impressions, trained.morning - 1

    def visited(guests: int) -> None:
        bahia = search(log, "ann", market=RIO, day=last, query_num_guests=guests)
        bahia = bahia.with_columns(market=pl.lit("bahia"))
        context.lake.replace_all(IMPRESSIONS.name, pl.concat([log, bahia]))

    visited(1)
    recommend(context, trained.run)
    before = written(context)
    assert before.filter(market="bahia").height == 3
    visited(1_000)
    recommend(context, trained.run)
    after = written(context)
    assert after.filter(market="bahia").is_empty()
    assert set(after["id_search"]) == set(before["id_search"]) - {"ann"}


def test_a_day_again_is_the_same_and_a_past_one_keeps_no_prices(
    context: RunContext, trained: Trained
) -> None:
    # So scarce that every wish is a contest.
    section = context.settings.recommendation.model_copy(update={"night_capacity": 1e-3})
    settings = context.settings.model_copy(update={"recommendation": section})
    context = RunContext(home=context.home, settings=settings, console=context.console)
    made = write_recommendations(context, trained.run)
    assert made.lists.allocation is not None
    prices = made.lists.allocation.prices
    assert len(prices) > 10
    home = Home(context.home.root)
    kept = read_prices(home, made.source, trained.morning + 1)
    assert kept is not None
    assert len(kept) == (prices.night_M >= 1).sum()
    bytes_kept = (home.root / FILE).read_bytes()
    write_recommendations(context, trained.run, day=trained.morning - 1)
    assert (home.root / FILE).read_bytes() == bytes_kept
    # Who loses a night to others gets another listing in its place.
    table = written(context).filter(ds=date_of(trained.morning))
    assert "spread" in set(table["placed_by"])
    # The search for prices ends where it starts, at its own, but for its tolerance.
    write_recommendations(context, trained.run)
    again = written(context).filter(ds=date_of(trained.morning))
    assert again.height == table.height
    assert (again["id_listing"] == table["id_listing"]).mean() > 0.97
    for kept in ("score", "availability"):
        assert again[kept].mean() == pytest.approx(table[kept].mean(), rel=5e-3)
    assert table.filter(placed_by="spread")["value_kept"].max() < 1
