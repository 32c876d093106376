"""Figures of a challenger beside a champion, as an evaluation would have given them."""

from __future__ import annotations

from models.evaluation.scorecard import Score
from pipelines.promotion.checks import CHALLENGER, CHAMPION

__all__ = ["CHAMPION_VALUE", "score"]

CHAMPION_VALUE = 0.02
Interval = tuple[float, float] | None


def score(
    metric: str = "value_dcg_at_10",
    change: float | None = 0.0,
    interval: Interval = (-0.001, 0.001),
    *,
    model: str = CHALLENGER,
    segment: str = "all",
    other: float = CHAMPION_VALUE,
    own: Interval = None,
    searches: int = 9_000,
    positives: int = 7_000,
    clusters: int | None = 1_700,
) -> Score:
    """A figure of plenty of guests; ``interval`` is that of the difference, ``own`` its own."""
    low, high = interval if interval is not None and change is not None else (None, None)
    own_low, own_high = own if own is not None else (None, None)
    return Score(
        model=model,
        split="test",
        segment=segment,
        metric=metric,
        k=None,
        value=other + (change or 0.0),
        low=own_low,
        high=own_high,
        searches=searches,
        positives=positives,
        clusters=clusters,
        versus=CHAMPION,
        difference=change,
        difference_low=low,
        difference_high=high,
    )
