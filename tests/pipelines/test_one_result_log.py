"""A log whose searches show one listing each: no order is better than another, and that is said."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from data.simulator import SimulationConfig, write_simulation
from pipelines.config.console import Console
from pipelines.config.home import Home
from pipelines.config.settings import Settings
from pipelines.evaluation.evaluate_run import evaluate
from pipelines.evaluation.scorecard_view import headline, read_scorecard
from pipelines.feature_table.build_table import build_features_table
from pipelines.ingestion.ingest_logs import ingest_logs
from pipelines.reporting.terminal_summary import print_scorecard
from pipelines.reporting.write_report import write_report
from pipelines.run_context import RunContext
from pipelines.training.train import train


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, small_settings: Settings) -> Home:
    folder = Path(tmp_path_factory.mktemp("one-result"))
    write_simulation(SimulationConfig(searches=1_500, seed=2), folder / "week", "parquet")
    week = pl.scan_parquet(folder / "week" / "log" / "*.parquet")
    week.group_by("id_search", maintain_order=True).first().collect().write_parquet(
        folder / "log.parquet"
    )
    context = RunContext(home=Home(folder / "home"), settings=small_settings, console=Console())
    ingest_logs(context, [folder / "log.parquet"])
    build_features_table(context)
    run = train(context, ["random", "popularity", "ranker"])
    evaluate(context, run)
    print_scorecard(context)
    write_report(context, run)
    return context.home


def test_no_ranking_metric_is_given_and_the_reason_is(home: Home) -> None:
    scorecard = read_scorecard(home)
    searches = scorecard.honesty.searches
    assert searches > 100
    assert headline(scorecard) == f"nothing can be ranked: {searches} searches with one result"
    ranked = ("ndcg", "graded", "mrr", "map", "recall", "hit_rate", "precision", "value_dcg")
    assert not [score for score in scorecard.scores if score.metric.startswith(ranked)]
    assert not [score for score in scorecard.scores if score.metric.startswith("search_auc")]


def test_page_says_so_instead_of_perfect_figures(home: Home) -> None:
    page = (home.report / "index.html").read_text()
    assert "nothing can be ranked" in page
    assert "1.000 (" not in page
    assert ">1.000<" not in page
    assert "NaN" not in (home.report / "scorecard.json").read_text()
    json.loads((home.report / "honesty.json").read_text())
