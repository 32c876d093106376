"""One sentence of the verdict, and the small words that several of them share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from data.schema.market_names import market_in_words
from models.evaluation.scorecard import Score
from pipelines.evaluation.scorecard_view import VALUE
from pipelines.promotion.widened_interval import confidence_in_words

__all__ = ["Mood", "Sentence", "gain_in_words", "in_plain_words", "listed", "market_of"]

Mood = Literal["good", "bad", ""]
MARKET = "market="
# Names of metrics and segments as the gate writes them, the longest first.
_PLAIN = {
    "new_listing_exposure_at_10": "new listings' share of the first ten places",
    "catalogue_recall_at_100": "recall among 100 candidates",
    "exposure_gini_at_10": "concentration of the first ten places on few listings",
    "graded_ndcg_at_10": "NDCG@10 of clicks, contacts and bookings",
    "value_dcg_at_10": "value of the first ten places",
    "coverage_at_10": "share of listings that stand among any first ten",
    "ndcg_at_10": "NDCG@10 of bookings",
    "listing=new": "new listings",
}


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence that is true of the home it was computed from.

    Attributes:
        topic: what it answers, a few words.
        text: the sentence; it may have several clauses. Names of the log stand in it as they
            are: escape it where it is shown.
        mood: whether it is good or bad news; empty where it is neither, or not known.
    """

    topic: str
    text: str
    mood: Mood = ""


def gain_in_words(score: Score, ends: tuple[float, float] | None, error: float = 0.025) -> str:
    """``+14.5% (95.0% interval +12.1% to +17.1%)``: a paired difference from the reference.

    Of the value in shares of the reference's, of other metrics in their own unit. ``ends`` are
    those of an interval that leaves out ``error`` on each side; ``None`` where there is none.
    """
    difference = score.difference or 0.0
    reference = score.value - difference
    scale, form = 1.0, "+.3f"
    if score.metric == VALUE and reference > 0:
        scale, form = 1 / reference, "+.1%"
    gain = f"{difference * scale:{form}}"
    if ends is None:
        return f"{gain} (no interval can be given)"
    low, high = (end * scale for end in ends)
    confidence = confidence_in_words(error).replace(".0%", "%")
    return f"{gain} ({confidence} interval {low:{form}} to {high:{form}})"


def market_of(segment: str) -> str:
    """The name of the market of a segment ``market=rio_de_janeiro``."""
    return market_in_words(segment.removeprefix(MARKET))


def listed(parts: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``.

    >>> listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


def in_plain_words(finding: str) -> str:
    """A finding of the gate without the codes of metrics and markets.

    >>> in_plain_words("market=rio_de_janeiro: value_dcg_at_10 -3.0% against popularity")
    'Rio de Janeiro: value of the first ten places -3.0% against popularity'
    """
    for code, words in _PLAIN.items():
        finding = finding.replace(code, words)
    return re.sub(rf"{MARKET}(\w+)", lambda found: market_in_words(found[1]), finding)
