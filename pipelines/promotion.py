"""Which registered ranker is the champion: the first has to beat popularity.

The decision is made on the paired interval of the primary metric, and its reason is
written, in a sentence, beside the alias.
"""

from __future__ import annotations

from dataclasses import dataclass

from models.evaluation.scorecard import Scorecard
from pipelines.tracking import CHAMPION, RANKER_MODEL, Tracking

__all__ = ["CHALLENGER", "Decision", "decide", "promote"]

CHALLENGER = "challenger"
PRIMARY_METRIC = "ndcg_at_10"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """Whether a ranker becomes champion, and why, in a sentence."""

    is_promoted: bool
    reason: str


def decide(scorecard: Scorecard, model: str = "ranker") -> Decision:
    """Promote when the paired interval of booking NDCG@10 against popularity is above zero."""
    try:
        score = scorecard.find(model, PRIMARY_METRIC)
    except KeyError:
        return Decision(
            is_promoted=False, reason=f"no {PRIMARY_METRIC}: no search of the test has a booking"
        )
    if score.difference is None or score.difference_low is None:
        return Decision(is_promoted=False, reason="nothing to compare with was evaluated")
    wins = score.difference_low > 0
    told = (
        f"{PRIMARY_METRIC} {score.difference:+.4f} against {score.versus}, 95% interval "
        f"{score.difference_low:+.4f} to {score.difference_high:+.4f}, on {score.searches:,} "
        f"searches: {'above zero' if wins else 'does not exclude zero'}"
    )
    return Decision(is_promoted=wins, reason=told)


def promote(tracking: Tracking, run_id: str, decision: Decision) -> str | None:
    """Set the aliases of the version that a run registered; returns the alias it got.

    ``None`` when the run registered no version.
    """
    version = tracking.version_of_run(RANKER_MODEL, run_id)
    if version is None:
        return None
    alias = CHAMPION if decision.is_promoted else CHALLENGER
    tracking.set_alias(RANKER_MODEL, alias, version)
    tags = {"promotion.alias": alias, "promotion.reason": decision.reason}
    tracking.set_tags(run_id, tags)
    tracking.set_version_tags(RANKER_MODEL, version, tags)
    return alias
