"""The guardrails: figures that must not be shown to get worse by more than is tolerated.

**Shown.** A guardrail fails where the whole interval of the loss lies beyond the tolerated
one. A loss that only looks too large, on few guests, fails nothing: by chance one of several
noisy figures nearly always does. Example, tolerated loss 0.020: a change of −0.030 with an
interval of −0.050 to −0.010 passes, of −0.038 to −0.022 fails.

**All together.** Each interval is widened so that the chance of failing any guardrail without
a loss beyond its tolerance is at most ``guardrail_error`` for however many there are
(Bonferroni): with 5% and ten guardrails each may err in 0.5% of cases, so that an interval of
95%, 1.96 standard errors to each side, is stretched to 2.58, which is one of 99%.

**Not paired.** Coverage and Gini have an interval for each model alone. The difference's is
taken from both as if they were independent. They are not: both models order the same
searches, which makes the true interval narrower and this one safe.

What cannot be measured blocks nothing and is named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import hypot

from data.counted import counted
from models.evaluation.scorecard import Score
from pipelines.promotion.checks import CHALLENGER, CHAMPION, find_score
from pipelines.promotion.decision import Check
from pipelines.promotion.evidence import missing_evidence, missing_guests, missing_interval
from pipelines.promotion.gate_config import GateConfig
from pipelines.promotion.widened_interval import confidence_in_words, widened

__all__ = ["COMPARED", "guardrails", "latency_check"]

STAGES = ("click", "contact", "book")
BOOKINGS = "ndcg_at_10"
NEW_EXPOSURE = "new_listing_exposure_at_10"
COMPARED = (BOOKINGS, NEW_EXPOSURE)
"""Metrics that have to be compared in pairs beside the primary one and its fallback."""


@dataclass(frozen=True, kw_only=True)
class _Change:
    """A change of a figure with its interval, not yet widened.

    Attributes:
        name: of the check.
        metric: what changed.
        change, low, high: challenger minus the other, and the interval as measured.
        tolerated: the loss that is tolerated, at least 0.
        sign: 1 where more is better, -1 where less is.
        of: the other's figure where the tolerated loss is a share of it; the finding then
            tells shares.
    """

    name: str
    metric: str
    change: float
    low: float
    high: float
    tolerated: float
    sign: int = 1
    of: float | None = None

    def judged(self, error: float, against: str) -> Check:
        """The check, with this chance of failing a loss at the edge of what is tolerated."""
        low, high = widened(self.change, self.low, self.high, error)
        told = partial(_told, of=self.of)
        finding = (
            f"{self.metric} {told(self.change)} against {against}, "
            f"{confidence_in_words(error)} interval {told(low)} to {told(high)}; "
            f"tolerated {told(-self.sign * self.tolerated)}"
        )
        best = high if self.sign > 0 else -low
        return Check(
            name=self.name,
            is_passed=best >= -self.tolerated,
            finding=finding,
            difference=self.change,
            low=low,
            high=high,
        )


@dataclass(frozen=True, kw_only=True)
class _Ratio:
    """Predicted over actual outcomes, and between which bounds the ratio is tolerated.

    Attributes:
        name: of the check.
        value, low, high: of the challenger, and the interval as measured.
        other: the champion's ratio, ``None`` without one.
        least, most: the ratio may lie between these.
    """

    name: str
    value: float
    low: float
    high: float
    other: float | None
    least: float
    most: float

    def judged(self, error: float, against: str) -> Check:
        """The check, with this chance of failing a ratio at the edge of what is tolerated."""
        low, high = widened(self.value, self.low, self.high, error)
        beside = f", of {against} {self.other:.2f}" if self.other is not None else ""
        finding = (
            f"predicted / actual {self.value:.2f}, {confidence_in_words(error)} interval "
            f"{low:.2f} to {high:.2f}{beside}; tolerated {self.least:.2f} to {self.most:.2f}"
        )
        is_passed = high >= self.least and low <= self.most
        return Check(name=self.name, is_passed=is_passed, finding=finding)


def guardrails(
    scores: Sequence[Score],
    recall: Score | None,
    config: GateConfig,
    *,
    against: str,
    is_first: bool = False,
) -> list[Check]:
    """Every guardrail that the scores of both can tell; latency is measured apart.

    ``scores`` are those of ``CHALLENGER`` and ``CHAMPION``; ``recall`` is the recall of the
    challenger's retrieval compared with the other's, ``None`` where one of them has none.
    ``is_first``: the other is popularity, which gives no probabilities to compare with.
    """
    segments = dict.fromkeys(score.segment for score in scores)
    markets = [segment for segment in segments if segment.startswith("market=")]
    measured = [
        *(_value_change(scores, segment, config) for segment in (*markets, "listing=new")),
        _bookings_change(scores, config),
        _recall_change(recall, config),
        _new_exposure_change(scores, config, is_first=is_first),
        _list_change(scores, "exposure_gini_at_10", config.gini_rise, config, sign=-1),
        _list_change(scores, "coverage_at_10", config.coverage_loss, config, sign=1),
        *(_calibration(scores, stage, config, is_first=is_first) for stage in STAGES),
    ]
    count = sum(not isinstance(each, Check) for each in measured)
    error = config.guardrail_error / max(1, count)
    return [e if isinstance(e, Check) else e.judged(error, against) for e in measured]


def latency_check(challenger_ms: float, champion_ms: float, config: GateConfig) -> Check:
    """Milliseconds to score a thousand rows: fails when many times more, by a time that counts.

    Twice the champion's time and 5 ms are tolerated: of 10 ms up to 20, of 1 ms up to 6.
    """
    finding = (
        f"{challenger_ms:.1f} ms a thousand rows, the champion {champion_ms:.1f} ms; tolerated "
        f"{config.slower:g} times that, or {config.slower_ms:g} ms more"
    )
    most = max(config.slower * champion_ms, champion_ms + config.slower_ms)
    return Check(name="latency", is_passed=challenger_ms <= most, finding=finding)


def _value_change(scores: Sequence[Score], segment: str, config: GateConfig) -> _Change | Check:
    """The primary metric in a segment, or its fallback where that has too little behind it.

    The tolerated loss is relative to the other's value, that of the fallback absolute.
    """
    value = find_score(scores, CHALLENGER, config.primary, segment=segment)
    missing = _missing(value, config)
    if value is not None and not missing:
        return _paired_share(segment, value, config.value_loss)
    bookings = find_score(scores, CHALLENGER, config.fallback, segment=segment)
    if bookings is not None and not missing_evidence(bookings, config):
        return _paired(segment, bookings, config.ndcg_loss)
    return _not_measured(segment, missing)


def _bookings_change(scores: Sequence[Score], config: GateConfig) -> _Change | Check:
    score = find_score(scores, CHALLENGER, BOOKINGS)
    missing = _missing(score, config)
    if score is None or missing:
        return _not_measured("bookings", missing)
    return _paired("bookings", score, config.ndcg_loss)


def _recall_change(recall: Score | None, config: GateConfig) -> _Change | Check:
    missing = _missing(recall, config)
    if recall is None or missing:
        return _not_measured("retrieval", missing)
    return _paired("retrieval", recall, config.recall_loss)


def _new_exposure_change(
    scores: Sequence[Score], config: GateConfig, *, is_first: bool
) -> _Change | Check:
    """New listings' share of the first ten places; made of places, so without outcomes."""
    name = "new-listing exposure"
    score = find_score(scores, CHALLENGER, NEW_EXPOSURE)
    if score is None or score.difference is None or _value_of_other(score) == 0:
        return _not_measured(name, "no new listing was shown")
    missing = missing_guests(score, config) or missing_interval(score)
    if missing:
        return _not_measured(name, missing)
    relative = config.first_new_exposure_loss if is_first else config.new_exposure_loss
    return _paired_share(name, score, relative)


def _list_change(
    scores: Sequence[Score], metric: str, tolerated: float, config: GateConfig, *, sign: int
) -> _Change | Check:
    """A figure of the whole list, each model with an interval of its own."""
    mine = find_score(scores, CHALLENGER, metric)
    other = find_score(scores, CHAMPION, metric)
    if mine is None or other is None:
        return _not_measured(metric, "not measured")
    missing = missing_guests(mine, config)
    ends = (mine.low, mine.high, other.low, other.high)
    if missing or None in ends:
        return _not_measured(metric, missing or "no interval")
    # an end may be cut at 0 or 1: the longer arm is the whole one
    reach = hypot(_arm(mine), _arm(other))
    change = mine.value - other.value
    return _Change(
        name=metric,
        metric=metric,
        change=change,
        low=change - reach,
        high=change + reach,
        tolerated=tolerated,
        sign=sign,
    )


def _calibration(
    scores: Sequence[Score], stage: str, config: GateConfig, *, is_first: bool
) -> _Ratio | Check:
    """Σ predicted / Σ actual outcomes of a stage, sound or no worse than the champion's.

    The luck of the outcomes is in both ratios alike, and so is the share of them that the
    log does not hold yet: a ratio of 1.4 beside the champion's 1.4 is no harm.
    """
    name, metric = f"calibration {stage}", f"calibration_ratio_{stage}"
    mine = find_score(scores, CHALLENGER, metric)
    other = find_score(scores, CHAMPION, metric)
    if is_first:
        return _not_measured(name, "popularity gives no probabilities to compare with")
    if mine is None:
        return _not_measured(name, "the run has no ranker with probabilities")
    if mine.positives < config.fewest_outcomes:
        outcomes = counted(mine.positives, "outcome")
        return _not_measured(name, f"{outcomes} where {config.fewest_outcomes:,} are needed")
    missing = missing_guests(mine, config)
    if missing or mine.low is None or mine.high is None:
        return _not_measured(name, missing or "no interval")
    away = 1.0 if other is None else max(other.value, 1 / other.value)
    worst = away * (1 + config.calibration_loss)
    return _Ratio(
        name=name,
        value=mine.value,
        low=mine.low,
        high=mine.high,
        other=None if other is None else other.value,
        least=min(config.calibration_from, 1 / worst),
        most=max(config.calibration_to, worst),
    )


def _missing(score: Score | None, config: GateConfig) -> str:
    return "no search that can be scored" if score is None else missing_evidence(score, config)


def _not_measured(name: str, why: str) -> Check:
    return Check(name=name, is_passed=None, finding=why)


def _paired(name: str, score: Score, tolerated: float) -> _Change:
    """The change of a figure that has been found to have a paired interval."""
    difference, low, high = score.difference, score.difference_low, score.difference_high
    if difference is None or low is None or high is None:
        raise ValueError(f"{score.metric} of {score.model} has no paired interval: {score}")
    return _Change(
        name=name,
        metric=score.metric,
        change=difference,
        low=low,
        high=high,
        tolerated=tolerated,
    )


def _paired_share(name: str, score: Score, share: float) -> _Change:
    """The same where the tolerated loss is a share of the other's figure."""
    of = _value_of_other(score)
    return replace(_paired(name, score, share * of), of=of if of > 0 else None)


def _told(number: float, of: float | None) -> str:
    return f"{number:+.4f}" if of is None else f"{number / of:+.1%}"


def _value_of_other(score: Score) -> float:
    return score.value - (score.difference or 0.0)


def _arm(score: Score) -> float:
    """The longer side of a figure's interval."""
    low, high = score.low, score.high
    return max(score.value - (low or 0.0), (high or 0.0) - score.value)
