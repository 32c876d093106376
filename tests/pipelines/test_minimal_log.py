"""A log of the five required columns alone: no guests, prices, dates, places or bookings."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from data.schema.tables import RECOMMENDATIONS
from data.simulator import SimulationConfig, write_simulation
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.evaluation.scorecard_view import headline, metrics_shown, read_scorecard
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.promotion.promote import evaluate_and_promote
from pipelines.recommendation.recommend import recommend
from pipelines.reporting.write_report import write_report
from pipelines.run_context import RunContext
from pipelines.training.run_record import read_record
from pipelines.training.train import train

REQUIRED = ("id_search", "id_listing", "label", "ts_search", "query_market")


@pytest.fixture(scope="module")
def judged(
    tmp_path_factory: pytest.TempPathFactory, small_settings: Settings
) -> tuple[RunContext, str]:
    folder = Path(tmp_path_factory.mktemp("minimal"))
    write_simulation(SimulationConfig(searches=1_500, seed=2), folder / "week", "parquet")
    week = pl.scan_parquet(folder / "week" / "log" / "*.parquet").select(REQUIRED)
    seen = week.filter(pl.col("label").is_in(["impressed", "clicked"]))
    seen.collect().write_csv(folder / "log.csv", separator=";")
    context = RunContext(home=Home(folder / "home"), settings=small_settings, console=Console())
    ingest_logs(context, [folder / "log.csv"])
    build_features_table(context)
    run = train(context)
    evaluate_and_promote(context, run)
    recommend(context, run)
    write_report(context, run)
    return context, run


def test_models_without_their_column_are_left_out_and_named(
    judged: tuple[RunContext, str],
) -> None:
    record = read_record(judged[0].home, judged[1])
    assert record.left_out == {
        "cheapest": "the log names no listing_total_price",
        "best_rated": "the log names no listing_review_rating",
        "als": "the log names no guests",
    }
    assert record.models == ("random", "popularity", "two_tower", "lambdarank", "ranker")


def test_clicks_are_judged_where_nothing_is_booked(judged: tuple[RunContext, str]) -> None:
    scorecard = read_scorecard(judged[0].home)
    assert "graded_ndcg_at_10" in metrics_shown(scorecard)
    assert "searches with an action" in headline(scorecard)
    panel = json.loads((judged[0].home.report / "honesty.json").read_text())
    assert panel["booked"] == 0


def test_every_search_is_recommended_listings(judged: tuple[RunContext, str]) -> None:
    lake = judged[0].lake
    found = lake.scan(RECOMMENDATIONS.name).collect()
    searches = lake.scan("impressions").select(pl.col("id_search").n_unique()).collect().item()
    assert found["id_search"].n_unique() == searches
    assert found["estimated_total_price"].null_count() == found.height
