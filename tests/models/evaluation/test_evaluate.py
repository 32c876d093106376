"""Whole evaluations: what is in a scorecard, what may not change it, planted differences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import binom

from models.evaluation import EvaluationConfig, evaluate

QUICK = EvaluationConfig(replicates=200)
PLANTED = EvaluationConfig(replicates=200, ks=(10,), threads=1)


def test_row_order_changes_nothing(world, scores, card):
    turned = np.random.default_rng(2).permutation(world.rows.num_rows)
    again = evaluate(
        world.rows.take(pa.array(turned)),
        {name: values[turned] for name, values in scores.items()},
        split="test",
        reference="random",
        config=QUICK,
    )
    before = {(s.model, s.segment, s.metric): s for s in card.scores}
    for score in again.scores:
        same = before[score.model, score.segment, score.metric]
        assert (score.value, score.low, score.high, score.p) == (
            same.value,
            same.low,
            same.high,
            same.p,
        )


def test_number_of_scored_searches_stands_beside_each_figure(world, card):
    stage = np.asarray(world.rows["stage"])
    search = np.asarray(world.rows["id_search"].to_pylist())
    outcomes = defaultdict(list)
    for name, outcome in zip(search, stage, strict=True):
        outcomes[name].append(outcome)
    # where every result has the same outcome no order is better than another
    booked = sum(3 in found and set(found) != {3} for found in outcomes.values())
    acted = sum(any(found) and len(set(found)) > 1 for found in outcomes.values())
    assert card.find("ranker", "ndcg_at_10").searches == booked
    assert card.find("ranker", "graded_ndcg_at_10").searches == acted
    assert card.find("ranker", "ndcg_at_10").positives == (stage == 3).sum()
    assert card.honesty.searches_scored == booked
    assert booked < card.honesty.searches == len(outcomes)
    assert card.find("ranker", "ndcg_at_10").clusters == len(
        {
            guest
            for guest, name in zip(world.rows["id_user"].to_pylist(), search, strict=True)
            if 3 in outcomes[name] and set(outcomes[name]) != {3}
        }
    )


def test_better_model_differs_from_the_reference_after_holm(card):
    score = card.find("ranker", "ndcg_at_10")
    assert score.versus == "random"
    assert score.difference == pytest.approx(score.value - card.find("random", "ndcg_at_10").value)
    assert score.difference_low > 0
    assert score.p <= score.p_holm < 0.001
    assert card.find("random", "ndcg_at_10").versus is None


def test_calibrated_probabilities_have_ratio_one_within_the_interval(card):
    ratio = card.find("ranker", "calibration_ratio_book")
    assert ratio.low < 1 < ratio.high
    with pytest.raises(KeyError):
        card.find("random", "log_loss_book")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": {"random": np.zeros(3)}}, "one score per row"),
        ({"reference": "popularity"}, "has no scores"),
        ({"truth": {"p_book_taste": np.zeros(3)}}, "not one value per row"),
        ({"truth": {"p_bok_taste": None}}, "unknown truth: p_bok_taste"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(world, scores, change, message):
    inputs = {"scores": scores, "reference": "random", "truth": None} | change
    truth = inputs["truth"]
    if truth:
        truth = {n: np.zeros(world.rows.num_rows) if v is None else v for n, v in truth.items()}
    with pytest.raises(ValueError, match=message):
        evaluate(
            world.rows,
            inputs["scores"],
            split="test",
            reference=inputs["reference"],
            config=QUICK,
            truth=truth,
        )


def test_nan_scores_are_refused_by_model_name(world, scores):
    broken = scores["ranker"].copy()
    broken[0] = np.nan
    with pytest.raises(ValueError, match="ranker: 1 scores are not finite"):
        evaluate(
            world.rows,
            {"random": scores["random"], "ranker": broken},
            split="test",
            reference="random",
            config=QUICK,
        )


def test_same_listing_twice_in_a_search_is_refused(world, scores):
    rows = pa.concat_tables([world.rows, world.rows.slice(0, 1)])
    with pytest.raises(ValueError, match="same listing twice"):
        evaluate(
            rows,
            {"random": np.zeros(rows.num_rows)},
            split="test",
            reference="random",
            config=QUICK,
        )


def test_metrics_over_the_whole_catalogue_have_names_of_their_own(world, scores, card):
    config = replace(QUICK, replicates=20, is_catalogue=True)
    whole = evaluate(world.rows, scores, split="test", reference="random", config=config)
    listed = {s.metric: s.value for s in card.scores if (s.model, s.segment) == ("random", "all")}
    named = {s.metric: s.value for s in whole.scores if (s.model, s.segment) == ("random", "all")}
    without_truth = {
        f"catalogue_{metric}": value
        for metric, value in listed.items()
        if not metric.startswith(("g_", "expected_dcg_"))
    }
    assert named == without_truth
    assert whole.honesty.candidates == "full ranking of the whole catalogue; no sampled metrics"


def test_log_without_users_is_clustered_by_search(world, scores):
    config = replace(QUICK, replicates=50)
    rows = world.rows.drop_columns(["id_user"])
    card = evaluate(rows, scores, split="test", reference="random", config=config)
    assert card.honesty.guests == card.honesty.searches == 400
    assert card.honesty.intervals == (
        "95%, bootstrap over 400 clusters of searches (the log names no guests), 50 replicates; "
        "coverage, Gini and calibration error by jackknife"
    )


def test_split_without_any_booking_keeps_the_other_metrics_and_warns(world, scores, card):
    index = world.rows.column_names.index("stage")
    stage = np.asarray(world.rows["stage"])
    no_booking = pa.array(np.where(stage == 3, 0, stage).astype(np.int8))
    rows = world.rows.set_column(index, "stage", no_booking)
    clicks = evaluate(rows, scores, split="test", reference="random", config=QUICK)
    of_bookings = {"mrr", "map", "auc_book", "search_auc_book", "new_listing_bookings_at_10"}
    of_bookings |= {f"ndcg_at_{k}" for k in QUICK.ks}
    # no search shows more than 38 results
    of_bookings |= {f"{m}_at_{k}" for m in ("recall", "hit_rate", "precision") for k in (5, 10)}
    lost = {s.metric for s in card.scores} - {s.metric for s in clicks.scores}
    of_truth = {m for m in lost if m.startswith(("g_", "expected_dcg_", "log_loss", "calibration"))}
    assert lost - of_truth == of_bookings
    assert clicks.honesty.warnings == (
        "only 0 searches with a booking to order by: too few to rank models by",
    )


def _card(rows, base, other, config):
    columns = ["id_search", "id_listing", "id_user", "stage"]
    return evaluate(
        rows.select(columns),
        {"base": base, "other": other},
        split="test",
        reference="base",
        config=config,
    )


def test_planted_one_percent_of_ndcg_is_detected_end_to_end(worlds, rng):
    world = worlds(rng, searches=4_000, sizes=(20, 20))
    base = rng.normal(size=world.rows.num_rows)
    # the order changes everywhere, and a little of the outcome in the score makes it better
    noise = 0.05 * rng.normal(size=len(base))
    other = base + noise + 0.012 * (np.asarray(world.rows["stage"]) == 3)
    score = _card(world.rows, base, other, PLANTED).find("other", "ndcg_at_10")
    assert 0.005 < score.difference / (score.value - score.difference) < 0.02
    assert score.difference_low > 0
    assert score.p_holm < 0.05


@pytest.mark.slow
def test_models_of_equal_quality_differ_in_about_five_worlds_of_a_hundred(worlds, rng):
    significant = 0
    for seed in range(200):
        world = worlds(rng, searches=300, sizes=(5, 15))
        noise = rng.normal(size=(2, world.rows.num_rows))
        card = _card(world.rows, *(world.chance + 0.1 * noise), replace(PLANTED, seed=seed))
        significant += card.find("other", "ndcg_at_10").p < 0.05
    low, high = binom.interval(0.998, 200, 0.05)
    assert low <= significant <= high
