"""The gate's checks, from the scores of challenger and champion measured side by side.

A paired check passes unless harm is shown (the whole interval below zero) or the loss is
larger than tolerated. Example: NDCG@10 of a market −0.012, interval −0.030 to +0.006,
tolerated loss 0.02: passes, since the interval reaches zero and 0.012 < 0.02; with an interval
of −0.020 to −0.004 it fails.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.evaluation.scorecard import Score, Scorecard
from pipelines.promotion.decision import Check
from pipelines.promotion.gate_config import GateConfig

__all__ = ["CHALLENGER", "CHAMPION", "guardrails", "latency_check", "primary_check"]

CHALLENGER = "challenger"
CHAMPION = "champion"
STAGES = ("click", "contact", "book")
RECALL = "catalogue_recall_at_100"
NEW_EXPOSURE = "new_listing_exposure_at_10"


def primary_check(scorecard: Scorecard, config: GateConfig, *, model: str, against: str) -> Check:
    """The paired interval of the primary metric must lie above zero."""
    score = _first_of(scorecard.scores, model, (config.primary, config.fallback))
    if score is None or score.difference is None or score.difference_low is None:
        finding = (
            f"no {config.primary} to compare with {against}: no search of the test has a booking"
        )
        return Check(name="primary", is_passed=False, finding=finding)
    wins = score.difference_low > 0
    finding = (
        f"{_paired(score, against)}, on {score.searches:,} searches: "
        f"{'above zero' if wins else 'does not exclude zero'}"
    )
    return _check("primary", score, finding, is_passed=wins)


def guardrails(
    scorecard: Scorecard, retrieval: Sequence[Score], config: GateConfig, *, against: str
) -> list[Check]:
    """Every guardrail that the scorecard of both can tell; latency is measured apart."""
    markets = [s for s in scorecard.segments if s.startswith("market=")]
    checks = [_ndcg_check(scorecard, segment, config, against) for segment in markets]
    checks.append(_ndcg_check(scorecard, "listing=new", config, against))
    checks.append(_new_exposure_check(scorecard, config, against))
    checks += _exposure_checks(scorecard, config, against)
    checks += [_calibration_check(scorecard, stage, config) for stage in STAGES]
    checks.append(_recall_check(retrieval, config, against))
    return checks


def latency_check(challenger_ms: float, champion_ms: float, config: GateConfig) -> Check:
    """Milliseconds to score the same thousand rows."""
    finding = f"{challenger_ms:.1f} ms a thousand rows, the champion {champion_ms:.1f} ms"
    return Check(
        name="latency", is_passed=challenger_ms <= config.slower * champion_ms, finding=finding
    )


def _ndcg_check(scorecard: Scorecard, segment: str, config: GateConfig, against: str) -> Check:
    metrics = (config.primary, config.fallback)
    score = _first_of(scorecard.scores, CHALLENGER, metrics, segment=segment)
    return _paired_check(segment, score, config.ndcg_loss, against)


def _recall_check(retrieval: Sequence[Score], config: GateConfig, against: str) -> Check:
    score = _first_of(retrieval, CHALLENGER, (RECALL,))
    return _paired_check("retrieval", score, config.recall_loss, against)


def _paired_check(name: str, score: Score | None, tolerated: float, against: str) -> Check:
    if score is None or score.difference is None or score.difference_high is None:
        return Check(name=name, is_passed=None, finding="no search that can be scored")
    is_harmed = score.difference_high < 0 or score.difference < -tolerated
    finding = f"{_paired(score, against)}; tolerated -{tolerated:.3f}"
    return _check(name, score, finding, is_passed=not is_harmed)


def _new_exposure_check(scorecard: Scorecard, config: GateConfig, against: str) -> Check:
    name = "new-listing exposure"
    mine = _first_of(scorecard.scores, CHALLENGER, (NEW_EXPOSURE,))
    other = _first_of(scorecard.scores, CHAMPION, (NEW_EXPOSURE,))
    if mine is None or other is None or other.value == 0:
        return Check(name=name, is_passed=None, finding="no new listing was shown")
    change = mine.value / other.value - 1
    finding = (
        f"new listings hold {mine.value:.1%} of the top 10, under {against} {other.value:.1%} "
        f"({change:+.1%}); tolerated -{config.new_exposure_loss:.0%}"
    )
    return Check(name=name, is_passed=change >= -config.new_exposure_loss, finding=finding)


def _exposure_checks(scorecard: Scorecard, config: GateConfig, against: str) -> list[Check]:
    checks = []
    for metric, sign, tolerated in (
        ("exposure_gini_at_10", -1, config.gini_rise),
        ("coverage_at_10", 1, config.coverage_loss),
    ):
        mine = _first_of(scorecard.scores, CHALLENGER, (metric,))
        other = _first_of(scorecard.scores, CHAMPION, (metric,))
        if mine is None or other is None:
            checks.append(Check(name=metric, is_passed=None, finding="not measured"))
            continue
        change = mine.value - other.value
        finding = (
            f"{mine.value:.3f}, under {against} {other.value:.3f}; "
            f"tolerated {-sign * tolerated:+.3f}"
        )
        checks.append(Check(name=metric, is_passed=sign * change >= -tolerated, finding=finding))
    return checks


def _calibration_check(scorecard: Scorecard, stage: str, config: GateConfig) -> Check:
    metric = f"calibration_ratio_{stage}"
    mine = _first_of(scorecard.scores, CHALLENGER, (metric,))
    other = _first_of(scorecard.scores, CHAMPION, (metric,))
    name = f"calibration {stage}"
    if mine is None:
        return Check(name=name, is_passed=None, finding="the run has no funnel model")
    if mine.positives < config.fewest_outcomes:
        finding = f"{mine.positives} outcomes are too few to judge by"
        return Check(name=name, is_passed=None, finding=finding)
    is_sound = config.calibration_from <= mine.value <= config.calibration_to
    is_no_worse = other is not None and abs(mine.value - 1) <= abs(other.value - 1)
    beside = f", the champion's {other.value:.2f}" if other is not None else ""
    finding = (
        f"predicted / actual {mine.value:.2f}{beside}; "
        f"sound from {config.calibration_from} to {config.calibration_to}"
    )
    return Check(name=name, is_passed=is_sound or is_no_worse, finding=finding)


def _first_of(
    scores: Sequence[Score], model: str, metrics: Sequence[str], *, segment: str = "all"
) -> Score | None:
    for metric in metrics:
        for score in scores:
            if (score.model, score.metric, score.segment) == (model, metric, segment):
                return score
    return None


def _paired(score: Score, against: str) -> str:
    return (
        f"{score.metric} {score.difference:+.4f} against {against}, 95% interval "
        f"{score.difference_low:+.4f} to {score.difference_high:+.4f}"
    )


def _check(name: str, score: Score, finding: str, *, is_passed: bool) -> Check:
    return Check(
        name=name,
        is_passed=is_passed,
        finding=finding,
        difference=score.difference,
        low=score.difference_low,
        high=score.difference_high,
    )
