"""One figure from several training seeds: what the method does, not what one fit did.

The same split judges every seed, so the sampling of guests is shared by all of them and
does not average out; the luck of the training does:

    variance of the mean = mean variance within a seed + variance between seeds / seeds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from models.evaluation.scorecard import Score, Scorecard

__all__ = ["SeedMean", "combined", "over_seeds"]


@dataclass(frozen=True, kw_only=True)
class SeedMean:
    """A figure over the seeds.

    Attributes:
        model, segment, metric: what it is of.
        seeds: scorecards that have it.
        value, low, high: the mean, with an interval for guests and training together.
        between: standard deviation from seed to seed.
        difference, difference_low, difference_high: from the reference, likewise;
            ``None`` for the reference and where nothing was compared.
    """

    model: str
    segment: str
    metric: str
    seeds: int
    value: float
    low: float
    high: float
    between: float
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


def over_seeds(cards: Sequence[Scorecard], *, confidence: float = 0.95) -> list[SeedMean]:
    """The mean of every figure over the scorecards, one per training seed, of one split.

    ``confidence`` is that of the scorecards' own intervals. Figures without an interval
    are left out. Raises ``ValueError`` with fewer than two scorecards.
    """
    if len(cards) < 2:
        raise ValueError(f"{len(cards)} scorecard(s): at least two seeds are needed to compare")
    found: dict[tuple[str, str, str], list[Score]] = {}
    for card in cards:
        for score in card.scores:
            found.setdefault((score.model, score.segment, score.metric), []).append(score)
    return [
        _mean(scores, confidence)
        for scores in found.values()
        if len(scores) > 1 and all(s.low is not None for s in scores)
    ]


def _mean(scores: Sequence[Score], confidence: float) -> SeedMean:
    values = [(s.value, s.low, s.high) for s in scores]
    differences = [(s.difference, s.difference_low, s.difference_high) for s in scores]
    mean, reach, between = combined(np.array(values, dtype=np.float64), confidence)
    first = scores[0]
    pooled = SeedMean(
        model=first.model,
        segment=first.segment,
        metric=first.metric,
        seeds=len(scores),
        value=mean,
        low=mean - reach,
        high=mean + reach,
        between=between,
    )
    if any(end is None for ends in differences for end in ends):
        return pooled
    gap, gap_reach, _ = combined(np.array(differences, dtype=np.float64), confidence)
    return replace(
        pooled, difference=gap, difference_low=gap - gap_reach, difference_high=gap + gap_reach
    )


def combined(
    intervals: np.ndarray[tuple[int, int], np.dtype[np.float64]], confidence: float
) -> tuple[float, float, float]:
    """Mean, half-width of its interval, spread between seeds, of rows (value, low, high).

    Two seeds, 1 ± 1.96 and 3 ± 1.96: variance 1 within, 2 between; 1 + 2/2 = 2.

    >>> mean, reach, between = combined(np.array([[1, -0.96, 2.96], [3, 1.04, 4.96]]), 0.95)
    >>> mean, round((reach / 1.96) ** 2, 2), round(between**2, 2)
    (2.0, 2.0, 2.0)
    """
    wide = float(ndtri((1 + confidence) / 2))
    within = float(np.mean(((intervals[:, 2] - intervals[:, 1]) / (2 * wide)) ** 2))
    between = float(intervals[:, 0].var(ddof=1))
    reach = wide * np.sqrt(within + between / len(intervals))
    return float(intervals[:, 0].mean()), float(reach), float(np.sqrt(between))
