"""The steps on real searches with a row each: lists in cells, clicks only, no stays' dates."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.settings import Settings
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.pipelines.real_logs import SHARED, judged_home

SAMPLE = SHARED / "trivago_2019" / "clickouts.csv"


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, small_settings: Settings
) -> tuple[RunContext, str]:
    folder = tmp_path_factory.mktemp("trivago")
    return judged_home(folder, small_settings, SAMPLE, "trivago_2019")


def test_every_listing_of_every_list_is_an_impression(judged: tuple[RunContext, str]) -> None:
    lists = pl.read_csv(SAMPLE, infer_schema=False)
    shown = lists["impressions"].str.split("|").list
    impressions = judged[0].lake.scan(IMPRESSIONS.name)
    rows = impressions.select("id_search", "id_listing", "stage", "position").collect()
    assert rows.height == shown.len().sum() == 6_762
    assert rows["id_search"].n_unique() == lists.height
    # each click-out is on one listing of its list, in the place where it stands there
    places = [
        cell.split("|").index(reference) + 1
        for cell, reference in lists.select("impressions", "reference").rows()
    ]
    clicked = rows.filter(pl.col("stage") == 1)
    assert sorted(clicked["position"].to_list()) == sorted(places)


def test_what_needs_bookings_or_dates_is_left_out_and_named(judged: tuple[RunContext, str]) -> None:
    context, run = judged
    assert read_record(context.home, run).left_out == {
        "best_rated": "the log names no listing_review_rating"
    }


def test_every_search_is_recommended_listings(judged: tuple[RunContext, str]) -> None:
    found = judged[0].lake.scan(RECOMMENDATIONS.name).collect()
    assert found["id_search"].n_unique() == 300
    assert (judged[0].home.report / "index.html").is_file()
