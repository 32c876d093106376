"""The report's top: who recommends, the five sentences, and the figures that they rest on."""

from __future__ import annotations

from typing import Any

from data.schema.tables import RECOMMENDATIONS
from models.evaluation.scorecard import Scorecard
from pipelines.evaluation.recommendations_view import read_recommendation_scores
from pipelines.evaluation.scorecard_view import (
    difference_of,
    figure,
    interval_of,
    name_of,
    primary_metric,
    value_of,
)
from pipelines.promotion.decision import GateDecision
from pipelines.reporting.data_section import flagged_measures
from pipelines.run_context import RunContext
from pipelines.verdict.sentence import in_plain_words
from pipelines.verdict.verdict import Verdict

__all__ = ["cards_of", "front_of"]


def front_of(verdict: Verdict) -> dict[str, Any]:
    """Who recommends, whether that is bad news, and the sentences with their topics."""
    sentences = [
        {"topic": sentence.topic, "text": _capital(sentence.text), "mood": sentence.mood}
        for sentence in verdict.sentences
    ]
    who = verdict.who
    return {
        "who": f"{_capital(who.text)}.",
        "is_refused": who.is_refused,
        "sentences": sentences,
    }


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def cards_of(
    context: RunContext, scorecard: Scorecard, decision: GateDecision | None, verdict: Verdict
) -> list[dict[str, str]]:
    """The figures below the sentences: how good, promoted or not, what is odd, how many rows.

    The gain is green only where every market has it: the whole may hide that one does not.
    """
    cards = [*_booking_cards(context), *_ranker_cards(scorecard, verdict)]
    if decision is not None:
        word = "promoted" if decision.is_promoted else "refused"
        word = word if decision.is_promoted or decision.has_evidence else "too little to decide"
        mood = "good" if decision.is_promoted else "bad" if decision.has_evidence else ""
        cards.append(_card("the gate", word, in_plain_words(f"against {decision.against}"), mood))
    odd = flagged_measures(context).height
    cards.append(
        _card("measures out of limits", f"{odd}", "of a market and a day", "bad" if odd else "good")
    )
    maturity = scorecard.honesty.provenance.label_maturity
    if maturity is not None:
        mood = "good" if maturity >= 0.9 else "bad"
        cards.append(_card("outcomes in the log", f"{maturity:.0%}", "of the test window's", mood))
    rows = context.lake.rows(RECOMMENDATIONS.name)
    cards.append(_card("recommendations", f"{rows:,}", "rows in the lake", ""))
    return cards


def _ranker_cards(scorecard: Scorecard, verdict: Verdict) -> list[dict[str, str]]:
    """The ranker by the primary metric, and how much better than the reference it is."""
    metric = primary_metric(scorecard)
    name = f"ranker, {name_of(metric)}"
    try:
        score = scorecard.find("ranker", metric)
    except KeyError:
        note = "nothing can be ranked" if scorecard.honesty.nothing_ranked else "cannot be scored"
        return [_card(name, "–", note, "bad")]
    if score.is_too_few:
        return [_card(name, "–", figure(score), "bad")]
    ends = interval_of(score)
    note = f"95% interval {ends}" if ends else "no interval can be given"
    cards = [_card(name, value_of(score), note, "")]
    if score.difference is not None:
        value, interval = difference_of(score)
        markets = "" if verdict.mood == "good" else "; not in every market"
        note = f"{interval}{markets}" if verdict.better.mood == "good" else interval
        cards.append(_card(f"against {score.versus}", value, note, verdict.mood))
    return cards


def _booking_cards(context: RunContext) -> list[dict[str, str]]:
    """Expected bookings of the recommended lists, beside popularity; where the truth is known."""
    metric = "catalogue_bookings_together_per_1000"
    scores = read_recommendation_scores(context.home)
    value = {s.model: s for s in scores if s.metric == metric and s.split == "simulated_truth"}
    if not {"recommendations", "popularity", "shown_before"} <= set(value):
        return []
    ours, popular, shown = (
        value[n].value for n in ("recommendations", "popularity", "shown_before")
    )
    note = f"popularity {popular:.1f}, shown before {shown:.1f} (simulated)"
    mood = "good" if ours > max(popular, shown) else "bad"
    return [_card("bookings per 1,000 guests", f"{ours:.1f}", note, mood)]


def _card(name: str, value: str, note: str, mood: str) -> dict[str, str]:
    return {"name": name, "value": value, "note": note, "mood": mood}
