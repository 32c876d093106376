"""All metrics of one model on one split, search by search, before any interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.evaluation.arranged_rows import ArrangedRows, arranged_columns
from models.evaluation.arrays import Floats, Integers
from models.evaluation.calibration_metrics import (
    auc_metrics,
    calibration_metrics,
    probability_metrics,
)
from models.evaluation.config import EvaluationConfig
from models.evaluation.diversity_metrics import diversity_metrics
from models.evaluation.evaluation_inputs import EvaluationInputs, host_codes, list_attributes
from models.evaluation.exposure_metrics import concentration_metrics, new_listing_metrics
from models.evaluation.oracle import Ceiling, ceilings_of, oracle_metrics
from models.evaluation.price_level import price_level_metric, price_to_median
from models.evaluation.ranking_metrics import STAGE_NAMES, ActedRows, acted_rows, ranking_metrics
from models.evaluation.ratio_metric import ListMetric, RatioMetric
from models.evaluation.segments import numbers
from models.evaluation.value_dcg import value_dcg_metrics
from models.recommender import Scores

__all__ = ["MetricInputs", "ModelMetrics", "measure_model", "metric_inputs"]


@dataclass(frozen=True, kw_only=True)
class MetricInputs:
    """What every model is measured with; made once per split.

    Attributes:
        arranged: the arranged rows.
        acted: the rows with gain.
        attributes: what the diversity of a list is measured in.
        is_new: 1, 0 or NaN per row, or ``None`` without the column.
        price_ratios: price over the median of the search, or ``None`` without prices.
        owners: codes of listings (prefix empty) and, where the log has them, of hosts
            (``host_``).
        ceilings: the best possible orders, where the true probabilities are known.
        probabilities: model → stage → probabilities, arranged.
        worth: what a click on each row is worth, arranged; ``None`` where it is not known.
        config: the settings.
    """

    arranged: ArrangedRows
    acted: ActedRows
    attributes: dict[str, Floats]
    is_new: Floats | None
    price_ratios: Floats | None
    owners: dict[str, Integers]
    ceilings: list[Ceiling]
    probabilities: dict[str, dict[str, Floats]]
    worth: Floats | None
    config: EvaluationConfig


@dataclass(frozen=True, kw_only=True)
class ModelMetrics:
    """The metrics of one model.

    Attributes:
        model: its name.
        ranks: rank of each arranged row in its search.
        ratios: ratios of sums over searches.
        list_metrics: metrics with an interval of their own, of the whole split only.
    """

    model: str
    ranks: Integers
    ratios: list[RatioMetric]
    list_metrics: list[ListMetric]


def metric_inputs(
    rows: pa.Table,
    arranged: ArrangedRows,
    config: EvaluationConfig,
    context: EvaluationInputs,
    truth: Mapping[str, Scores],
) -> MetricInputs:
    """Everything that the metrics need and that does not depend on a model.

    ``truth`` maps columns of the truth table to one probability per row. Raises
    ``ValueError`` on truth or probabilities that do not fit the rows or lie outside 0..1.
    """
    owners = {"": arranged.listing}
    hosts = host_codes(rows, arranged, context.host_columns)
    if hosts is not None and (hosts >= 0).any():
        owners["host_"] = hosts
    is_new = None
    if "listing_is_new" in rows.column_names:
        is_new = numbers(rows, arranged, "listing_is_new")
    attributes = list_attributes(rows, arranged)
    return MetricInputs(
        arranged=arranged,
        acted=acted_rows(arranged, config),
        attributes=attributes,
        is_new=is_new,
        price_ratios=_price_ratios(attributes, arranged),
        owners=owners,
        ceilings=ceilings_of(arranged, arranged_columns(arranged, truth)),
        probabilities=_probabilities(arranged, context),
        worth=_worth(arranged, context),
        config=config,
    )


def _price_ratios(attributes: Mapping[str, Floats], arranged: ArrangedRows) -> Floats | None:
    if "log_price" not in attributes:
        return None
    return price_to_median(attributes["log_price"][:, 0], arranged.starts, arranged.sizes)


def _worth(arranged: ArrangedRows, context: EvaluationInputs) -> Floats | None:
    if context.worth is None:
        return None
    worth = arranged_columns(arranged, {"worth": context.worth})["worth"]
    if not (np.isfinite(worth) & (worth >= 0)).all():
        raise ValueError("the worth of a click is a number of at least 0")
    return worth


def _probabilities(
    arranged: ArrangedRows, context: EvaluationInputs
) -> dict[str, dict[str, Floats]]:
    by_model = {}
    for model, stages in context.probabilities.items():
        unknown = set(stages) - set(STAGE_NAMES)
        if unknown:
            raise ValueError(f"model {model}: unknown stage {', '.join(sorted(unknown))}")
        by_model[model] = arranged_columns(arranged, stages)
        for stage, values in by_model[model].items():
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError(f"model {model}: P({stage}) outside 0..1 or not a number")
    return by_model


def measure_model(inputs: MetricInputs, model: str, scores: Scores) -> ModelMetrics:
    """Every metric of one model; raises ``ValueError`` on unusable scores."""
    arranged, config = inputs.arranged, inputs.config
    ranks = arranged.ranks(scores, model=model)
    ratios = ranking_metrics(arranged, inputs.acted, ranks, config)
    if inputs.worth is not None:
        ratios += value_dcg_metrics(arranged, ranks, inputs.worth, config.ks)
    ratios += auc_metrics(arranged, arranged.arrange(scores))
    ratios += diversity_metrics(arranged, ranks, inputs.attributes, config.list_k)
    if inputs.price_ratios is not None:
        ratios.append(price_level_metric(arranged, ranks, inputs.price_ratios, config.list_k))
    if inputs.is_new is not None:
        ratios += new_listing_metrics(arranged, ranks, inputs.is_new, config)
    ratios += oracle_metrics(arranged, inputs.ceilings, ranks, config.ks)
    list_metrics = concentration_metrics(arranged, ranks, inputs.owners, config)
    predicted = inputs.probabilities.get(model, {})
    ratios += probability_metrics(arranged, predicted)
    bin_errors, errors = calibration_metrics(arranged, predicted, config)
    return ModelMetrics(
        model=model, ranks=ranks, ratios=ratios + bin_errors, list_metrics=list_metrics + errors
    )
