"""The primary check: is the challenger shown to be better than the other?

Four answers, of which the first alone lets it pass: shown to be better; shown to be worse;
no difference shown, with or without excluding a gain of interest; too little to decide.
Example, a gain of interest of 5%: value 0.0200 of the champion, so 0.0010. A difference of
+0.0002 with an interval of −0.0004 to +0.0008 excludes such a gain, one of −0.0004 to
+0.0012 does not: more guests may show it.
"""

from __future__ import annotations

from collections.abc import Sequence

from data.counted import counted
from models.evaluation.scorecard import Score
from models.evaluation.segments import ALL
from pipelines.promotion.decision import Check
from pipelines.promotion.evidence import is_alike, missing_evidence
from pipelines.promotion.gate_config import GateConfig
from pipelines.promotion.widened_interval import confidence_in_words, widened

__all__ = ["CHALLENGER", "CHAMPION", "find_score", "primary_check"]

CHALLENGER = "challenger"
CHAMPION = "champion"


def primary_check(scores: Sequence[Score], config: GateConfig, *, against: str) -> Check:
    """The paired interval of the primary metric must lie above zero.

    ``scores`` are those of ``CHALLENGER``, compared with ``CHAMPION``. The fallback takes the
    place of a primary metric that is absent or has too little behind it. ``is_passed`` is
    ``None`` where neither can be judged by.
    """
    lacking = []
    for metric in dict.fromkeys((config.primary, config.fallback)):
        score = find_score(scores, CHALLENGER, metric)
        missing = "not measured" if score is None else missing_evidence(score, config)
        if score is not None and not missing:
            return _verdict(score, config, against)
        lacking.append(f"{metric}: {missing}")
    return Check(name="primary", is_passed=None, finding="; ".join(lacking))


def _verdict(score: Score, config: GateConfig, against: str) -> Check:
    difference, low, high = score.difference, score.difference_low, score.difference_high
    if difference is None or low is None or high is None:
        raise ValueError(f"{score.metric} of {score.model} has no paired interval: {score}")
    low, high = widened(difference, low, high, config.promotion_error)
    figures = _paired_words(score, (low, high), config, against)
    answer = _answer(score, low, high, config)
    finding = f"{score.metric} {figures}, on {_counted(score)}: {answer}"
    return Check(
        name="primary",
        is_passed=low > 0,
        finding=finding,
        difference=difference,
        low=low,
        high=high,
    )


def _paired_words(score: Score, ends: tuple[float, float], config: GateConfig, against: str) -> str:
    """The difference and its interval, in shares of the other's figure where it has one."""
    value, difference = score.value - (score.difference or 0.0), score.difference or 0.0
    interval = f"{confidence_in_words(config.promotion_error)} interval"
    low, high = ends
    if value <= 0:
        return f"{difference:+.4f} against {against}, {interval} {low:+.4f} to {high:+.4f}"
    return (
        f"{difference / value:+.1%} against {against} ({value:.4f}), {interval} "
        f"{low / value:+.1%} to {high / value:+.1%}"
    )


def _counted(score: Score) -> str:
    guests = "" if score.clusters is None else f" of {counted(score.clusters, 'guest')}"
    return f"{counted(score.searches, 'search')}{guests}"


def _answer(score: Score, low: float, high: float, config: GateConfig) -> str:
    if is_alike(score):
        return "both order every search that counts equally well"
    if low > 0:
        return "shown to be better"
    if high < 0:
        return "shown to be worse"
    value = score.value - (score.difference or 0.0)
    gain = f"a gain of {config.gain_of_interest:.0%}"
    is_excluded = high < config.gain_of_interest * value
    return f"no difference is shown, and {gain} is {'' if is_excluded else 'not '}excluded"


def find_score(
    scores: Sequence[Score], model: str, metric: str, *, segment: str = ALL
) -> Score | None:
    """The figure, ``None`` where there is none."""
    for score in scores:
        if (score.model, score.metric, score.segment) == (model, metric, segment):
            return score
    return None
