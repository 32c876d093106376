"""What of the recommendations' scores is shown to people: which rows, columns and words."""

from __future__ import annotations

import json
from typing import Any

from data.counted import counted
from models.evaluation.scorecard import Score
from pipelines.config.home import Home
from pipelines.evaluation.scorecard_view import figure

__all__ = [
    "MODELS",
    "REPLAY",
    "SCORES_FILE",
    "TRUTH",
    "bookings_line",
    "read_recommendation_scores",
    "replay_rows",
    "truth_rows",
]

SCORES_FILE = "recommendations.json"

MODELS = {
    "random": "random listings of the search",
    "popularity": "popularity",
    "shown_before": "what the guest was shown before, by the model",
    "retrieved": "two-tower, then lambdarank (the way before)",
    "no_availability": "the model, free nights or not",
    "score": "the model × availability",
    "recommendations": "recommendations",
    "free_known": "the model, free nights known",
    "oracle_taste": "oracle",
}

TRUTH = {
    "catalogue_bookings_per_1000": "bookings per 1,000 guests",
    "catalogue_bookings_together_per_1000": "all acting, a night sold once",
    "catalogue_free_at_10": "first ten that are free",
    "catalogue_g_taste_at_10": "G@10 over the catalogue",
}

REPLAY = {
    "replay_hit_click_at_20": "clicked next, in the first 20",
    "replay_hit_contact_at_20": "contacted",
    "replay_hit_book_at_20": "booked",
}


def read_recommendation_scores(home: Home) -> tuple[Score, ...]:
    """The latest scores of recommended lists; empty where none were measured."""
    try:
        records: list[dict[str, Any]] = json.loads((home.report / SCORES_FILE).read_text())
        return tuple(Score(**record) for record in records)
    except (OSError, ValueError, TypeError):
        return ()


def truth_rows(scores: tuple[Score, ...]) -> list[list[str]]:
    """A row per model, worst first: its name and the columns of :data:`TRUTH`."""
    return _rows(scores, "simulated_truth", TRUTH)


def replay_rows(scores: tuple[Score, ...]) -> list[list[str]]:
    """A row per model: its name and the columns of :data:`REPLAY`."""
    return _rows(scores, "replay", REPLAY)


def bookings_line(scores: tuple[Score, ...]) -> str:
    """One sentence: expected bookings beside popularity and what guests were shown before."""
    metric = "catalogue_bookings_together_per_1000"
    value = {s.model: s for s in scores if s.metric == metric and s.split == "simulated_truth"}
    if "recommendations" not in value:
        return ""
    ours = value["recommendations"]
    others = [
        f"{value[name].value:.1f} {words}"
        for name, words in (
            ("popularity", "by popularity"),
            ("shown_before", "by what they were shown"),
        )
        if name in value
    ]
    return (
        f"expected bookings per 1,000 guests, a night sold once: {ours.value:.1f}, beside "
        f"{' and '.join(others)} (SIMULATED truth, {counted(ours.searches, 'guest')})"
    )


def _rows(scores: tuple[Score, ...], split: str, metrics: dict[str, str]) -> list[list[str]]:
    at = {(s.model, s.metric): s for s in scores if s.split == split}
    first = next(iter(metrics))
    known = [name for name in MODELS if (name, first) in at]
    return [[MODELS[name], *(figure(at.get((name, m))) for m in metrics)] for name in known]
