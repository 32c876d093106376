"""The evaluation of several models on one split: rows and scores in, scorecard out."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from data.counted import counted
from data.schema.tables import BOOKED, CLICKED, CONTACTED
from models.evaluation.arranged_rows import ArrangedRows, arrange_rows
from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.model_metrics import (
    MetricInputs,
    ModelMetrics,
    measure_model,
    metric_inputs,
)
from models.evaluation.oracle import oracle_scores
from models.evaluation.orderable_searches import OrderableSearches
from models.evaluation.provenance import Honesty
from models.evaluation.scorecard import Scorecard
from models.evaluation.segment_intervals import adjusted, scores_of_segments, whole_list_scores
from models.evaluation.segments import segments_of
from models.recommender import Scores

__all__ = ["ORACLE_PREFIX", "evaluate"]

ORACLE_PREFIX = "oracle_"

_CLICK = "p_click_taste"


def evaluate(
    rows: pa.Table,
    scores: Mapping[str, Scores],
    *,
    split: str,
    reference: str,
    config: EvaluationConfig | None = None,
    truth: Mapping[str, Scores] | None = None,
    context: EvaluationInputs | None = None,
) -> Scorecard:
    """Every metric of every model on one split, with intervals and comparisons.

    A row is one candidate of one search: the columns ``data.schema.tables.CARRIED``, with the
    outcome as the log has it, and whatever columns the segments can use; a segment whose
    column is absent is left out and named. Every row is ranked: there is no sampling.

    ``scores`` maps a model to one finite score per row, higher is better. ``reference``
    is the model that the others are tested against. ``truth`` maps columns of the truth
    table to one probability per row; it adds G and, as further models, the two orders
    that nothing can beat (``oracle_taste``, ``oracle_observables``).

    Raises ``ValueError`` on a reference without scores, or scores or truth that do not
    fit the rows.
    """
    config = config or EvaluationConfig()
    context = context or EvaluationInputs()
    if reference not in scores:
        raise ValueError(f"reference {reference!r} has no scores; there are {sorted(scores)}")
    arranged = arrange_rows(rows)
    segments, left_out = segments_of(rows, arranged, context.columns)
    inputs = metric_inputs(rows, arranged, config, context, truth or {})
    # each ceiling's own probabilities are the scores of one more model
    clicks = (truth or {}).get(_CLICK, np.zeros(rows.num_rows))
    oracles = {
        f"{ORACLE_PREFIX}{c.name}": oracle_scores(_in_row_order(arranged, c.truth), clicks)
        for c in inputs.ceilings
    }
    with ThreadPoolExecutor(config.threads) as pool:
        per_model: list[ModelMetrics] = list(
            pool.map(lambda item: measure_model(inputs, *item), {**scores, **oracles}.items())
        )
    figures = whole_list_scores(inputs, per_model, split=split)
    figures += scores_of_segments(inputs, per_model, segments, split=split, reference=reference)
    honesty = _honesty(inputs, split=split, context=context, left_out=left_out)
    return Scorecard(scores=tuple(adjusted(figures)), honesty=honesty)


def _in_row_order(arranged: ArrangedRows, values: Scores) -> Scores:
    """Arranged values, back in the order of the caller's rows; undoes ``arranged.arrange``."""
    in_row_order = np.empty(len(values))
    in_row_order[arranged.order] = values
    return in_row_order


def _honesty(
    inputs: MetricInputs, *, split: str, context: EvaluationInputs, left_out: tuple[str, ...]
) -> Honesty:
    arranged, config = inputs.arranged, inputs.config
    orderable = OrderableSearches.of(
        arranged, config, booked=inputs.acted.booked, graded=inputs.acted.graded
    )
    nothing_ranked = orderable.nothing_ranked()
    doubts = () if nothing_ranked else _warnings(orderable.by_bookings, config)
    return Honesty(
        provenance=context.provenance,
        split=split,
        searches=arranged.searches,
        impressions=len(arranged.order),
        guests=arranged.clusters,
        clicked=len(arranged.reached(CLICKED)),
        contacted=len(arranged.reached(CONTACTED)),
        booked=len(arranged.reached(BOOKED)),
        searches_scored=orderable.by_bookings,
        left_out=orderable.left_out(),
        segments_left_out=left_out,
        candidates=_candidates(config),
        intervals=_intervals(arranged, config),
        comparisons=(
            "paired on the same draws of guests; Holm over all models and metrics compared, "
            "the segments being a family of their own"
        ),
        warnings=(*context.provenance.warnings, *doubts),
        nothing_ranked=nothing_ranked,
    )


def _candidates(config: EvaluationConfig) -> str:
    pool = "the whole catalogue" if config.is_catalogue else "every listing that the search showed"
    return f"full ranking of {pool}; no sampled metrics"


def _intervals(arranged: ArrangedRows, config: EvaluationConfig) -> str:
    unit = "guests" if arranged.guests_known else "searches (the log names no guests)"
    return (
        f"{config.confidence:.0%}, bootstrap over {arranged.clusters:,} clusters of {unit}, "
        f"{config.replicates:,} replicates; coverage, Gini and calibration error by jackknife"
    )


def _warnings(booked: int, config: EvaluationConfig) -> tuple[str, ...]:
    if booked >= config.small:
        return ()
    searches = counted(booked, "search")
    return (f"only {searches} with a booking to order by: too few to rank models by",)
