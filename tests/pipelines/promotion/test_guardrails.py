"""The guardrails on made-up figures and on a planted world: what fails, and what does not."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.config import EvaluationConfig
from models.evaluation.evaluate import evaluate
from models.evaluation.scorecard import Score
from pipelines.promotion.checks import CHALLENGER, CHAMPION
from pipelines.promotion.decision import Check
from pipelines.promotion.gate_config import GateConfig
from pipelines.promotion.guardrails import COMPARED, guardrails, latency_check
from tests.pipelines.promotion.made_up_scores import score

RULES = GateConfig()
VALUE, NDCG = "value_dcg_at_10", "ndcg_at_10"
RIO = "market=rio_de_janeiro"
SEARCHES, RESULTS = 600, 12


def checked(
    *scores: Score, recall: Score | None = None, is_first: bool = False
) -> dict[str, Check]:
    checks = guardrails(scores, recall, RULES, against="X", is_first=is_first)
    return {check.name: check for check in checks}


def one(*scores: Score) -> Check:
    """The only guardrail that these figures can tell."""
    (check,) = [c for c in checked(*scores).values() if c.is_passed is not None]
    return check


# One guardrail alone may err in 5% of cases, so that its interval reaches 1.64 standard errors
# to each side: one of 95%, which reaches 1.96, shrinks by 0.839.
@pytest.mark.parametrize(
    ("change", "interval", "is_passed"),
    [
        (-0.05, (-0.09, -0.01), True),  # it looks large, and may be nothing
        (-0.05, (-0.07, -0.03), False),
        (-0.05, (-0.09, -0.015), False),  # -0.05 + 0.035 · 0.839 = -0.0206
        (-0.01, (-0.012, -0.008), True),  # shown, and tolerated
        (0.05, (0.03, 0.07), True),
        (0.0, (0.0, 0.0), True),
    ],
)
def test_loss_fails_only_where_it_is_shown_to_be_more_than_tolerated(
    change: float, interval: tuple[float, float], is_passed: bool
) -> None:
    check = one(score(NDCG, change, interval, other=0.5, searches=170, positives=170))
    assert check.name == "bookings"
    assert check.is_passed is is_passed


def test_more_guardrails_take_wider_intervals() -> None:
    markets = [score(VALUE, 0.0, (-0.001, 0.001), segment=f"market={n}") for n in range(10)]
    alone, among = one(markets[0]), checked(*markets)["market=0"]
    assert alone.high is not None
    assert among.high is not None
    assert alone.high == pytest.approx(0.001 * 1.6449 / 1.9600, abs=1e-6)
    assert among.high == pytest.approx(0.001 * 2.5758 / 1.9600, abs=1e-6)
    assert "90.0% interval" in alone.finding
    assert "99.0% interval" in among.finding


def test_loss_in_a_market_is_tolerated_relative_to_the_champions_value() -> None:
    # 2% of 0.02 are 0.0004
    harmed = score(VALUE, -0.002, (-0.003, -0.001), segment=RIO)
    noisy = score(VALUE, -0.002, (-0.005, 0.001), segment=RIO)
    slight = score(VALUE, -0.0003, (-0.0004, -0.0002), segment=RIO)
    verdicts = [one(each).is_passed for each in (harmed, noisy, slight)]
    assert verdicts == [False, True, True]
    assert "value_dcg_at_10 -10.0% against X" in one(harmed).finding
    assert "tolerated -2.0%" in one(harmed).finding


def test_market_of_few_guests_is_not_judged() -> None:
    few = score(VALUE, -0.01, (-0.012, -0.008), segment=RIO, clusters=40)
    check = checked(few)[RIO]
    assert check.is_passed is None
    assert check.finding == "40 guests where 300 are needed"


def test_market_without_the_primary_metric_is_judged_by_its_bookings() -> None:
    harmed = score(NDCG, -0.2, (-0.3, -0.1), segment=RIO, other=0.5, searches=60, positives=60)
    assert checked(harmed)[RIO].is_passed is False


@pytest.mark.parametrize(("is_first", "is_passed"), [(False, False), (True, True)])
def test_new_listings_may_lose_more_against_popularity(is_first: bool, is_passed: bool) -> None:
    # a third less: more than a tenth, less than a half
    fewer = score(
        "new_listing_exposure_at_10", -0.009, (-0.011, -0.007), other=0.027, positives=170
    )
    assert checked(fewer, is_first=is_first)["new-listing exposure"].is_passed is is_passed


def test_ranker_that_all_but_hides_new_listings_fails_against_popularity_too() -> None:
    hidden = score("new_listing_exposure_at_10", -0.02, (-0.022, -0.018), other=0.027)
    assert checked(hidden, is_first=True)["new-listing exposure"].is_passed is False


def test_log_without_new_listings_guards_none() -> None:
    check = checked(score("new_listing_exposure_at_10", 0.0, (0.0, 0.0), other=0.0))
    assert check["new-listing exposure"].finding == "no new listing was shown"


def listed(metric: str, mine: float, other: float, reach: float) -> list[Score]:
    return [
        score(metric, None, None, model=model, other=value, own=(value - reach, value + reach))
        for model, value in ((CHALLENGER, mine), (CHAMPION, other))
    ]


@pytest.mark.parametrize(
    ("metric", "mine", "other", "reach", "is_passed"),
    [
        ("exposure_gini_at_10", 0.72, 0.66, 0.01, False),
        ("exposure_gini_at_10", 0.72, 0.66, 0.04, True),  # by chance, perhaps
        ("exposure_gini_at_10", 0.68, 0.66, 0.001, True),  # tolerated
        ("exposure_gini_at_10", 0.50, 0.66, 0.01, True),  # less is better
        ("coverage_at_10", 0.70, 0.78, 0.01, False),
        ("coverage_at_10", 0.70, 0.78, 0.05, True),
        ("coverage_at_10", 0.90, 0.78, 0.01, True),  # more is better
    ],
)
def test_lists_of_the_same_few_fail_where_that_is_shown(
    metric: str, mine: float, other: float, reach: float, is_passed: bool
) -> None:
    assert one(*listed(metric, mine, other, reach)).is_passed is is_passed


def test_interval_of_two_lists_joins_those_of_both() -> None:
    check = one(*listed("coverage_at_10", 0.70, 0.70, 0.03))
    assert check.high == pytest.approx(0.03 * 2**0.5 * 1.6449 / 1.96, abs=1e-5)


def calibrated(mine: float, other: float | None, reach: float, positives: int = 170) -> list[Score]:
    values = [(CHALLENGER, mine)] + ([] if other is None else [(CHAMPION, other)])
    return [
        score(
            "calibration_ratio_book",
            None,
            None,
            model=model,
            other=value,
            own=(value - reach, value + reach),
            positives=positives,
        )
        for model, value in values
    ]


@pytest.mark.parametrize(
    ("mine", "other", "reach", "is_passed"),
    [
        (1.6, 1.0, 0.1, False),
        (1.6, None, 0.1, False),
        (1.6, 1.0, 0.5, True),  # by the luck of the outcomes, perhaps
        (1.6, 1.58, 0.1, True),  # as the champion's: labels are not all known yet
        (1.2, 1.0, 0.01, True),  # sound
        (0.5, 1.0, 0.1, False),
        (0.5, 2.0, 0.1, True),  # no further from 1 than the champion's, to the other side
    ],
)
def test_calibration_fails_where_it_is_shown_to_be_unsound_and_worse(
    mine: float, other: float | None, reach: float, is_passed: bool
) -> None:
    assert one(*calibrated(mine, other, reach)).is_passed is is_passed


def test_calibration_of_few_outcomes_and_against_popularity_is_not_measured() -> None:
    few = checked(*calibrated(3.0, 1.0, 0.1, positives=49))["calibration book"]
    first = checked(*calibrated(3.0, None, 0.1), is_first=True)["calibration book"]
    assert few.finding == "49 outcomes where 50 are needed"
    assert first.finding == "popularity gives no probabilities to compare with"
    assert {few.is_passed, first.is_passed} == {None}


def test_retrieval_that_finds_less_fails() -> None:
    worse = score("catalogue_recall_at_100", -0.05, (-0.06, -0.04), other=0.46, clusters=None)
    assert checked(recall=worse)["retrieval"].is_passed is False


def test_what_cannot_be_measured_is_named() -> None:
    checks = checked()
    assert {check.is_passed for check in checks.values()} == {None}
    assert set(checks) == {
        "listing=new",
        "bookings",
        "retrieval",
        "new-listing exposure",
        "exposure_gini_at_10",
        "coverage_at_10",
        "calibration click",
        "calibration contact",
        "calibration book",
    }


@pytest.mark.parametrize(
    ("mine_ms", "champion_ms", "is_passed"),
    [
        (19.0, 10.0, True),
        (21.0, 10.0, False),
        (5.9, 1.0, True),  # six times as slow, and 5 ms
        (6.1, 1.0, False),
        (1.0, 10.0, True),
    ],
)
def test_challenger_that_scores_much_slower_fails(
    mine_ms: float, champion_ms: float, is_passed: bool
) -> None:
    assert latency_check(mine_ms, champion_ms, RULES).is_passed is is_passed


def world(seed: int = 5) -> tuple[pa.Table, np.ndarray]:
    """Searches of two markets with one booking each, and a score that finds it half the time."""
    rng = np.random.default_rng(seed)
    booked = rng.integers(0, RESULTS, SEARCHES)
    is_booked = np.tile(np.arange(RESULTS), SEARCHES) == np.repeat(booked, RESULTS)
    search = np.repeat(np.arange(SEARCHES), RESULTS)
    rows = pa.table(
        {
            "id_search": [f"s{n}" for n in search],
            "id_user": [f"u{n // 2}" for n in search],
            "id_listing": [f"l{n}" for n in rng.permutation(len(search))],
            "market": np.where(search % 4 < 2, "rio_de_janeiro", "sao_paulo"),
            "stage": pa.array(np.where(is_booked, 3, 0).astype(np.int8)),
            "listing_is_new": rng.random(len(search)) < 0.2,
        }
    )
    return rows, rng.normal(size=len(search)) + 1.5 * is_booked


def failed(rows: pa.Table, champion: np.ndarray, challenger: np.ndarray) -> set[str]:
    card = evaluate(
        rows,
        {CHAMPION: champion, CHALLENGER: challenger},
        split="test",
        reference=CHAMPION,
        config=EvaluationConfig(replicates=300, compared=COMPARED),
    )
    checks = guardrails(card.scores, None, RULES, against="X")
    return {check.name for check in checks if check.is_passed is False}


def test_winner_overall_that_hurts_one_market_fails_there_alone() -> None:
    rows, scores = world()
    is_booked = np.asarray(rows["stage"]) == 3
    in_rio = np.asarray(rows["market"]) == "rio_de_janeiro"
    challenger = scores + is_booked * np.where(in_rio, 3.0, -1.0)
    assert failed(rows, scores, challenger) == {"market=sao_paulo"}


def test_challenger_that_hides_new_listings_fails_there() -> None:
    rows, scores = world()
    is_new = np.asarray(rows["listing_is_new"])
    assert "new-listing exposure" in failed(rows, scores, scores - 3.0 * is_new)


@pytest.mark.parametrize("seed", range(5))
def test_equal_challenger_fails_nothing(seed: int) -> None:
    rows, scores = world()
    noise = np.random.default_rng(seed).normal(size=(2, len(scores)))
    is_booked = np.asarray(rows["stage"]) == 3
    assert failed(rows, noise[0] + 1.5 * is_booked, noise[1] + 1.5 * is_booked) == set()
