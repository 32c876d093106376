"""The primary check on made-up figures: every answer, and the sentence that goes with it."""

from __future__ import annotations

import pytest

from models.evaluation.scorecard import Score
from pipelines.promotion.checks import primary_check
from pipelines.promotion.evidence import missing_evidence
from pipelines.promotion.gate_config import GateConfig
from tests.pipelines.promotion.made_up_scores import score

# The intervals below are those that decide.
RULES = GateConfig(promotion_error=0.025)
VALUE, NDCG = "value_dcg_at_10", "ndcg_at_10"
FEW = {"searches": 120, "positives": 40, "clusters": 30}
TOO_LITTLE = (
    "120 searches where 1,000 are needed, 40 clicked rows where 500 are needed, "
    "30 guests where 300 are needed"
)

# The champion's value is 0.02, so that 5% of it are 0.001.
CASES = {
    "better": (
        score(VALUE, 0.001, (0.0002, 0.0018)),
        True,
        (
            "value_dcg_at_10 +5.0% against X (0.0200), 95.0% interval +1.0% to +9.0%, on 9,000 "
            "searches of 1,700 guests: shown to be better"
        ),
    ),
    "worse": (score(VALUE, -0.001, (-0.0018, -0.0002)), False, ": shown to be worse"),
    "equivalent": (
        score(VALUE, 0.0001, (-0.0007, 0.0009)),
        False,
        ": no difference is shown, and a gain of 5% is excluded",
    ),
    "undecided": (
        score(VALUE, 0.0001, (-0.001, 0.0012)),
        False,
        ": no difference is shown, and a gain of 5% is not excluded",
    ),
    "an end on zero": (
        score(VALUE, 0.0001, (0.0, 0.0002)),
        False,
        ": no difference is shown, and a gain of 5% is excluded",
    ),
    "alike": (
        score(VALUE, 0.0, (0.0, 0.0)),
        False,
        ": both order every search that counts equally well",
    ),
    "too few": (score(VALUE, 0.01, (0.005, 0.015), **FEW), None, f"{VALUE}: {TOO_LITTLE}"),
    "one guest": (
        score(VALUE, 0.01, None, clusters=1),
        None,
        f"{VALUE}: 1 guest where 300 are needed",
    ),
    "no interval": (
        score(VALUE, 0.01, None),
        None,
        f"{VALUE}: the difference has no interval",
    ),
    "an interval of no width": (
        score(VALUE, 0.01, (0.01, 0.01)),
        None,
        f"{VALUE}: the difference has no interval",
    ),
    "guests not counted": (
        score(VALUE, 0.001, (0.0002, 0.0018), clusters=None),
        True,
        "on 9,000 searches: shown to be better",
    ),
    "a champion worth nothing": (
        score(VALUE, 0.001, (0.0002, 0.0018), other=0.0),
        True,
        "value_dcg_at_10 +0.0010 against X, 95.0% interval +0.0002 to +0.0018",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_primary_check_says_what_the_figures_show(case: str) -> None:
    figure, is_passed, words = CASES[case]
    check = primary_check([figure], RULES, against="X")
    assert check.is_passed is is_passed
    assert words in check.finding


def test_interval_that_decides_is_the_settings_own() -> None:
    """Of 95% it ends at +0.0001; of 97.5%, 2.24 standard errors to each side, it does not."""
    figure = score(VALUE, 0.001, (0.0001, 0.0019))
    strict, lax = GateConfig(promotion_error=0.0125), GateConfig(promotion_error=0.025)
    verdicts = [primary_check([figure], rules, against="X") for rules in (strict, lax)]
    assert [check.is_passed for check in verdicts] == [False, True]
    assert "97.5% interval -0.1% to +10.1%" in verdicts[0].finding
    assert "95.0% interval +0.5% to +9.5%" in verdicts[1].finding


def bookings(positives: int) -> Score:
    """NDCG of so many bookings, which shows a gain."""
    return score(
        NDCG, 0.05, (0.01, 0.09), other=0.5, searches=positives, positives=positives, clusters=160
    )


def test_fallback_decides_where_the_primary_metric_is_absent() -> None:
    check = primary_check([bookings(170)], RULES, against="X")
    assert check.is_passed
    assert check.finding.startswith("ndcg_at_10 +10.0% against X (0.5000)")


def test_fallback_decides_where_the_primary_metric_has_too_little_behind_it() -> None:
    check = primary_check([score(VALUE, **FEW), bookings(170)], RULES, against="X")
    assert check.finding.startswith("ndcg_at_10")


def test_a_primary_metric_that_can_be_judged_by_leaves_the_fallback_no_say() -> None:
    check = primary_check([score(VALUE), bookings(170)], RULES, against="X")
    assert check.is_passed is False
    assert check.finding.startswith("value_dcg_at_10")


def test_too_little_of_both_names_what_each_lacks() -> None:
    check = primary_check([score(VALUE, **FEW), bookings(3)], RULES, against="X")
    assert check.is_passed is None
    assert check.finding == f"{VALUE}: {TOO_LITTLE}; {NDCG}: 3 bookings where 50 are needed"


def test_without_any_figure_nothing_is_decided() -> None:
    check = primary_check([], RULES, against="X")
    assert check.is_passed is None
    assert check.finding == f"{VALUE}: not measured; {NDCG}: not measured"


def test_one_booking_decides_nothing() -> None:
    crowned = score(NDCG, 0.0535, (0.0535, 0.0535), searches=1, positives=1, clusters=1)
    check = primary_check([crowned], RULES, against="X")
    assert check.is_passed is None
    assert "1 booking where 50 are needed, 1 guest where 50 are needed" in check.finding


@pytest.mark.parametrize(
    ("figure", "is_enough"),
    [
        (score(VALUE, searches=1_000, positives=500, clusters=300), True),
        (score(VALUE, searches=999, positives=500, clusters=300), False),
        (score(VALUE, searches=1_000, positives=499, clusters=300), False),
        (score(VALUE, searches=1_000, positives=500, clusters=299), False),
        (score(NDCG, searches=50, positives=50, clusters=50), True),
        (score(NDCG, searches=50, positives=49, clusters=50), False),
        (score(NDCG, searches=50, positives=50, clusters=49), False),
    ],
)
def test_evidence_is_enough_from_each_setting_on(figure: Score, is_enough: bool) -> None:
    assert (missing_evidence(figure, RULES) == "") is is_enough


def test_evidence_that_the_settings_demand() -> None:
    lax = GateConfig(fewest_searches=1, fewest_clicks=1, fewest_guests=1, fewest_bookings=1)
    assert missing_evidence(score(VALUE, **FEW), RULES)
    assert missing_evidence(score(VALUE, **FEW), lax) == ""


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"calibration_from": 1.2}, "calibration_from"),
        ({"ndcg_loss": -0.1}, "ndcg_loss"),
        ({"fewest_guests": -1}, "fewest_guests"),
        ({"guardrail_error": 0.0}, "guardrail_error"),
        ({"guardrail_error": 0.5}, "guardrail_error"),
        ({"promotion_error": 0.5}, "promotion_error"),
    ],
)
def test_rules_out_of_range_are_refused(setting: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GateConfig(**setting)  # type: ignore[arg-type]
