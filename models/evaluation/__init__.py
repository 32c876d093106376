"""Honest evaluation: metrics, intervals, scorecard, oracle, maturity, counterfactuals."""

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
