"""All figures of one model on one split, search by search, before any interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from models.evaluation.arranged_rows import ArrangedRows, arranged_columns
from models.evaluation.arrays import Floats, Integers
from models.evaluation.calibration_metrics import (
    auc_measures,
    calibration_figures,
    probability_measures,
)
from models.evaluation.config import EvaluationConfig
from models.evaluation.diversity_metrics import diversity_measures
from models.evaluation.evaluation_inputs import EvaluationInputs, host_codes, list_attributes
from models.evaluation.exposure_metrics import concentration_figures, new_listing_measures
from models.evaluation.oracle import Ceiling, ceilings_of, oracle_measures
from models.evaluation.ranking_metrics import STAGE_NAMES, ActedRows, acted_rows, ranking_measures
from models.evaluation.ratio_metric import Figure, Measure
from models.evaluation.segments import numbers
from models.recommender import Scores

__all__ = ["MetricInputs", "ModelMetrics", "measure_model", "metric_inputs"]


@dataclass(frozen=True, kw_only=True)
class MetricInputs:
    """What every model is measured with; made once per split.

    Attributes:
        judged: the arranged rows.
        touched: the rows with gain.
        attributes: what diversity is measured in.
        is_new: 1, 0 or NaN per row, or ``None`` without the column.
        owners: codes of listings (prefix empty) and, where known, of hosts (``host_``).
        ceilings: the known best answers, if any.
        probabilities: model → stage → probabilities, arranged.
        config: the settings.
    """

    judged: ArrangedRows
    touched: ActedRows
    attributes: dict[str, Floats]
    is_new: Floats | None
    owners: dict[str, Integers]
    ceilings: list[Ceiling]
    probabilities: dict[str, dict[str, Floats]]
    config: EvaluationConfig


@dataclass(frozen=True, kw_only=True)
class ModelMetrics:
    """The figures of one model.

    Attributes:
        model: its name.
        ranks: rank of each arranged row in its search.
        measures: ratios of sums over searches.
        figures: figures with an interval of their own, of the whole split only.
    """

    model: str
    ranks: Integers
    measures: list[Measure]
    figures: list[Figure]


def metric_inputs(
    rows: pa.Table,
    judged: ArrangedRows,
    config: EvaluationConfig,
    context: EvaluationInputs,
    truth: Mapping[str, Scores],
) -> MetricInputs:
    """Read everything off the rows that does not depend on a model."""
    owners = {"": judged.listing}
    hosts = host_codes(rows, judged, context.host_columns)
    if hosts is not None and (hosts >= 0).any():
        owners["host_"] = hosts
    is_new = None
    if "listing_is_new" in rows.column_names:
        is_new = numbers(rows, judged, "listing_is_new")
    return MetricInputs(
        judged=judged,
        touched=acted_rows(judged, config),
        attributes=list_attributes(rows, judged),
        is_new=is_new,
        owners=owners,
        ceilings=ceilings_of(judged, arranged_columns(judged, truth)),
        probabilities=_probabilities(judged, context),
        config=config,
    )


def _probabilities(judged: ArrangedRows, context: EvaluationInputs) -> dict[str, dict[str, Floats]]:
    arranged = {}
    for model, stages in context.probabilities.items():
        unknown = set(stages) - set(STAGE_NAMES)
        if unknown:
            raise ValueError(f"model {model}: unknown stage {', '.join(sorted(unknown))}")
        arranged[model] = arranged_columns(judged, stages)
        for stage, values in arranged[model].items():
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"model {model}: P({stage}) outside 0..1 or not a number")
    return arranged


def measure_model(desk: MetricInputs, model: str, scores: Scores) -> ModelMetrics:
    """Every figure of one model; raises ``ValueError`` on unusable scores."""
    judged, config = desk.judged, desk.config
    ranks = judged.ranks(scores, model=model)
    measures = ranking_measures(judged, desk.touched, ranks, config)
    measures += auc_measures(judged, judged.arrange(scores))
    measures += diversity_measures(judged, ranks, desk.attributes, config.list_k)
    if desk.is_new is not None:
        measures += new_listing_measures(judged, ranks, desk.is_new, config)
    measures += oracle_measures(judged, desk.ceilings, ranks, config.ks)
    figures = concentration_figures(judged, ranks, desk.owners, config)
    predicted = desk.probabilities.get(model, {})
    measures += probability_measures(judged, predicted)
    binned, errors = calibration_figures(judged, predicted, config)
    return ModelMetrics(
        model=model, ranks=ranks, measures=measures + binned, figures=figures + errors
    )
