"""Scores of recommended lists: intervals by guest, each rival against what is recommended."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr

from models.evaluation.ratio_metric import RatioMetric, mean_over_searches
from models.evaluation.recommended_lists import ListScoreSettings, scores_of
from models.evaluation.significance import holm

GUESTS = 300
SETTINGS = ListScoreSettings(rivals=("popularity", "random"), replicates=400)


def _mean(values, metric="value"):
    return mean_over_searches(metric, np.asarray(values, dtype=np.float64))


@pytest.fixture
def values(rng):
    """Worth of three models' lists: they share the guest's ease, and differ a little."""
    ease = rng.beta(2, 3, GUESTS)
    noise = rng.normal(0, 0.02, (3, GUESTS))
    names = ("recommendations", "popularity", "random")
    return {
        name: ease * better + noise[i]
        for i, (name, better) in enumerate(zip(names, (1.0, 0.9, 0.5), strict=True))
    }


def _scores(values, cluster=None, settings=SETTINGS, **arguments):
    metrics = {model: [_mean(of_model)] for model, of_model in values.items()}
    cluster = np.arange(GUESTS) if cluster is None else cluster
    return {s.model: s for s in scores_of(metrics, cluster, settings, **arguments)}


def test_rivals_carry_their_difference_from_what_is_recommended(values):
    scores = _scores(values)
    ours = scores["recommendations"]
    assert ours.value == pytest.approx(values["recommendations"].mean())
    assert (ours.split, ours.segment, ours.searches, ours.versus, ours.p) == (
        "recommended",
        "all",
        GUESTS,
        None,
        None,
    )
    for rival in ("popularity", "random"):
        score = scores[rival]
        assert score.versus == "recommendations"
        assert score.difference == pytest.approx(
            values[rival].mean() - values["recommendations"].mean()
        )
        assert score.difference_low <= score.difference <= score.difference_high < 0


def test_intervals_have_the_width_of_the_standard_error(values):
    scores = _scores(values, settings=replace(SETTINGS, replicates=4_000))
    ours, rival = scores["recommendations"], scores["popularity"]
    error = values["recommendations"].std() / np.sqrt(GUESTS)
    assert ours.high - ours.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    paired = (values["popularity"] - values["recommendations"]).std() / np.sqrt(GUESTS)
    # paired: what guests have in common cancels
    assert rival.difference_high - rival.difference_low == pytest.approx(2 * 1.96 * paired, rel=0.1)
    assert paired < error / 3


def test_days_of_one_guest_are_drawn_together(values):
    one_day = _scores(values)["popularity"]
    twice = {model: np.tile(of_model, 2) for model, of_model in values.items()}
    by_guest = _scores(twice, cluster=np.tile(np.arange(GUESTS), 2))["popularity"]
    as_strangers = _scores(twice, cluster=np.arange(2 * GUESTS))["popularity"]
    # a second day like the first tells nothing new
    assert (by_guest.low, by_guest.high) == pytest.approx((one_day.low, one_day.high))
    assert by_guest.difference_low == pytest.approx(one_day.difference_low)
    assert as_strangers.high - as_strangers.low < 0.85 * (by_guest.high - by_guest.low)


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios():
    metric = RatioMetric(
        metric="hit",
        k=10,
        numerator=np.array([1.0, 0.0, 0.0]),
        denominator=np.array([1.0, 9.0, 0.0]),
        scored=np.array([1.0, 1.0, 0.0]),
    )
    settings = ListScoreSettings(rivals=(), small=3)
    (score,) = scores_of({"recommendations": [metric]}, np.arange(3), settings, {"hit": 10})
    assert (score.value, score.k, score.searches, score.positives) == (0.1, 10, 2, 10)
    assert score.is_small
    assert not scores_of({"recommendations": [metric]}, np.arange(3), replace(settings, small=2))[
        0
    ].is_small


def test_holm_runs_over_all_rivals_and_compared_metrics(values):
    metrics = {
        model: [_mean(of_model), _mean(of_model**2, "square"), _mean(of_model**3, "cube")]
        for model, of_model in values.items()
    }
    settings = replace(SETTINGS, compared=("value", "square"))
    scores = scores_of(metrics, np.arange(GUESTS), settings)
    family = [s for s in scores if s.versus is not None]
    assert {(s.model, s.metric) for s in family} == {
        (model, metric) for model in ("popularity", "random") for metric in ("value", "square")
    }
    expected = holm(np.array([s.p for s in family]))
    assert [s.p_holm for s in family] == expected.tolist()
    assert all(s.p is None and s.p_holm is None for s in scores if s.versus is None)


def test_p_is_of_the_paired_difference(rng):
    ours = rng.normal(0.5, 0.1, GUESTS)
    theirs = ours + rng.normal(0.0, 0.05, GUESTS)
    settings = ListScoreSettings(rivals=("popularity",), replicates=4_000)
    score = _scores({"recommendations": ours, "popularity": theirs}, settings=settings)[
        "popularity"
    ]
    error = (theirs - ours).std() / np.sqrt(GUESTS)
    assert score.p == pytest.approx(2 * ndtr(-abs(score.difference) / error), abs=0.03)


def test_the_same_lists_under_another_name_do_not_differ(values):
    twins = {"recommendations": values["random"], "popularity": values["random"]}
    score = _scores(twins, settings=ListScoreSettings(rivals=("popularity",)))["popularity"]
    assert (score.difference, score.difference_low, score.difference_high, score.p) == (0, 0, 0, 1)


def test_models_that_are_no_rivals_are_not_compared(values):
    scores = _scores(values, settings=replace(SETTINGS, rivals=("random",)))
    assert scores["popularity"].versus is None
    assert scores["popularity"].low < scores["popularity"].value


def test_one_guest_has_neither_interval_nor_test():
    metrics = {"recommendations": [_mean([0.4, 0.2])], "popularity": [_mean([0.1, 0.3])]}
    settings = ListScoreSettings(rivals=("popularity",))
    ours, rival = scores_of(metrics, np.array([5, 5]), settings)
    assert (ours.value, ours.low, ours.high) == (pytest.approx(0.3), None, None)
    assert rival.difference == pytest.approx(-0.1)
    assert (rival.difference_low, rival.difference_high, rival.p) == (None, None, None)


def test_one_scored_guest_of_many_is_one_guest():
    metrics = {"recommendations": [_mean([0.4, np.nan])], "popularity": [_mean([0.1, 0.3])]}
    settings = ListScoreSettings(rivals=("popularity",))
    ours, rival = scores_of(metrics, np.arange(2), settings)
    assert (ours.low, ours.searches) == (None, 1)
    assert rival.low == pytest.approx(0.1)
    assert (rival.difference_low, rival.p) == (None, None)


def test_metrics_that_score_nobody_are_left_out():
    metrics = {
        "recommendations": [_mean([0.4, 0.2]), _mean([np.nan, np.nan], "booked")],
        "popularity": [_mean([0.1, 0.1]), _mean([0.5, 0.7], "booked")],
    }
    scores = scores_of(metrics, np.arange(2), ListScoreSettings(rivals=("popularity",)))
    assert [(s.model, s.metric, s.versus) for s in scores] == [
        ("recommendations", "value", None),
        ("popularity", "value", "recommendations"),
        ("popularity", "booked", None),
    ]


def test_a_metric_that_the_reference_lacks_is_not_compared():
    metrics = {
        "recommendations": [_mean([0.4, 0.2])],
        "popularity": [_mean([0.1, 0.1]), _mean([0.5, 0.7], "other")],
    }
    scores = scores_of(metrics, np.arange(2), ListScoreSettings(rivals=("popularity",)))
    assert [s.versus for s in scores] == [None, "recommendations", None]


def test_no_guests_no_scores():
    metrics = {"recommendations": [_mean([])]}
    assert scores_of(metrics, np.empty(0, int), ListScoreSettings(rivals=())) == ()


def test_codes_of_guests_need_not_be_dense_or_in_order(values):
    backwards = {model: of_model[::-1] for model, of_model in values.items()}
    sparse_codes = 7 * np.arange(GUESTS)[::-1] + 100
    one, other = _scores(values)["random"], _scores(backwards, cluster=sparse_codes)["random"]
    assert (one.low, one.difference_high) == pytest.approx((other.low, other.difference_high))


def test_the_seed_decides(values):
    one = _scores(values, settings=replace(SETTINGS, seed=1))
    assert one == _scores(values, settings=replace(SETTINGS, seed=1))
    assert one["random"].low != _scores(values, settings=replace(SETTINGS, seed=2))["random"].low


def test_scores_fit_into_a_scorecard(values, card):
    whole = replace(card, scores=(*card.scores, *_scores(values, settings=SETTINGS).values()))
    assert whole.to_arrow().num_rows == len(card.scores) + 3
    assert whole.find("popularity", "value").versus == "recommendations"


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        (ListScoreSettings(rivals=("als",)), "als"),
        (ListScoreSettings(rivals=(), reference="published"), "published"),
        (replace(SETTINGS, compared=("g",)), "g"),
    ],
)
def test_what_cannot_be_compared_is_refused(values, settings, missing):
    with pytest.raises(ValueError, match=f"cannot compare, not there: {missing}"):
        _scores(values, settings=settings)


def test_metrics_of_other_queries_are_refused(values):
    with pytest.raises(ValueError, match="value is of"):
        _scores(values, cluster=np.arange(GUESTS - 1))


@pytest.mark.parametrize("unsound", [{"replicates": 0}, {"confidence": 1.0}])
def test_unsound_settings_are_refused(unsound):
    with pytest.raises(ValueError, match=f"{next(iter(unsound))} = .*must be"):
        ListScoreSettings(rivals=(), **unsound)


def test_the_reference_is_no_rival_of_itself():
    with pytest.raises(ValueError, match="rival of itself"):
        ListScoreSettings(rivals=("recommendations",))
