"""The steps on real impressions of another marketplace: no guests, no coordinates, months."""

from __future__ import annotations

import json

import polars as pl
import pytest

from data.schema.tables import IMPRESSIONS, RECOMMENDATIONS
from pipelines.config.settings import Settings
from pipelines.feature_table.build_table import feature_set_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from tests.pipelines.real_logs import SHARED, judged_home

SAMPLE = SHARED / "expedia_2013" / "search_results.csv"


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, small_settings: Settings
) -> tuple[RunContext, str]:
    folder = tmp_path_factory.mktemp("expedia")
    return judged_home(folder, small_settings, SAMPLE, "expedia_2013")


def test_every_real_row_is_accepted(judged: tuple[RunContext, str]) -> None:
    assert judged[0].lake.rows(IMPRESSIONS.name) == 7_109


def test_windows_follow_the_shares_of_a_log_of_months(judged: tuple[RunContext, str]) -> None:
    context, run = judged
    windows = read_record(context.home, run).windows
    searches = (
        context.lake.scan(IMPRESSIONS.name)
        .select("id_search", "search_day")
        .unique("id_search")
        .collect()
    )
    shares = [
        searches.filter(pl.col("search_day").is_between(*windows[name])).height / searches.height
        for name in ("train", "valid", "test")
    ]
    assert shares == pytest.approx([0.7, 0.15, 0.15], abs=0.03)
    assert sum(shares) == pytest.approx(1)


def test_nothing_is_invented_for_absent_columns(judged: tuple[RunContext, str]) -> None:
    names = feature_set_of(judged[0]).names
    assert "x_listing_location_score_2" in names
    assert not [n for n in names if n.startswith("guest_") or ("distance" in n and "x_" not in n)]


def test_als_is_left_out_and_said_so(judged: tuple[RunContext, str]) -> None:
    record = read_record(judged[0].home, judged[1])
    assert record.left_out == {"als": "the log names no guests"}
    page = (judged[0].home.report / "index.html").read_text()
    assert "als left out: the log names no guests" in page
    assert "Simulated data" not in page


def test_position_is_no_feature(judged: tuple[RunContext, str]) -> None:
    assert "position" in judged[0].lake.columns(IMPRESSIONS.name)
    assert not [n for n in feature_set_of(judged[0]).names if "position" in n]


def test_position_is_judged_by_where_the_log_has_it(judged: tuple[RunContext, str]) -> None:
    scores = json.loads((judged[0].home.report / "scorecard.json").read_text())
    assert "position=known" in {score["segment"] for score in scores}


def test_searches_are_recommended_hotels_of_their_own_country(
    judged: tuple[RunContext, str],
) -> None:
    lake = judged[0].lake
    found = lake.scan(RECOMMENDATIONS.name).collect()
    home_of = lake.scan(IMPRESSIONS.name).select("id_listing", at="market").unique().collect()
    assert found["id_search"].n_unique() == 300
    assert (
        found.join(home_of, on="id_listing")
        .filter(pl.col("market") == pl.col("at"))
        .select("id_search", "rank")
        .unique()
        .height
        == found.height
    )


def test_scorecard_warns_of_few_searches(judged: tuple[RunContext, str]) -> None:
    panel = json.loads((judged[0].home.report / "honesty.json").read_text())
    assert any("too few" in warning for warning in panel["warnings"])
