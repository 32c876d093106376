"""What the ranker's order costs: how dear the first ten are, and how many of them are new."""

from __future__ import annotations

from models.evaluation.scorecard import Score, Scorecard
from pipelines.verdict.sentence import Mood, Sentence

__all__ = ["EXPOSURE", "PRICE", "what_it_costs"]

PRICE, EXPOSURE = "price_to_search_median_at_10", "new_listing_exposure_at_10"
# Both are there, or neither: of a scorecard without the first it tells whether the log has prices.
SPREAD_OF_PRICES = "list_log_price_at_10"
# Differences of the price level below this are called alike.
ALIKE = 0.005


def what_it_costs(scorecard: Scorecard, reference: str = "popularity") -> Sentence:
    """The price level of the first ten, and new listings' share of them, beside the reference."""
    price, mood = _price(scorecard, reference)
    new, mood_of_new = _new_listings(scorecard, reference)
    return Sentence(
        topic="What it costs",
        text=f"{price}; {new}",
        mood="bad" if "bad" in (mood, mood_of_new) else "",
    )


def _price(scorecard: Scorecard, reference: str) -> tuple[str, Mood]:
    ours = _found(scorecard, "ranker", PRICE)
    if ours is None:
        measured = _found(scorecard, "ranker", SPREAD_OF_PRICES) is not None
        return (
            "the price level was not measured: stayrank evaluate does so"
            if measured
            else "the price level cannot be told from this log"
        ), ""
    level = f"the first ten cost {ours.value:.2f} times the middle price of their search"
    theirs = _found(scorecard, reference, PRICE)
    if theirs is None:
        return level, ""
    change = ours.value / theirs.value - 1
    if abs(change) < ALIKE:
        return f"{level}, as by {reference}", ""
    words = f"{abs(change):.1%} {'more' if change > 0 else 'less'} than by {reference}"
    # dearer lists are bad news to guests only where chance does not explain them
    is_dearer = ours.low is not None and theirs.high is not None and ours.low > theirs.high
    return f"{level}, {words} ({theirs.value:.2f})", "bad" if is_dearer else ""


def _new_listings(scorecard: Scorecard, reference: str) -> tuple[str, Mood]:
    ours = _found(scorecard, "ranker", EXPOSURE)
    if ours is None:
        return "the log does not tell which listings are new", ""
    share = f"new listings get {ours.value:.1%} of the first ten places"
    others = [
        f"{score.value:.1%} {words}"
        for model, words in ((reference, f"by {reference}"), ("random", "in random order"))
        if (score := _found(scorecard, model, EXPOSURE)) is not None
    ]
    theirs = _found(scorecard, reference, EXPOSURE)
    is_less = (
        theirs is not None
        and ours.high is not None
        and theirs.low is not None
        and ours.high < theirs.low
    )
    text = f"{share}, beside {' and '.join(others)}" if others else share
    return text, "bad" if is_less else ""


def _found(scorecard: Scorecard, model: str, metric: str) -> Score | None:
    try:
        score = scorecard.find(model, metric)
    except KeyError:
        return None
    # exposure counts places, not outcomes: its number of searches is that of all
    return None if score.is_too_few else score
