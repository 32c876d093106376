"""From sheets to scores: one bootstrap per segment, shared by all models and metrics.

Legend: R replicates, C guests, S searches, M figures, U distinct columns.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.contract import BOOKED, CLICKED, CONTACTED
from models.evaluation.config import EvaluationConfig
from models.evaluation.judged import Floats, Integers, Judged
from models.evaluation.measures import Measure
from models.evaluation.ranking import ranking_measures, touched_rows
from models.evaluation.scorecard import Score
from models.evaluation.segments import ALL, Segment
from models.evaluation.sheet import Desk, Sheet
from models.evaluation.significance import (
    bootstrap_sums,
    difference_test,
    holm,
    percentile_interval,
    ratio,
    sums_by_cluster,
)

__all__ = ["adjusted", "scores_of_segment", "whole_list_scores"]


@dataclass(frozen=True, kw_only=True)
class _Replicated:
    """The figures of one segment, and what they become when guests are drawn again.

    Attributes:
        models, measures: what each figure is of.
        values: shape (M,).
        replicates: shape (R, M), the same draws for every figure.
        searches: scored by each figure.
    """

    models: list[str]
    measures: list[Measure]
    values: Floats
    replicates: Floats
    searches: list[int]


def scores_of_segment(
    desk: Desk, sheets: Sequence[Sheet], segment: Segment, *, split: str, reference: str
) -> list[Score]:
    """The scores of every model in one segment; metrics without a scored search are left out."""
    chosen = np.flatnonzero(segment.searches)
    if not len(chosen):
        return []
    drawn = _replicated(desk, sheets, segment, chosen)
    positives = _positives(desk, segment)
    figure_of = {
        (model, measure.metric): i
        for i, (model, measure) in enumerate(zip(drawn.models, drawn.measures, strict=True))
    }
    scores = []
    for i in np.flatnonzero(np.isfinite(drawn.values)):
        metric = drawn.measures[i].metric
        count = positives[_outcome_of(metric)]
        score = _score(drawn, int(i), count, desk.config)
        score = replace(score, split=split, segment=segment.name)
        base = figure_of.get((reference, metric))
        if score.model != reference and metric in desk.config.compared and base is not None:
            score = _compared(score, drawn, (int(i), base), desk.config)
            score = replace(score, versus=reference)
        scores.append(score)
    return scores


def _replicated(
    desk: Desk, sheets: Sequence[Sheet], segment: Segment, chosen: Integers
) -> _Replicated:
    labelled = [(s.model, measure) for s in sheets for measure in _measures(desk, s, segment)]
    measures = [measure for _, measure in labelled]
    numerators = _distinct([m.numerator for m in measures])
    denominators = _distinct([m.denominator for m in measures])
    guests, cluster = np.unique(desk.judged.cluster[chosen], return_inverse=True)
    sums = [
        sums_by_cluster(np.stack(arrays, axis=1)[chosen], cluster, len(guests))
        for arrays, _ in (numerators, denominators)
    ]
    # each segment has its own stream: another segment more or less changes no interval
    rng = np.random.default_rng([desk.config.seed, zlib.crc32(segment.name.encode())])
    top, bottom = bootstrap_sums(sums[0], sums[1], replicates=desk.config.replicates, rng=rng)
    return _Replicated(
        models=[model for model, _ in labelled],
        measures=measures,
        values=ratio(sums[0].sum(axis=0)[numerators[1]], sums[1].sum(axis=0)[denominators[1]]),
        replicates=ratio(top[:, numerators[1]], bottom[:, denominators[1]]),
        searches=[int(m.scored[chosen].sum()) for m in measures],
    )


def _measures(desk: Desk, sheet: Sheet, segment: Segment) -> list[Measure]:
    if segment.name == ALL:
        return sheet.measures
    if segment.part is None:
        return [measure for measure in sheet.measures if measure.is_for_segments]
    touched = touched_rows(desk.judged, desk.config, segment.part)
    return ranking_measures(desk.judged, touched, sheet.ranks, desk.config)


def _distinct(arrays: list[Floats]) -> tuple[list[Floats], list[int]]:
    """The arrays without repeats of one object, and where each stands among them.

    Most measures share a denominator object; summing it once halves the work.
    """
    place: dict[int, int] = {}
    kept: list[Floats] = []
    for array in arrays:
        if id(array) not in place:
            place[id(array)] = len(kept)
            kept.append(array)
    return kept, [place[id(array)] for array in arrays]


def _score(drawn: _Replicated, i: int, positives: int, config: EvaluationConfig) -> Score:
    measure = drawn.measures[i]
    value = float(drawn.values[i])
    interval = percentile_interval(value, drawn.replicates[:, i], confidence=config.confidence)
    return Score(
        model=drawn.models[i],
        split="",
        segment=ALL,
        metric=_named(measure.metric, config),
        k=measure.k,
        value=value,
        low=_or_none(interval.low),
        high=_or_none(interval.high),
        searches=drawn.searches[i],
        positives=positives,
        is_small=drawn.searches[i] < config.small,
    )


def _compared(
    score: Score, drawn: _Replicated, pair: tuple[int, int], config: EvaluationConfig
) -> Score:
    """The score with its difference from the reference, under the same draws."""
    model, base = pair
    difference = float(drawn.values[model] - drawn.values[base])
    replicates = drawn.replicates[:, model] - drawn.replicates[:, base]
    interval, p = difference_test(difference, replicates, confidence=config.confidence)
    return replace(
        score,
        difference=difference,
        difference_low=_or_none(interval.low),
        difference_high=_or_none(interval.high),
        p=_or_none(p),
    )


def whole_list_scores(desk: Desk, sheets: Sequence[Sheet], *, split: str) -> list[Score]:
    """The scores of the figures that describe the whole split's lists."""
    searches = desk.judged.searches
    return [
        Score(
            model=sheet.model,
            split=split,
            segment=ALL,
            metric=_named(figure.metric, desk.config),
            k=figure.k,
            value=figure.interval.value,
            low=_or_none(figure.interval.low),
            high=_or_none(figure.interval.high),
            searches=searches,
            positives=len(desk.judged.reached(_outcome_of(figure.metric))),
            is_small=searches < desk.config.small,
        )
        for sheet in sheets
        for figure in sheet.figures
        if np.isfinite(figure.interval.value)
    ]


def adjusted(scores: Sequence[Score]) -> list[Score]:
    """The scores with Holm's p over the comparisons of the whole split, and of the segments.

    Two families: what the whole split shows is the claim, segments are looked through.
    """
    adjusted_scores = list(scores)
    for is_whole in (True, False):
        family = [
            i for i, s in enumerate(scores) if s.p is not None and (s.segment == ALL) == is_whole
        ]
        p_values = holm(np.array([scores[i].p for i in family], dtype=np.float64))
        for i, p in zip(family, p_values, strict=True):
            adjusted_scores[i] = replace(scores[i], p_holm=float(p))
    return adjusted_scores


def _positives(desk: Desk, segment: Segment) -> dict[int, int]:
    """Rows of the segment that reached each stage; for graded metrics, that have a gain."""
    judged: Judged = desk.judged
    inside = segment.searches[judged.search]
    if segment.part is not None:
        inside = inside & segment.part
    return {s: int((judged.stage[inside] >= s).sum()) for s in (CLICKED, CONTACTED, BOOKED)}


def _outcome_of(metric: str) -> int:
    """The stage whose rows are the positives of a metric."""
    if "click" in metric or metric.startswith("graded"):
        return CLICKED
    return CONTACTED if "contact" in metric else BOOKED


def _named(metric: str, config: EvaluationConfig) -> str:
    return f"catalogue_{metric}" if config.is_catalogue else metric


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
