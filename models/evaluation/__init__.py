"""Evaluation of rankings: metrics, intervals, comparisons, the best possible order.

The way through it: ``evaluate`` sorts the rows once (``arranged_rows``), measures every model
search by search (``model_metrics``, which calls the metric files), draws guests again for the
intervals and tests (``segment_intervals``), and returns a ``Scorecard`` with its ``Honesty``
panel. A metric that is a value per search is added in ``ranking_metrics``, any other in the
file of its kind, and listed in ``model_metrics.measure_model``.

Apart from that: ``label_maturity`` (outcomes that are still to come), ``off_policy`` (what
another order would have earned), ``transfer`` (train on one market, test on another),
``catalogue_recall`` (retrieval), ``validation_metric`` (choice between variants) and
``recommended_lists`` (lists drawn from the whole catalogue: their worth, and a replay).
"""

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.evaluation_inputs import EvaluationInputs
from models.evaluation.provenance import Honesty, Provenance
from models.evaluation.scorecard import Score, Scorecard
from models.evaluation.segments import SegmentColumns

__all__ = [
    "EvaluationConfig",
    "EvaluationInputs",
    "Honesty",
    "Provenance",
    "Score",
    "Scorecard",
    "SegmentColumns",
    "evaluate",
]
