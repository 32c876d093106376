"""Scorecards made up by hand, to see how they are shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from models.evaluation.provenance import Honesty, Provenance
from models.evaluation.scorecard import Score, Scorecard

__all__ = ["VALUES", "made_up_scorecard", "score_of"]

VALUES = {"random": 0.25, "popularity": 0.50, "ranker": 0.60}


def score_of(model: str, metric: str, **change: Any) -> Score:
    """A figure of 200 searches of 150 guests, with an interval of ±0.05."""
    value = change.pop("value", VALUES[model])
    score = Score(
        model=model,
        split="test",
        segment="all",
        metric=metric,
        k=10,
        value=value,
        low=value - 0.05,
        high=value + 0.05,
        searches=200,
        positives=210,
        clusters=150,
    )
    if model == "ranker":
        paired = {"difference_low": 0.02, "difference_high": 0.18, "p": 0.01}
        score = replace(score, versus="popularity", difference=0.10, **paired)
    return replace(score, **change)


def made_up_scorecard(
    metrics: Iterable[str],
    *,
    searches: Mapping[str, int] | None = None,
    nothing_ranked: str = "",
    **change: Any,
) -> Scorecard:
    """Three models by these metrics, over all and in two markets; ``searches`` by segment."""
    searches = {"all": 200, "market=rio": 150, "market=sampa": 50} | dict(searches or {})
    scores = [
        score_of(model, metric, segment=segment, searches=count, **change)
        for segment, count in searches.items()
        for model in VALUES
        for metric in metrics
    ]
    return Scorecard(scores=tuple(scores), honesty=_honesty(nothing_ranked))


def _honesty(nothing_ranked: str) -> Honesty:
    return Honesty(
        provenance=Provenance(source="made up"),
        split="test",
        searches=200,
        impressions=4_000,
        guests=150,
        clicked=300,
        contacted=220,
        booked=210,
        searches_scored=200,
        left_out={},
        segments_left_out=(),
        candidates="all",
        intervals="95%",
        comparisons="paired",
        nothing_ranked=nothing_ranked,
    )
