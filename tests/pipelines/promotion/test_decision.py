"""The decision and its sentence in every case."""

from __future__ import annotations

import pytest

from pipelines.promotion.decision import Check, GateDecision, decide

BETTER = Check(name="primary", is_passed=True, finding="+0.001: shown to be better", low=0.0001)
NOT_BETTER = Check(name="primary", is_passed=False, finding="+0.001: no difference is shown")
TOO_LITTLE = Check(name="primary", is_passed=None, finding="3 bookings where 30 are needed")
HOLDS = Check(name="market=a", is_passed=True, finding="-0.001")
FAILS = Check(name="market=b", is_passed=False, finding="-0.1")
ALSO_FAILS = Check(name="latency", is_passed=False, finding="90 ms")
UNMEASURED = Check(name="retrieval", is_passed=None, finding="no search that can be scored")

CASES = {
    "promoted": (
        (BETTER, [HOLDS, HOLDS, UNMEASURED]),
        "promoted: +0.001: shown to be better; 2 guardrails measured, no harm shown",
    ),
    "promoted on one guardrail": (
        (BETTER, [HOLDS]),
        "promoted: +0.001: shown to be better; 1 guardrail measured, no harm shown",
    ),
    "promoted with nothing to guard by": (
        (BETTER, [UNMEASURED]),
        "promoted: +0.001: shown to be better; no guardrail could be measured",
    ),
    "not better": (
        (NOT_BETTER, [HOLDS]),
        "not promoted: +0.001: no difference is shown; Y stays",
    ),
    "not better, and harm": (
        (NOT_BETTER, [FAILS]),
        "not promoted: +0.001: no difference is shown; Y stays",
    ),
    "better, but harm": (
        (BETTER, [HOLDS, FAILS]),
        (
            "not promoted: +0.001: shown to be better, but 1 guardrail shows harm "
            "(market=b: -0.1); Y stays"
        ),
    ),
    "better, but several harms": (
        (BETTER, [FAILS, ALSO_FAILS]),
        (
            "not promoted: +0.001: shown to be better, but 2 guardrails show harm (market=b: -0.1; "
            "latency: 90 ms); Y stays"
        ),
    ),
    "too little": (
        (TOO_LITTLE, [HOLDS]),
        "too little to decide: 3 bookings where 30 are needed; Y stays",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_sentence_says_what_was_decided_and_who_recommends(case: str) -> None:
    (primary, guardrails), sentence = CASES[case]
    decision = decide(primary, guardrails, against="X", otherwise="Y stays")
    assert decision.reason == sentence
    assert decision.is_promoted is sentence.startswith("promoted")
    assert decision.has_evidence is not sentence.startswith("too little")


def test_decision_survives_being_written_and_read() -> None:
    decision = decide(TOO_LITTLE, [HOLDS, FAILS], against="X", otherwise="Y", notes=["a note"])
    assert GateDecision.from_dict(decision.to_dict()) == decision


def test_decision_written_before_there_was_a_minimum_of_evidence_is_read() -> None:
    content = decide(BETTER, [HOLDS], against="X", otherwise="Y").to_dict()
    del content["has_evidence"]
    assert GateDecision.from_dict(content).has_evidence


def test_lines_show_every_figure_looked_at() -> None:
    lines = decide(BETTER, [FAILS, UNMEASURED], against="X", otherwise="Y", notes=["n"]).lines()
    assert [line.split()[1] for line in lines[1:-1]] == ["holds", "FAILS", "not"]
    assert lines[-1].strip() == "note: n"
