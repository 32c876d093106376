"""From the metrics of recommended lists to scores: intervals by guest, paired differences.

Each rival's row carries its difference from the reference, rival − reference, under the same
draws of guests; Holm's correction runs over all rivals and compared metrics of one call.

Two guests; the lists of ``recommendations`` are worth 0.4 and 0.2, those of popularity 0.1 and
0.1. A draw has either guest twice, or both:

>>> from models.evaluation.ratio_metric import mean_over_searches
>>> ours = mean_over_searches("value", np.array([0.4, 0.2]))
>>> theirs = mean_over_searches("value", np.array([0.1, 0.1]))
>>> first, second = scores_of(
...     {"recommendations": [ours], "popularity": [theirs]},
...     np.array([0, 1]),
...     ListScoreSettings(rivals=("popularity",), replicates=200),
... )
>>> first.model, round(first.value, 6), first.low, first.high, first.versus
('recommendations', 0.3, 0.2, 0.4, None)
>>> second.versus, round(second.difference, 6), round(second.difference_high, 6)
('recommendations', -0.2, -0.1)

Legend: Q queries, C clusters (guests), R replicates, M figures of all models, U distinct columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.ranges import AT_LEAST_1, Range, refuse_outside
from models.evaluation.arrays import Floats, Integers
from models.evaluation.ratio_metric import RatioMetric
from models.evaluation.scorecard import Score
from models.evaluation.segment_intervals import adjusted, segment_table
from models.evaluation.segments import ALL
from models.evaluation.significance import (
    Draws,
    difference_test,
    percentile_interval,
    ratio,
    sums_by_cluster,
)

__all__ = ["ListScoreSettings", "scores_of"]

# One guest drawn again is the same guest: neither interval nor test.
_FEWEST_GUESTS = 2


@dataclass(frozen=True, kw_only=True)
class ListScoreSettings:
    """How the scores of recommended lists are made.

    Attributes:
        rivals: models compared with the reference; others have values and intervals alone.
        reference: the model whose lists are given to guests.
        compared: metrics that are compared; ``None``: all.
        split: name in the scorecard.
        replicates, confidence, seed: of the bootstrap, clustered by guest.
        small: a figure of fewer scored guests is marked as small.
    """

    rivals: tuple[str, ...]
    reference: str = "recommendations"
    compared: tuple[str, ...] | None = None
    split: str = "recommended"
    replicates: int = 1_000
    confidence: float = 0.95
    seed: int = 0
    small: int = 100

    def __post_init__(self) -> None:
        refuse_outside(self, {"replicates": AT_LEAST_1, "confidence": Range(above=0, below=1)})
        if self.reference in self.rivals:
            raise ValueError(f"{self.reference} cannot be a rival of itself")


@dataclass(frozen=True, kw_only=True)
class _Figures:
    """All figures, and what they become when guests are drawn again.

    Attributes:
        models, metrics: what each figure is of; M of both.
        values, queries, guests: the figure, scored queries and guests; shape (M,).
        replicates: shape (R, M), the same draws for every figure.
    """

    models: list[str]
    metrics: list[RatioMetric]
    values: Floats
    queries: Integers
    guests: Integers
    replicates: Floats


def scores_of(
    per_model: Mapping[str, Sequence[RatioMetric]],
    cluster_Q: Integers,
    settings: ListScoreSettings,
    positives: Mapping[str, int] | None = None,
) -> tuple[Score, ...]:
    """The scores of every model; the module's example.

    Args:
        per_model: model → its metrics, all over the same Q queries.
        cluster_Q: code of the guest of each query; a guest of several queries (days) is drawn
            with all of them.
        settings: rivals and bootstrap.
        positives: metric → outcomes that it counts (``takes_of``); 0 for a metric of the truth.

    A metric without a scored guest is left out, and without a guest there is no score. A metric
    of one guest has neither interval nor test. Raises ``ValueError`` when the reference, a rival
    or a compared metric is not there, and when a metric is not over these queries.
    """
    labelled = [(model, metric) for model, metrics in per_model.items() for metric in metrics]
    _check(labelled, cluster_Q, settings)
    figures = _drawn_again(labelled, cluster_Q, settings)
    place = {(model, metric.metric): i for i, (model, metric) in enumerate(labelled)}
    scores = []
    for i in np.flatnonzero(np.isfinite(figures.values)).tolist():
        model, metric = figures.models[i], figures.metrics[i].metric
        score = _score(figures, i, settings, (positives or {}).get(metric, 0))
        base = place.get((settings.reference, metric))
        is_compared = settings.compared is None or metric in settings.compared
        if model in settings.rivals and is_compared and base is not None:
            score = _compared(score, figures, (i, base), settings)
        scores.append(score)
    return tuple(adjusted(scores))


def _check(
    labelled: Sequence[tuple[str, RatioMetric]], cluster_Q: Integers, settings: ListScoreSettings
) -> None:
    missing = {settings.reference, *settings.rivals} - {model for model, _ in labelled}
    missing |= set(settings.compared or ()) - {metric.metric for _, metric in labelled}
    if missing:
        raise ValueError(f"cannot compare, not there: {', '.join(sorted(missing))}")
    for model, metric in labelled:
        if metric.numerator.shape != cluster_Q.shape:
            raise ValueError(
                f"{model}: {metric.metric} is of {metric.numerator.shape} queries, "
                f"the guests of {cluster_Q.shape}"
            )


def _drawn_again(
    labelled: Sequence[tuple[str, RatioMetric]], cluster_Q: Integers, settings: ListScoreSettings
) -> _Figures:
    table = segment_table(labelled)
    guests, cluster = np.unique(cluster_Q, return_inverse=True)
    draws = Draws(clusters=len(guests), replicates=settings.replicates, seed=settings.seed)
    sums_CU = sums_by_cluster(table.columns, cluster, len(guests))
    drawn_RU = draws.sums(sums_CU, np.arange(len(guests)))
    total_U = sums_CU.sum(axis=0)
    return _Figures(
        models=table.models,
        metrics=table.metrics,
        values=ratio(total_U[table.numerator], total_U[table.denominator]),
        queries=total_U[table.scored].astype(np.int64),
        guests=(sums_CU[:, table.scored] > 0).sum(axis=0),
        replicates=ratio(drawn_RU[:, table.numerator], drawn_RU[:, table.denominator]),
    )


def _score(figures: _Figures, i: int, settings: ListScoreSettings, positives: int) -> Score:
    value, low, high = float(figures.values[i]), None, None
    if figures.guests[i] >= _FEWEST_GUESTS:
        replicates = figures.replicates[:, i]
        interval = percentile_interval(value, replicates, confidence=settings.confidence)
        low, high = _or_none(interval.low), _or_none(interval.high)
    return Score(
        model=figures.models[i],
        split=settings.split,
        segment=ALL,
        metric=figures.metrics[i].metric,
        k=figures.metrics[i].k,
        value=value,
        low=low,
        high=high,
        searches=int(figures.queries[i]),
        positives=positives,
        is_small=bool(figures.queries[i] < settings.small),
        clusters=int(figures.guests[i]),
    )


def _compared(
    score: Score, figures: _Figures, pair: tuple[int, int], settings: ListScoreSettings
) -> Score:
    """The score with its difference from the reference; ``pair``: its figure, the reference's."""
    rival, base = pair
    difference = float(figures.values[rival] - figures.values[base])
    if not np.isfinite(difference):
        return score
    compared = replace(score, versus=settings.reference, difference=difference)
    if figures.guests[[rival, base]].min() < _FEWEST_GUESTS:
        return compared
    # draw by draw, so that both models have the same guests
    differences = figures.replicates[:, rival] - figures.replicates[:, base]
    interval, p = difference_test(difference, differences, confidence=settings.confidence)
    return replace(
        compared,
        difference_low=_or_none(interval.low),
        difference_high=_or_none(interval.high),
        p=_or_none(p),
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
