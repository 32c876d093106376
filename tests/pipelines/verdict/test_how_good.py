"""How much better and where: true of one market, of none, and of a ranker that is worse."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.evaluation.scorecard import Scorecard
from pipelines.verdict.how_good import how_much_better, market_gains, where_better
from tests.pipelines.evaluation.made_up_scorecard import made_up_scorecard, score_of

VALUE, NDCG = "value_dcg_at_10", "ndcg_at_10"
RIO, SAMPA = "market=rio", "market=sao_paulo"
GAIN, NONE, HARM = (0.06, 0.14), (-0.04, 0.06), (-0.15, -0.05)
Ends = tuple[float, float]


def card_with(searches: int = 200, **ends: Ends) -> Scorecard:
    """A scorecard whose ranker differs from popularity by the middle of these ends."""
    segments = {"all": "all", "rio": RIO, "sampa": SAMPA}
    scores = []
    for name, (low, high) in ends.items():
        change = {"segment": segments.get(name, f"market={name}"), "searches": searches}
        paired = {"difference": (low + high) / 2, "difference_low": low, "difference_high": high}
        scores += [
            score_of("popularity", VALUE, **change),
            score_of("ranker", VALUE, value=0.5 + (low + high) / 2, **paired, **change),
        ]
    return replace(made_up_scorecard((VALUE,)), scores=tuple(scores))


def test_the_gain_is_said_with_its_interval_its_searches_and_how_sure_it_is() -> None:
    sentence = how_much_better(card_with(all=GAIN), "version 3")
    assert sentence.text == (
        "version 3: the first ten places bring 600.0 expected bookings per 1,000 searches, +20.0% "
        "(95% interval +12.0% to +28.0%) against popularity, on 200 searches of 150 guests: "
        "better, and more than chance"
    )
    assert sentence.mood == "good"


@pytest.mark.parametrize(
    ("ends", "end", "mood"),
    [(NONE, "no difference is shown", ""), (HARM, "worse, and more than chance", "bad")],
)
def test_no_gain_and_harm_are_not_called_a_gain(ends: Ends, end: str, mood: str) -> None:
    sentence = how_much_better(card_with(all=ends))
    assert sentence.text.endswith(end)
    assert sentence.mood == mood


def test_simulated_guests_are_called_so() -> None:
    card = card_with(all=GAIN)
    provenance = replace(card.honesty.provenance, is_simulated=True)
    simulated = replace(card, honesty=replace(card.honesty, provenance=provenance))
    assert "SIMULATED" in how_much_better(simulated).text
    assert "SIMULATED" not in how_much_better(card).text


def test_where_nothing_can_be_said_that_is_said() -> None:
    nothing = made_up_scorecard((VALUE,), nothing_ranked="nothing can be ranked: one result each")
    assert how_much_better(nothing).text == "nothing can be ranked: one result each"
    few = card_with(searches=2, all=GAIN, rio=GAIN, sampa=GAIN)
    assert how_much_better(few).text.endswith("only 2 searches can be scored")
    assert where_better(few).text == (
        "better than popularity in no market by itself; too few searches to say in Rio and "
        "São Paulo"
    )
    nobody = replace(few, scores=tuple(s for s in few.scores if s.model != "ranker"))
    assert how_much_better(nobody).text == "no ranker was measured, so nothing is compared"
    assert where_better(nobody).text == "no market can be looked at by itself"


def test_without_an_interval_it_is_not_said_to_be_sure() -> None:
    score = score_of(
        "ranker", VALUE, difference_low=None, difference_high=None, low=None, high=None
    )
    card = replace(made_up_scorecard((VALUE,)), scores=(score,))
    assert how_much_better(card).text.endswith("how sure that is cannot be said")


def test_bookings_are_ranked_by_where_clicks_have_no_value() -> None:
    text = how_much_better(made_up_scorecard((NDCG,))).text
    assert text.startswith("the ranker: NDCG@10 of the bookings is 0.600, +0.100 (95% interval")


def test_a_gain_of_one_market_alone_says_so() -> None:
    sentence = where_better(card_with(all=GAIN, rio=NONE, sampa=GAIN))
    assert sentence.text.startswith("better than popularity in one of 2 markets alone, São Paulo ")
    assert "no difference is shown in Rio +2.0%" in sentence.text
    assert sentence.mood == ""


def test_harm_in_a_market_is_bad_news_whatever_the_whole_looks_like() -> None:
    sentence = where_better(card_with(all=GAIN, rio=HARM, sampa=GAIN))
    assert "worse in Rio -20.0%" in sentence.text
    assert sentence.mood == "bad"


def test_a_gain_everywhere_is_good_news_and_one_market_is_not_called_every() -> None:
    assert where_better(card_with(all=GAIN, rio=GAIN, sampa=GAIN)).mood == "good"
    one = where_better(card_with(all=GAIN, rio=GAIN))
    assert one.text == "there is one market, Rio: all of it holds there"


def test_the_more_markets_are_looked_at_the_wider_is_each_interval() -> None:
    narrow = (0.002, 0.098)
    two = card_with(all=GAIN, rio=narrow)
    assert [len(market_gains(two).better), len(market_gains(two).unclear)] == [1, 0]
    many = card_with(all=GAIN, **{f"m{n}": narrow for n in range(9)})
    gains = market_gains(many)
    assert (gains.markets, len(gains.better), len(gains.unclear)) == (9, 0, 9)
    assert where_better(many).text.endswith("and 5 more")
