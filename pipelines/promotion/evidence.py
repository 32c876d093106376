"""Is there enough behind a figure to judge by it: searches, guests, outcomes, an interval."""

from __future__ import annotations

from data.counted import counted
from models.evaluation.scorecard import Score
from pipelines.promotion.gate_config import GateConfig

__all__ = ["is_alike", "missing_evidence", "missing_guests", "missing_interval"]

OF_BOOKINGS = ("ndcg_", "mrr", "map", "recall_", "hit_rate_", "precision_")


def missing_evidence(score: Score, config: GateConfig) -> str:
    """What a figure made of outcomes lacks, in words; empty where it can be judged by.

    A metric of bookings needs ``fewest_bookings`` booked rows of as many guests, every other
    one ``fewest_clicks`` clicked rows, ``fewest_searches`` searches and ``fewest_guests``
    guests; all need an interval. Guests that were not counted (null) are not asked for.
    """
    if score.metric.startswith(OF_BOOKINGS):
        lacking = [
            _fewer(score.positives, config.fewest_bookings, "booking"),
            _fewer(score.clusters, config.fewest_bookings, "guest"),
        ]
    else:
        lacking = [
            _fewer(score.searches, config.fewest_searches, "search"),
            _fewer(score.positives, config.fewest_clicks, "clicked row"),
            missing_guests(score, config),
        ]
    return ", ".join(each for each in lacking if each) or missing_interval(score)


def missing_guests(score: Score, config: GateConfig) -> str:
    """Whether guests are too few, in words; empty where they are enough or not counted."""
    return _fewer(score.clusters, config.fewest_guests, "guest")


def missing_interval(score: Score) -> str:
    """Why the paired difference has no interval, in words; empty where it has one.

    An interval of no width is none, unless both models are alike under every draw of guests.
    """
    low, high = score.difference_low, score.difference_high
    if score.difference is None:
        return "not compared"
    has_width = low is not None and high is not None and low < high
    return "" if has_width or is_alike(score) else "the difference has no interval"


def is_alike(score: Score) -> bool:
    """Whether both models have the same figure under every draw of guests."""
    return score.difference == score.difference_low == score.difference_high == 0


def _fewer(number: int | None, fewest: int, noun: str) -> str:
    if number is None or number >= fewest:
        return ""
    return f"{counted(number, noun)} where {fewest:,} are needed"
