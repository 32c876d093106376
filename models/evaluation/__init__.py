"""Honest evaluation: metrics, intervals, scorecard, oracle, maturity, counterfactuals."""

from models.evaluation.config import EvaluationConfig
from models.evaluation.context import Context
from models.evaluation.evaluate import evaluate
from models.evaluation.honesty import Honesty, Provenance
from models.evaluation.scorecard import Score, Scorecard
from models.evaluation.segments import SegmentColumns

__all__ = [
    "Context",
    "EvaluationConfig",
    "Honesty",
    "Provenance",
    "Score",
    "Scorecard",
    "SegmentColumns",
    "evaluate",
]
