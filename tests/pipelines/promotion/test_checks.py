"""The gate's rules on planted figures: who is promoted, who is refused, and why."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.scorecard import Scorecard
from pipelines.promotion.checks import (
    CHALLENGER,
    CHAMPION,
    guardrails,
    latency_check,
    primary_check,
)
from pipelines.promotion.decision import Check, GateDecision, decide
from pipelines.promotion.gate_config import GateConfig

RULES = GateConfig()
SEARCHES, RESULTS = 400, 12


def world(seed: int = 5) -> tuple[pa.Table, np.ndarray]:
    """Searches of two markets with one booking each, and a score that finds it half the time."""
    rng = np.random.default_rng(seed)
    booked = rng.integers(0, RESULTS, SEARCHES)
    place = np.tile(np.arange(RESULTS), SEARCHES)
    is_booked = place == np.repeat(booked, RESULTS)
    search = np.repeat(np.arange(SEARCHES), RESULTS)
    rows = pa.table(
        {
            "id_search": [f"s{n}" for n in search],
            "id_user": [f"u{n // 2}" for n in search],
            "id_listing": [f"l{n}" for n in rng.permutation(len(search))],
            "market": np.where(search % 2 == 0, "rio_de_janeiro", "sao_paulo"),
            "stage": pa.array(np.where(is_booked, 3, 0).astype(np.int8)),
            "listing_is_new": rng.random(len(search)) < 0.2,
        }
    )
    return rows, rng.normal(size=len(search)) + 1.5 * is_booked


def side_by_side(rows: pa.Table, champion: np.ndarray, challenger: np.ndarray) -> Scorecard:
    return evaluate(
        rows,
        {CHAMPION: champion, CHALLENGER: challenger},
        split="test",
        reference=CHAMPION,
        config=EvaluationConfig(replicates=300),
    )


def judged(rows: pa.Table, champion: np.ndarray, challenger: np.ndarray) -> GateDecision:
    scorecard = side_by_side(rows, champion, challenger)
    primary = primary_check(scorecard, RULES, model=CHALLENGER, against="champion version 1")
    return decide(
        primary,
        guardrails(scorecard, [], RULES, against="champion version 1"),
        against="champion version 1",
    )


def better(rows: pa.Table, scores: np.ndarray, by: float, market: str | None = None) -> np.ndarray:
    """Scores that see the bookings more clearly, everywhere or in one market."""
    is_booked = np.asarray(rows["stage"]) == 3
    if market is not None:
        is_booked = is_booked & (np.asarray(rows["market"]) == market)
    return scores + by * is_booked


def test_clear_winner_is_promoted_with_its_figures_in_the_reason() -> None:
    rows, scores = world()
    decision = judged(rows, scores, better(rows, scores, 1.0))
    assert decision.is_promoted
    assert decision.reason.startswith("promoted: ndcg_at_10 +")
    assert "against champion version 1, 95% interval +" in decision.reason
    assert decision.primary.low is not None
    assert decision.primary.low > 0


def test_tie_is_refused() -> None:
    rows, scores = world()
    rng = np.random.default_rng(0)
    decision = judged(rows, scores, scores + rng.normal(scale=0.05, size=len(scores)))
    assert not decision.is_promoted
    assert "does not exclude zero" in decision.reason


def test_the_same_scores_are_refused() -> None:
    rows, scores = world()
    assert not judged(rows, scores, scores.copy()).is_promoted


def test_winner_overall_that_hurts_sao_paulo_is_refused_and_says_so() -> None:
    rows, scores = world()
    challenger = better(rows, scores, 3.0, "rio_de_janeiro")
    challenger = better(rows, challenger, -0.5, "sao_paulo")
    decision = judged(rows, scores, challenger)
    assert decision.primary.is_passed
    assert not decision.is_promoted
    assert [c.name for c in decision.guardrails if c.is_passed is False] == ["market=sao_paulo"]
    assert "market=sao_paulo" in decision.reason


def test_challenger_that_hides_new_listings_is_refused() -> None:
    rows, scores = world()
    is_new = np.asarray(rows["listing_is_new"])
    decision = judged(rows, scores, better(rows, scores, 4.0) - 2.0 * is_new)
    assert not decision.is_promoted
    assert "new-listing exposure" in decision.reason


def test_what_cannot_be_measured_blocks_nothing_and_is_named() -> None:
    rows, scores = world()
    decision = judged(rows, scores, better(rows, scores, 1.0))
    unmeasured = {c.name for c in decision.guardrails if c.is_passed is None}
    assert unmeasured == {
        "calibration click",
        "calibration contact",
        "calibration book",
        "retrieval",
    }
    assert any("not measured" in line for line in decision.lines())


@pytest.mark.parametrize(("challenger_ms", "holds"), [(19.0, True), (21.0, False)])
def test_challenger_that_scores_much_slower_fails(challenger_ms: float, holds: bool) -> None:
    assert latency_check(challenger_ms, 10.0, RULES).is_passed is holds


def test_decision_survives_being_written_and_read() -> None:
    rows, scores = world()
    decision = judged(rows, scores, better(rows, scores, 1.0))
    assert GateDecision.from_dict(decision.to_dict()) == decision


def test_a_failed_primary_is_the_reason_even_where_guardrails_fail() -> None:
    lost = Check(name="primary", is_passed=False, finding="no better")
    harmed = Check(name="market=x", is_passed=False, finding="worse")
    assert decide(lost, [harmed], against="y").reason == "not promoted: no better"


def test_rules_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="calibration_from"):
        GateConfig(calibration_from=1.2)
    with pytest.raises(ValueError, match="ndcg_loss"):
        GateConfig(ndcg_loss=-0.1)
