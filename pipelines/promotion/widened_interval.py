"""A 95% interval of the bootstrap, stretched to the error that a verdict may have.

Errors are one-sided: 2.5% is the 95% interval itself, 1.96 standard errors to each side; 0.5% is
2.58 of them, a 99% interval.
"""

from __future__ import annotations

from scipy.special import ndtri

from models.evaluation.config import EvaluationConfig

__all__ = ["confidence_in_words", "widened"]


def widened(value: float, low: float, high: float, error: float) -> tuple[float, float]:
    """The ends for a one-sided ``error`` of an interval as the scorecard has it.

    Of −1.96 to 1.96 around 0 an error of 0.5% makes −2.58 to 2.58; each side keeps its share.
    """
    factor = float(ndtri(1 - error) / ndtri((1 + EvaluationConfig().confidence) / 2))
    return value - (value - low) * factor, value + (high - value) * factor


def confidence_in_words(error: float) -> str:
    """The confidence of an interval with this error at each end: ``97.5%`` of 0.0125."""
    return f"{1 - 2 * error:.1%}"
