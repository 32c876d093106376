"""How much better than popularity the ranker orders, how sure that is, and in which markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data.counted import counted
from models.evaluation.scorecard import Score, Scorecard
from pipelines.evaluation.scorecard_view import (
    NDCG,
    OUTCOMES,
    VALUE,
    figure,
    name_of,
    primary_metric,
    value_of,
)
from pipelines.promotion.widened_interval import widened
from pipelines.verdict.sentence import MARKET, Mood, Sentence, gain_in_words, listed, market_of

__all__ = ["MarketGains", "how_much_better", "market_gains", "where_better"]

RANKER = "ranker"
# One-sided error of a 95% interval.
ERROR = 0.025
# Of many markets only these are named; the rest is counted.
MARKETS_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class MarketGains:
    """The ranker beside the reference, market by market, by the metric that is compared.

    Attributes:
        better, worse, unclear: markets where the difference is shown to be above or below 0,
            or not shown; each a figure and the ends of its interval, the largest gain first.
        too_few: markets with too few searches, or no interval.
        error: one-sided, of each interval, so that all of them hold together at 95%.
    """

    better: tuple[tuple[Score, tuple[float, float]], ...]
    worse: tuple[tuple[Score, tuple[float, float]], ...]
    unclear: tuple[tuple[Score, tuple[float, float]], ...]
    too_few: tuple[Score, ...]
    error: float

    @property
    def markets(self) -> int:
        return len(self.better) + len(self.worse) + len(self.unclear) + len(self.too_few)


def how_much_better(scorecard: Scorecard, of: str = "the ranker") -> Sentence:
    """How much more the first ten places are worth than by popularity, and how sure that is.

    ``of``: who is measured, such as ``version 3``.
    """
    topic = "How much better"
    if scorecard.honesty.nothing_ranked:
        return Sentence(topic=topic, text=scorecard.honesty.nothing_ranked, mood="bad")
    score = _score(scorecard, primary_metric(scorecard))
    if score is None:
        return Sentence(topic=topic, text="no ranker was measured, so nothing is compared")
    searches = f"{counted(score.searches, 'search')}"
    if score.clusters is not None and score.clusters < score.searches:
        searches += f" of {counted(score.clusters, 'guest')}"
    if score.is_too_few:
        text = f"it cannot be said how good {of} is: only {searches} can be scored"
        return Sentence(topic=topic, text=text, mood="bad")
    worth = f"{_worth(scorecard, score)}{_simulated(scorecard)}"
    ends = _ends(score)
    if score.difference is None or score.versus is None:
        text = f"{of}: {worth}, on {searches}; there is nothing to compare it with"
        return Sentence(topic=topic, text=text)
    gain = gain_in_words(score, ends, ERROR)
    text = f"{of}: {worth}, {gain} against {score.versus}, on {searches}: {_answer(ends)}"
    return Sentence(topic=topic, text=text, mood=_mood(ends))


def where_better(scorecard: Scorecard, reference: str = "popularity") -> Sentence:
    """In which markets the ranker is better, worse, or not shown to be either.

    A gain that is shown in one market alone says so, whatever the whole looks like.
    """
    topic = "Where, and where not"
    gains = market_gains(scorecard)
    if not gains.markets:
        return Sentence(topic=topic, text="no market can be looked at by itself")
    if gains.markets == 1:
        only = (*gains.better, *gains.worse, *gains.unclear)
        name = market_of((only[0][0] if only else gains.too_few[0]).segment)
        return Sentence(topic=topic, text=f"there is one market, {name}: all of it holds there")
    parts = [part for part in _parts(gains, reference) if part]
    is_everywhere = len(gains.better) == gains.markets
    mood: Mood = "bad" if gains.worse else "good" if is_everywhere else ""
    return Sentence(topic=topic, text="; ".join(parts), mood=mood)


def market_gains(scorecard: Scorecard) -> MarketGains:
    """Every market's paired difference, its interval wide enough for all markets together."""
    metric = primary_metric(scorecard)
    scores = [
        score
        for score in scorecard.scores
        if score.model == RANKER and score.metric == metric and score.segment.startswith(MARKET)
    ]
    judged = [score for score in scores if not score.is_too_few and _ends(score) is not None]
    error = ERROR / max(1, len(judged))
    by_gain = sorted(judged, key=lambda score: (-(score.difference or 0.0), score.segment))
    with_ends = [(score, _widened(score, error)) for score in by_gain]
    return MarketGains(
        better=tuple(each for each in with_ends if each[1][0] > 0),
        worse=tuple(each for each in reversed(with_ends) if each[1][1] < 0),
        unclear=tuple(each for each in with_ends if each[1][0] <= 0 <= each[1][1]),
        too_few=tuple(score for score in scores if score not in judged),
        error=error,
    )


def _parts(gains: MarketGains, reference: str) -> list[str]:
    better, worse, unclear = gains.better, gains.worse, gains.unclear
    parts = []
    if len(better) == gains.markets:
        parts.append(f"better than {reference} in every market: {_named(better, gains.error)}")
    elif len(better) == 1:
        parts.append(
            f"better than {reference} in one of {gains.markets} markets alone, "
            f"{_named(better, gains.error)}"
        )
    elif better:
        parts.append(
            f"better than {reference} in {len(better)} of {gains.markets} markets: "
            f"{_named(better, gains.error)}"
        )
    else:
        parts.append(f"better than {reference} in no market by itself")
    if worse:
        parts.append(f"worse in {_named(worse, gains.error)}")
    if unclear:
        parts.append(f"no difference is shown in {_named(unclear, gains.error)}")
    if gains.too_few:
        parts.append(f"too few searches to say in {_counted_names(gains.too_few)}")
    return parts


def _named(gains: Sequence[tuple[Score, tuple[float, float]]], error: float) -> str:
    named = [
        f"{market_of(score.segment)} {gain_in_words(score, ends, error)}"
        for score, ends in gains[:MARKETS_NAMED]
    ]
    more = len(gains) - len(named)
    return listed([*named, f"{more} more"] if more else named)


def _counted_names(scores: Sequence[Score]) -> str:
    named = [market_of(score.segment) for score in scores[:MARKETS_NAMED]]
    more = len(scores) - len(named)
    return listed([*named, f"{more} more"] if more else named)


def _score(scorecard: Scorecard, metric: str) -> Score | None:
    try:
        return scorecard.find(RANKER, metric)
    except KeyError:
        return None


def _worth(scorecard: Scorecard, score: Score) -> str:
    if score.metric == VALUE:
        outcome = OUTCOMES[scorecard.honesty.provenance.worth_outcome]
        return f"the first ten places bring {value_of(score)} expected {outcome} per 1,000 searches"
    of = " of the bookings" if score.metric == NDCG else ""
    return f"{name_of(score.metric)}{of} is {figure(score).split(' ')[0]}"


def _simulated(scorecard: Scorecard) -> str:
    return " (SIMULATED guests)" if scorecard.honesty.provenance.is_simulated else ""


def _ends(score: Score) -> tuple[float, float] | None:
    low, high = score.difference_low, score.difference_high
    return None if score.difference is None or low is None or high is None else (low, high)


def _widened(score: Score, error: float) -> tuple[float, float]:
    low, high = _ends(score) or (0.0, 0.0)
    return widened(score.difference or 0.0, low, high, error)


def _answer(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return "how sure that is cannot be said"
    if ends[0] > 0:
        return "better, and more than chance"
    if ends[1] < 0:
        return "worse, and more than chance"
    return "no difference is shown"


def _mood(ends: tuple[float, float] | None) -> Mood:
    if ends is None:
        return ""
    return "good" if ends[0] > 0 else "bad" if ends[1] < 0 else ""
