"""From sheets to scores: one bootstrap per segment, shared by all models and metrics.

Legend: R replicates, C guests, S searches, M figures, U distinct columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from models.evaluation.arrays import Floats
from models.evaluation.config import EvaluationConfig
from models.evaluation.model_metrics import MetricInputs, ModelMetrics
from models.evaluation.ranking_metrics import acted_rows, ranking_measures
from models.evaluation.ratio_metric import Measure
from models.evaluation.scorecard import Score
from models.evaluation.segments import ALL, Segment
from models.evaluation.significance import (
    Draws,
    difference_test,
    holm,
    percentile_interval,
    ratio,
    sums_by_cluster,
)

__all__ = ["adjusted", "scores_of_segments", "whole_list_scores"]


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


def scores_of_segments(
    desk: MetricInputs,
    sheets: Sequence[ModelMetrics],
    segments: Sequence[Segment],
    *,
    split: str,
    reference: str,
) -> list[Score]:
    """The scores of every model in every segment, all under the same draws of guests."""
    config = desk.config
    draws = Draws(clusters=desk.judged.clusters, replicates=config.replicates, seed=config.seed)
    whole = segment_table(
        [(sheet.model, measure) for sheet in sheets for measure in sheet.measures]
    )
    scores = []
    for segment in segments:
        if not segment.searches.any():
            continue
        board = whole if segment.part is None else _board_of_part(desk, sheets, segment)
        drawn = _replicated(desk, board, segment, draws)
        found = _scores_of_segment(desk, drawn, segment, reference=reference)
        scores += [replace(score, split=split) for score in found]
    return scores


def _scores_of_segment(
    desk: MetricInputs, drawn: _Replicated, segment: Segment, *, reference: str
) -> list[Score]:
    """Metrics without a scored search are left out."""
    positives = _positives(desk, segment)
    figure_of = {
        (model, measure.metric): i
        for i, (model, measure) in enumerate(zip(drawn.models, drawn.measures, strict=True))
    }
    scores = []
    for i in np.flatnonzero(np.isfinite(drawn.values)):
        metric = drawn.measures[i].metric
        if segment.name != ALL and not drawn.measures[i].is_for_segments:
            continue
        count = positives[_outcome_of(metric)]
        score = _score(drawn, int(i), count, desk.config)
        score = replace(score, segment=segment.name)
        base = figure_of.get((reference, metric))
        if score.model != reference and metric in desk.config.compared and base is not None:
            score = _compared(score, drawn, (int(i), base), desk.config)
            score = replace(score, versus=reference)
        scores.append(score)
    return scores


def _replicated(
    desk: MetricInputs, board: SegmentTable, segment: Segment, draws: Draws
) -> _Replicated:
    chosen = np.flatnonzero(segment.searches)
    guests, cluster = np.unique(desk.judged.cluster[chosen], return_inverse=True)
    sums_GU = sums_by_cluster(board.columns, cluster, len(guests), chosen)
    drawn_RU = draws.sums(sums_GU, guests)
    total_U = sums_GU.sum(axis=0)
    return _Replicated(
        models=board.models,
        measures=board.measures,
        values=ratio(total_U[board.numerator], total_U[board.denominator]),
        replicates=ratio(drawn_RU[:, board.numerator], drawn_RU[:, board.denominator]),
        searches=total_U[board.scored].astype(np.int64).tolist(),
    )


@dataclass(frozen=True, kw_only=True)
class SegmentTable:
    """The measures of all models side by side.

    Most measures share their denominator, as one object; each array stands here once,
    which halves the work.

    Attributes:
        models, measures: what each figure is of.
        columns: the distinct arrays; shape (S, U).
        numerator, denominator, scored: column of each figure; shape (M,).
    """

    models: list[str]
    measures: list[Measure]
    columns: Floats
    numerator: list[int]
    denominator: list[int]
    scored: list[int]


def segment_table(labelled: Sequence[tuple[str, Measure]]) -> SegmentTable:
    """The board of these (model, measure) pairs."""
    place: dict[int, int] = {}
    kept: list[Floats] = []

    def column_of(array: Floats) -> int:
        if id(array) not in place:
            place[id(array)] = len(kept)
            kept.append(array)
        return place[id(array)]

    measures = [measure for _, measure in labelled]
    return SegmentTable(
        models=[model for model, _ in labelled],
        measures=measures,
        numerator=[column_of(m.numerator) for m in measures],
        denominator=[column_of(m.denominator) for m in measures],
        scored=[column_of(m.scored) for m in measures],
        columns=np.stack(kept, axis=1),
    )


def _board_of_part(
    desk: MetricInputs, sheets: Sequence[ModelMetrics], segment: Segment
) -> SegmentTable:
    """The ranking measures again, with only the segment's own rows as hits."""
    touched = acted_rows(desk.judged, desk.config, segment.part)
    return segment_table(
        [
            (sheet.model, measure)
            for sheet in sheets
            for measure in ranking_measures(desk.judged, touched, sheet.ranks, desk.config)
        ]
    )


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


def whole_list_scores(
    desk: MetricInputs, sheets: Sequence[ModelMetrics], *, split: str
) -> list[Score]:
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


def _positives(desk: MetricInputs, segment: Segment) -> dict[int, int]:
    """Rows of the segment that reached each stage."""
    judged = desk.judged
    rows = judged.reached(CLICKED)
    rows = rows[segment.searches[judged.search[rows]]]
    if segment.part is not None:
        rows = rows[segment.part[rows]]
    return {s: int((judged.stage[rows] >= s).sum()) for s in (CLICKED, CONTACTED, BOOKED)}


def _outcome_of(metric: str) -> int:
    """The stage whose rows are the positives of a metric."""
    if "click" in metric or metric.startswith("graded"):
        return CLICKED
    return CONTACTED if "contact" in metric else BOOKED


def _named(metric: str, config: EvaluationConfig) -> str:
    return f"catalogue_{metric}" if config.is_catalogue else metric


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
