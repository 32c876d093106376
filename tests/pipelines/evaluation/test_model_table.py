"""What of a scorecard stands in MLflow's table of models."""

from __future__ import annotations

import json

from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.model_table import (
    cells_of,
    in_words,
    models_view,
    rankers_view,
    sorted_by,
)
from pipelines.evaluation.publish_scorecard import headline_metrics, metrics_of
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard

VALUE, NDCG, GRADED = "value_dcg_at_10", "ndcg_at_10", "graded_ndcg_at_10"
PRICE, NEW = "price_to_search_median_at_10", "new_listing_exposure_at_10"
OTHERS = [f"list_distance_km_at_{k}" for k in range(1, 60)]
EVERY = (VALUE, NDCG, GRADED, "mrr", "recall_at_10", "g_taste_at_10", PRICE, NEW, *OTHERS)
PER_1000 = "bookings per 1000 searches"


def state_of(card: Scorecard) -> dict[str, object]:
    return dict(json.loads(json.loads(models_view("abc", card).tag()[1])["state"]))


def test_cells_are_the_figures_of_the_report_with_their_intervals() -> None:
    card = made_up_scorecard(EVERY)
    assert cells_of(card, "ranker") == {
        "95 percent interval": "550.0–650.0",
        "over popularity": "+20.0% (+4.0% to +36.0%)",
        "NDCG at 10": "0.600 (0.550–0.650)",
        "price level": "0.60 (0.55–0.65)",
        "new listings": "60.0% (55.0%–65.0%)",
    }
    assert "over popularity" not in cells_of(card, "popularity")
    assert in_words(card, "ranker")[0] == (PER_1000, "600.0 (550.0–650.0)")
    assert cells_of(card, "unheard of") == {}


def test_columns_are_those_that_the_models_have_cells_in() -> None:
    card = made_up_scorecard(EVERY)
    tags = [f"tags.`{name}`" for name in cells_of(card, "ranker")]
    state = state_of(card)
    assert state["selectedColumns"] == ["tags.`standing`", f"metrics.`{PER_1000}`", *tags]
    assert state["orderByKey"] == f"metrics.`{PER_1000}`"
    assert state["searchFilter"] == "tags.mlflow.parentRunId = 'abc'"
    assert sorted_by(card) in {name for name, _, _ in metrics_of(card, "random")}
    assert rankers_view(card).sorted_by == "tags.`stayrank.run`"


def test_a_model_has_about_thirty_metrics_however_many_there_are() -> None:
    card = made_up_scorecard(EVERY)
    figures = metrics_of(card, "ranker")
    names = [name for name, _, _ in figures]
    assert len(names) == len(set(names))
    assert 15 <= len(names) <= 30
    assert not set(OTHERS) & {name.removeprefix("test.") for name in names}
    assert {f"test.{VALUE}.market.rio_low", f"test.{NDCG}.market.rio_high"} <= set(names)
    assert len(headline_metrics(card)) <= 30


def test_metrics_are_rounded_to_four_digits_and_the_table_is_in_the_units_shown() -> None:
    card = made_up_scorecard(EVERY, value=0.0123456789, low=0.01111111, high=0.0133333333)
    figures = {name: value for name, value, _ in metrics_of(card, "random")}
    assert figures[f"test.{VALUE}"] == 0.01235
    assert figures[f"test.{VALUE}_low"] == 0.01111
    assert figures[PER_1000] == 12.35
    large = made_up_scorecard(EVERY, value=0.123456789, low=0.1, high=0.2)
    assert dict(figure[:2] for figure in metrics_of(large, "random"))[PER_1000] == 123.46


def test_where_few_searches_are_scored_the_table_says_so() -> None:
    card = made_up_scorecard([VALUE], searches={"all": 2, "market=rio": 1, "market=sampa": 1})
    assert cells_of(card, "ranker") == {"95 percent interval": "too few (n = 2)"}
    assert metrics_of(card, "ranker") == []


def test_without_a_worth_of_clicks_the_models_are_sorted_by_ndcg() -> None:
    card = made_up_scorecard([NDCG, GRADED], low=None, high=None)
    assert sorted_by(card) == "NDCG at 10"
    assert cells_of(card, "ranker") == {
        "95 percent interval": "unknown",
        "over popularity": "+0.1000 (+0.0200 to +0.1800)",
    }
    assert ("NDCG at 10", 0.6, 0) in metrics_of(card, "ranker")
    assert state_of(card)["selectedColumns"] == [
        "tags.`standing`",
        "metrics.`NDCG at 10`",
        "tags.`95 percent interval`",
        "tags.`over popularity`",
    ]


def test_a_card_without_a_figure_has_a_table_all_the_same() -> None:
    card = made_up_scorecard([], nothing_ranked="nothing can be ranked")
    assert cells_of(card, "ranker") == {}
    assert metrics_of(card, "ranker") == []
    assert state_of(card)["orderByKey"] == "metrics.`graded NDCG at 10`"
