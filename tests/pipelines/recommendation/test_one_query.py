"""One query by the way of a whole day's lists."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import pipelines.recommendation.one_query
from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.recommendation.one_query import recommended_for_query
from pipelines.recommendation.recommend import write_recommendations
from pipelines.run_context import RunContext
from tests.pipelines.recommendation.worlds import Trained


@pytest.fixture(scope="module")
def day(
    trained: Trained, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunContext, pl.DataFrame]:
    """A home where nights are so scarce that every wish is a contest, and its table."""
    root = Path(tmp_path_factory.mktemp("scarce")) / "home"
    context = trained.with_log(root, trained.impressions, night_capacity=1e-3)
    write_recommendations(context, trained.run)
    return context, context.lake.scan(RECOMMENDATIONS.name).collect().sort("id_search", "rank")


def of_guest(context: RunContext, guest: str) -> pl.LazyFrame:
    return context.lake.scan(IMPRESSIONS.name).filter(pl.col("id_user") == guest)


def test_a_guests_own_search_gives_the_list_of_the_table_and_writes_nothing(
    day: tuple[RunContext, pl.DataFrame], trained: Trained
) -> None:
    context, table = day
    kept = {p: p.read_bytes() for p in context.home.root.glob("*.parquet")}
    assert {path.name for path in kept} == {"night_prices.parquet", "listing_values.parquet"}
    version = context.version(RECOMMENDATIONS.name)
    # A list in which prices moved something, so that it would be another one without them.
    moved = table.filter(pl.col("placed_by") == "spread")["id_user"].unique().sort()
    plain = table.filter(~pl.col("id_user").is_in(moved.implode()))["id_user"].unique().sort()
    for guest in (moved[0], moved[-1], plain[0]):
        one = recommended_for_query(context, trained.run, trained.morning, of_guest(context, guest))
        expected = table.filter(pl.col("id_user") == guest)
        assert_frame_equal(one.table, expected, rel_tol=1e-9, check_row_order=True)
        assert one.prices is not None
    assert {p: p.read_bytes() for p in context.home.root.glob("*.parquet")} == kept
    assert context.version(RECOMMENDATIONS.name) == version


def test_values_of_listings_are_those_that_were_kept(
    day: tuple[RunContext, pl.DataFrame], trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, table = day

    def refuse(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(pipelines.recommendation.one_query, "listing_values", refuse)
    asking = of_guest(context, table["id_user"][0])
    assert recommended_for_query(context, trained.run, trained.morning, asking).table.height
    with pytest.raises(AssertionError, match="computed again"):
        recommended_for_query(context, trained.run, trained.morning - 1, asking)


def test_a_search_that_allows_no_listing_has_an_empty_list(
    day: tuple[RunContext, pl.DataFrame], trained: Trained
) -> None:
    context, table = day
    asking = of_guest(context, table["id_user"][0]).with_columns(
        query_num_guests=pl.lit(1_000, pl.Int32)
    )
    one = recommended_for_query(context, trained.run, trained.morning, asking)
    assert one.table.is_empty()
    assert one.table.columns == table.columns
