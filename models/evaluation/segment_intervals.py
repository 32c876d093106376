"""From metrics per search to scores: intervals and tests, for every model and segment.

Legend: R replicates, C guests, S searches, M metrics of all models, U distinct columns.

**What is drawn again.** Guests with all their searches, because the searches of one guest are
alike. Four searches of two guests, the reciprocal rank of the booking under two models; the
third search has no booking, so no value, and counts neither above nor below the line:

    search  guest    A      B     scored         sums per guest    A      B     scored
      0     anna     1     1/2      1            anna             1.5    1.0      2
      1     anna    1/2    1/2      1       →    ben              0.5    0.5      1
      2     ben      –      –       0            both             2.0    1.5      3
      3     ben     1/2    1/2      1

The MRR is 2.0 / 3 = 0.67 of A and 1.5 / 3 = 0.5 of B. A draw of two guests with replacement
is a weight per guest: (1, 1) is the log itself, (2, 0) draws anna twice, (0, 2) ben twice.
Weighted sums are a matrix product, weights (R, C) times sums (C, U):

>>> from models.evaluation.ratio_metric import mean_over_searches
>>> a, b = np.array([1, 0.5, np.nan, 0.5]), np.array([0.5, 0.5, np.nan, 0.5])
>>> table = segment_table(
...     [("A", mean_over_searches("mrr", a)), ("B", mean_over_searches("mrr", b))]
... )
>>> sums_CU = sums_by_cluster(table.columns, np.array([0, 0, 1, 1]), 2)
>>> drawn_RU = np.array([[1, 1], [2, 0], [0, 2]]) @ sums_CU
>>> ratio(drawn_RU[:, table.numerator], drawn_RU[:, table.denominator]).round(2).tolist()
[[0.67, 0.5], [0.75, 0.5], [0.5, 0.5]]

**One draw serves everything.** A row of that result is one replicate of both models under the
same guests, so their difference (0.17, 0.25, 0) is paired: a draw of easy searches is easy for
both. Every metric is a column more in the same product. A segment keeps the weights too and
sums over its own searches only: of searches 0 and 3, say, anna 1 and ben 1/2 under A. Interval
and test are read off the R replicates (:mod:`models.evaluation.significance`).

**What is tested.** The metrics in ``EvaluationConfig.compared``, each model against the
reference. Holm's correction runs over two families: the comparisons on the whole split, which
are the claim, and those in the segments, where one looks for surprises. Three models, four
metrics and ten segments make a family of 8 and one of 80.

**What is no evidence.** A figure without a scored search is absent. From one guest there is a
value and no interval, and a paired difference has neither interval nor p: drawing the same
guest again says nothing of others. Replicates that do not vary give no interval either
(:func:`models.evaluation.significance.percentile_interval`).

**No ratio of sums.** Coverage, Gini and calibration error are biased under drawing with
replacement: anna drawn twice shows no listing that she has not shown already, so coverage
could only fall. They come with a jackknife interval of their own (each of 20 groups of guests
left out in turn) and are not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from models.evaluation.arrays import Floats
from models.evaluation.config import EvaluationConfig
from models.evaluation.model_metrics import MetricInputs, ModelMetrics
from models.evaluation.ranking_metrics import acted_rows, ranking_metrics
from models.evaluation.ratio_metric import RatioMetric
from models.evaluation.scorecard import Score
from models.evaluation.segments import ALL, Segment
from models.evaluation.significance import (
    FEWEST_CLUSTERS,
    Draws,
    Interval,
    difference_test,
    holm,
    percentile_interval,
    ratio,
    sums_by_cluster,
)
from models.evaluation.value_dcg import VALUE_DCG, value_dcg_metrics

__all__ = ["adjusted", "scores_of_segments", "segment_table", "whole_list_scores"]


@dataclass(frozen=True, kw_only=True)
class SegmentTable:
    """The metrics of all models side by side, ready to be summed over searches.

    Attributes:
        models, metrics: what each figure is of; M of both.
        columns: the distinct arrays; shape (S, U).
        numerator, denominator, scored: column of each figure; M of each.
    """

    models: list[str]
    metrics: list[RatioMetric]
    columns: Floats
    numerator: list[int]
    denominator: list[int]
    scored: list[int]


@dataclass(frozen=True, kw_only=True)
class _Replicated:
    """The figures of one segment, and what they become when guests are drawn again.

    Attributes:
        models, metrics: what each figure is of.
        values: shape (M,).
        replicates: shape (R, M), the same draws for every figure.
        searches: scored by each figure.
        clusters: guests with a search that the figure scores.
    """

    models: list[str]
    metrics: list[RatioMetric]
    values: Floats
    replicates: Floats
    searches: list[int]
    clusters: list[int]


def segment_table(labelled: Sequence[tuple[str, RatioMetric]]) -> SegmentTable:
    """The table of these (model, metric) pairs.

    Most metrics count a search in the denominator exactly where they score it, and some
    share both. The names of :class:`RatioMetric` say so; each named array of a model is one
    column, which halves the work. Raises ``ValueError`` where a name stands for two arrays.
    """
    columns: dict[tuple[str, str], Floats] = {}
    place: dict[tuple[str, str], int] = {}

    def column_of(model: str, name: str, values: Floats) -> int:
        key = (model, name)
        known = columns.setdefault(key, values)
        if known is not values and not np.array_equal(known, values):
            raise ValueError(f"model {model}: {name!r} names two different arrays")
        return place.setdefault(key, len(place))

    # The order of the columns decides the last bit of a figure: BLAS rounds the last few
    # columns of a product differently. Numerators first, so that these are counts, which
    # are exact.
    numerator = [column_of(model, f"{m.metric} numerator", m.numerator) for model, m in labelled]
    denominator = [
        column_of(model, m.denominator_name or f"{m.metric} denominator", m.denominator)
        for model, m in labelled
    ]
    scored = [
        column_of(model, m.scored_name or f"{m.metric} scored", m.scored) for model, m in labelled
    ]
    return SegmentTable(
        models=[model for model, _ in labelled],
        metrics=[metric for _, metric in labelled],
        columns=np.stack(list(columns.values()), axis=1),
        numerator=numerator,
        denominator=denominator,
        scored=scored,
    )


def scores_of_segments(
    inputs: MetricInputs,
    per_model: Sequence[ModelMetrics],
    segments: Sequence[Segment],
    *,
    split: str,
    reference: str,
) -> list[Score]:
    """The scores of every model in every segment, all under the same draws of guests.

    A segment without searches, and a metric without a scored search, are left out.
    """
    config = inputs.config
    draws = Draws(clusters=inputs.arranged.clusters, replicates=config.replicates, seed=config.seed)
    whole = segment_table(
        [(of_model.model, metric) for of_model in per_model for metric in of_model.ratios]
    )
    scores = []
    for segment in segments:
        if not segment.searches.any():
            continue
        # a part of the searches sums the same arrays; other hits need other metrics
        table = whole if segment.part is None else _table_of_part(inputs, per_model, segment)
        replicated = _replicated(inputs, table, segment, draws)
        of_segment = _scores_of_segment(inputs, replicated, segment, reference=reference)
        scores += [replace(score, split=split) for score in of_segment]
    return scores


def _table_of_part(
    inputs: MetricInputs, per_model: Sequence[ModelMetrics], segment: Segment
) -> SegmentTable:
    """The ranking metrics again, with only the segment's own rows as hits."""
    arranged, config = inputs.arranged, inputs.config
    acted = acted_rows(arranged, config, segment.part)
    labelled = []
    for of_model in per_model:
        metrics = ranking_metrics(arranged, acted, of_model.ranks, config)
        if inputs.worth is not None:
            ranks, part = of_model.ranks, segment.part
            metrics += value_dcg_metrics(arranged, ranks, inputs.worth, config.ks, part)
        labelled += [(of_model.model, metric) for metric in metrics]
    return segment_table(labelled)


def _replicated(
    inputs: MetricInputs, table: SegmentTable, segment: Segment, draws: Draws
) -> _Replicated:
    chosen = np.flatnonzero(segment.searches)
    # only guests with a search in the segment; the others would add zeros to every sum
    guests, cluster = np.unique(inputs.arranged.cluster[chosen], return_inverse=True)
    sums_GU = sums_by_cluster(table.columns, cluster, len(guests), chosen)
    drawn_RU = draws.sums(sums_GU, guests)
    total_U = sums_GU.sum(axis=0)
    return _Replicated(
        models=table.models,
        metrics=table.metrics,
        values=ratio(total_U[table.numerator], total_U[table.denominator]),
        replicates=ratio(drawn_RU[:, table.numerator], drawn_RU[:, table.denominator]),
        searches=total_U[table.scored].astype(np.int64).tolist(),
        clusters=(sums_GU[:, table.scored] > 0).sum(axis=0).tolist(),
    )


def _scores_of_segment(
    inputs: MetricInputs, replicated: _Replicated, segment: Segment, *, reference: str
) -> list[Score]:
    positives = _positives(inputs, segment)
    index_of = {
        (model, metric.metric): i
        for i, (model, metric) in enumerate(zip(replicated.models, replicated.metrics, strict=True))
    }
    scores = []
    for i in np.flatnonzero(np.isfinite(replicated.values) & (np.array(replicated.searches) > 0)):
        metric = replicated.metrics[i].metric
        if segment.name != ALL and not replicated.metrics[i].is_for_segments:
            continue
        count = positives[_outcome_of(metric)]
        score = _score(replicated, int(i), count, inputs.config)
        score = replace(score, segment=segment.name)
        base = index_of.get((reference, metric))
        if score.model != reference and metric in inputs.config.compared and base is not None:
            score = _compared(score, replicated, (int(i), base), inputs.config)
            score = replace(score, versus=reference)
        scores.append(score)
    return scores


def _score(replicated: _Replicated, i: int, positives: int, config: EvaluationConfig) -> Score:
    metric = replicated.metrics[i]
    value = float(replicated.values[i])
    interval = Interval(value=value, low=np.nan, high=np.nan)
    if replicated.clusters[i] >= FEWEST_CLUSTERS:
        drawn = replicated.replicates[:, i]
        interval = percentile_interval(value, drawn, confidence=config.confidence)
    return Score(
        model=replicated.models[i],
        split="",
        segment=ALL,
        metric=_named(metric.metric, config),
        k=metric.k,
        value=value,
        low=interval.low,
        high=interval.high,
        searches=replicated.searches[i],
        positives=positives,
        is_small=replicated.searches[i] < config.small,
        clusters=replicated.clusters[i],
    )


def _compared(
    score: Score, replicated: _Replicated, pair: tuple[int, int], config: EvaluationConfig
) -> Score:
    """The score with its difference from the reference; ``pair``: its index, the reference's."""
    model, base = pair
    difference = float(replicated.values[model] - replicated.values[base])
    if min(replicated.clusters[model], replicated.clusters[base]) < FEWEST_CLUSTERS:
        return replace(score, difference=difference)
    # replicate by replicate, so that both models see the same guests
    differences = replicated.replicates[:, model] - replicated.replicates[:, base]
    interval, p = difference_test(difference, differences, confidence=config.confidence)
    return replace(
        score,
        difference=difference,
        difference_low=interval.low,
        difference_high=interval.high,
        p=p,
    )


def whole_list_scores(
    inputs: MetricInputs, per_model: Sequence[ModelMetrics], *, split: str
) -> list[Score]:
    """The scores of the metrics that describe the whole split's lists.

    From one guest they have no interval.
    """
    searches, clusters = inputs.arranged.searches, inputs.arranged.clusters
    has_interval = clusters >= FEWEST_CLUSTERS
    return [
        Score(
            model=of_model.model,
            split=split,
            segment=ALL,
            metric=_named(metric.metric, inputs.config),
            k=metric.k,
            value=metric.interval.value,
            low=metric.interval.low if has_interval else None,
            high=metric.interval.high if has_interval else None,
            searches=searches,
            positives=len(inputs.arranged.reached(_outcome_of(metric.metric))),
            is_small=searches < inputs.config.small,
            clusters=clusters,
        )
        for of_model in per_model
        for metric in of_model.list_metrics
        if np.isfinite(metric.interval.value)
    ]


def adjusted(scores: Sequence[Score]) -> list[Score]:
    """The scores with Holm's p, over the comparisons of the whole split and of the segments."""
    adjusted_scores = list(scores)
    for is_whole in (True, False):
        family = [
            i for i, s in enumerate(scores) if s.p is not None and (s.segment == ALL) == is_whole
        ]
        p_values = holm(np.array([scores[i].p for i in family], dtype=np.float64))
        for i, p in zip(family, p_values, strict=True):
            adjusted_scores[i] = replace(scores[i], p_holm=float(p))
    return adjusted_scores


def _positives(inputs: MetricInputs, segment: Segment) -> dict[int, int]:
    """Rows of the segment that reached each stage."""
    arranged = inputs.arranged
    rows = arranged.reached(CLICKED)
    rows = rows[segment.searches[arranged.search[rows]]]
    if segment.part is not None:
        rows = rows[segment.part[rows]]
    return {s: int((arranged.stage[rows] >= s).sum()) for s in (CLICKED, CONTACTED, BOOKED)}


def _outcome_of(metric: str) -> int:
    """The stage whose rows are the positives of a metric."""
    if "click" in metric or metric.startswith(("graded", VALUE_DCG)):
        return CLICKED
    return CONTACTED if "contact" in metric else BOOKED


def _named(metric: str, config: EvaluationConfig) -> str:
    return f"catalogue_{metric}" if config.is_catalogue else metric
