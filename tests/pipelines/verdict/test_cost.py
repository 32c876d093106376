"""What the order costs: price level and new listings beside popularity, or that it is not known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from models.evaluation.scorecard import Scorecard
from pipelines.verdict.cost import EXPOSURE, PRICE, SPREAD_OF_PRICES, what_it_costs
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard, score_of


def card_of(figures: dict[tuple[str, str], float], width: float = 0.001) -> Scorecard:
    alone: dict[str, Any] = {"difference": None, "difference_low": None, "difference_high": None}
    scores = tuple(
        score_of(model, metric, value=value, low=value - width, high=value + width, **alone)
        for (model, metric), value in figures.items()
    )
    return replace(made_up_scorecard(()), scores=scores)


def test_prices_and_new_listings_stand_beside_popularitys() -> None:
    card = card_of(
        {
            ("ranker", PRICE): 0.95,
            ("popularity", PRICE): 1.0,
            ("ranker", EXPOSURE): 0.03,
            ("popularity", EXPOSURE): 0.027,
            ("random", EXPOSURE): 0.043,
        }
    )
    sentence = what_it_costs(card)
    assert sentence.text == (
        "the first ten cost 0.95 times the middle price of their search, 5.0% less than by "
        "popularity (1.00); new listings get 3.0% of the first ten places, beside 2.7% by "
        "popularity and 4.3% in random order"
    )
    assert sentence.mood == ""


def test_fewer_new_listings_and_dearer_ones_are_bad_news_where_chance_does_not_explain_it() -> None:
    fewer = {("ranker", EXPOSURE): 0.01, ("popularity", EXPOSURE): 0.03}
    dearer = {("ranker", PRICE): 1.2, ("popularity", PRICE): 1.0}
    assert what_it_costs(card_of(fewer)).mood == "bad"
    assert what_it_costs(card_of(dearer)).mood == "bad"
    assert what_it_costs(card_of(fewer | dearer, width=0.5)).mood == ""


def test_a_log_without_prices_or_new_listings_and_an_older_scorecard_say_so() -> None:
    assert what_it_costs(card_of({})).text == (
        "the price level cannot be told from this log; the log does not tell which listings are new"
    )
    older = card_of({("ranker", SPREAD_OF_PRICES): 0.5})
    assert "was not measured: stayrank evaluate" in what_it_costs(older).text
