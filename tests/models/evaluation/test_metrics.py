"""Ranking metrics against an independent library, ties, and row order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score
from sklearn.metrics import log_loss as sklearn_log_loss

from models.evaluation.arranged_rows import arrange_rows, arrangement
from models.evaluation.calibration_metrics import auc_measures, log_loss
from models.evaluation.config import EvaluationConfig
from models.evaluation.metrics import (
    Hits,
    auc_within_search,
    average_precision,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from models.evaluation.ranking_metrics import acted_rows, hits_of
from models.ranking_order import group_codes, rank_within, tie_keys

CONFIG = EvaluationConfig()


@pytest.fixture(scope="module")
def placed(world):
    judged = arrange_rows(world.rows)
    scores = np.random.default_rng(3).normal(size=world.rows.num_rows)
    return judged, scores, judged.ranks(scores, model="any")


@pytest.mark.parametrize("k", [1, 5, 10, 38])
def test_binary_metrics_agree_with_scikit_learn(placed, k):
    judged, scores, ranks = placed
    hits = hits_of(judged, judged.reached(3), ranks)
    ours = (ndcg(hits, k), average_precision(hits), recall(hits, k), precision(hits, k))
    arranged, booked = judged.arrange(scores), judged.stage == 3
    for search in np.flatnonzero(hits.counts):
        inside = judged.search == search
        if inside.sum() < 2:
            continue
        best = booked[inside][np.argsort(-arranged[inside])]
        expected = (
            ndcg_score([booked[inside]], [arranged[inside]], k=k),
            average_precision_score(booked[inside], arranged[inside]),
            best[:k].sum() / best.sum(),
            best[:k].sum() / k,
        )
        assert [values[search] for values in ours] == pytest.approx(expected)


@pytest.mark.slow  # ranx compiles for most of a minute
@pytest.mark.parametrize("k", [1, 5, 10, 38])
def test_binary_metrics_agree_with_ranx(world, placed, k):
    ranx = pytest.importorskip("ranx")
    judged, scores, ranks = placed
    hits = hits_of(judged, judged.reached(3), ranks)
    qrels, run = {}, {}
    columns = (world.rows["id_search"], world.rows["id_listing"], world.rows["stage"])
    for search, listing, stage, score in zip(
        *(c.to_pylist() for c in columns), scores.tolist(), strict=True
    ):
        run.setdefault(search, {})[listing] = score
        if stage == 3:
            qrels.setdefault(search, {})[listing] = 1
    run = {search: run[search] for search in qrels}
    names = [f"ndcg@{k}", f"recall@{k}", f"hit_rate@{k}", f"precision@{k}", "mrr", "map"]
    expected = ranx.evaluate(ranx.Qrels(qrels), ranx.Run(run), names)
    ours = {
        f"ndcg@{k}": ndcg(hits, k),
        f"recall@{k}": recall(hits, k),
        f"hit_rate@{k}": hit_rate(hits, k),
        f"precision@{k}": precision(hits, k),
        "mrr": reciprocal_rank(hits),
        "map": average_precision(hits),
    }
    for name, values in ours.items():
        assert np.nanmean(values) == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.parametrize("k", [3, 10])
def test_graded_ndcg_agrees_with_scikit_learn(placed, k):
    judged, scores, ranks = placed
    gains = np.asarray(CONFIG.utilities)[judged.stage]
    rows = acted_rows(judged, CONFIG).graded
    ours = ndcg(hits_of(judged, rows, ranks, gains[rows]), k)
    arranged = judged.arrange(scores)
    for search in range(judged.searches):
        inside = judged.search == search
        if inside.sum() < 2 or not gains[inside].any():
            continue
        expected = ndcg_score([gains[inside]], [arranged[inside]], k=k)
        assert ours[search] == pytest.approx(expected)


def test_auc_agrees_with_scikit_learn_with_and_without_ties(placed):
    judged, scores, ranks = placed
    for values in (scores, np.round(scores)):
        measures = auc_measures(judged, judged.arrange(values))
        assert [m.metric for m in measures] == ["auc_click", "auc_contact", "auc_book"]
        for measure, stage in zip(measures, (1, 2, 3), strict=True):
            value = measure.numerator.sum() / measure.denominator.sum()
            expected = roc_auc_score(judged.stage >= stage, judged.arrange(values))
            assert value == pytest.approx(expected)
    within = auc_within_search(hits_of(judged, judged.reached(3), ranks), judged.sizes)
    for search in np.flatnonzero(np.isfinite(within))[:50]:
        inside = judged.search == search
        expected = roc_auc_score(judged.stage[inside] == 3, judged.arrange(scores)[inside])
        assert within[search] == pytest.approx(expected)


def test_log_loss_agrees_with_scikit_learn(rng):
    happened, p = rng.random(200) < 0.3, rng.random(200)
    assert log_loss(p, happened).mean() == pytest.approx(sklearn_log_loss(happened, p))


def test_search_without_booking_has_no_value_and_is_not_zero(placed):
    judged, _, ranks = placed
    hits = hits_of(judged, judged.reached(3), ranks)
    without = hits.counts == 0
    assert without.any()
    for values in (ndcg(hits, 5), recall(hits, 5), hit_rate(hits, 5), reciprocal_rank(hits)):
        assert np.isnan(values[without]).all()
        assert np.isfinite(values[~without]).all()


def test_ranks_are_those_of_the_common_order_ties_included(worlds, rng):
    world = worlds(rng, sizes=(1, 90))
    judged = arrange_rows(world.rows)
    searches = group_codes(world.rows["id_search"])
    for scores in (rng.normal(size=world.rows.num_rows), rng.integers(0, 3, world.rows.num_rows)):
        expected = rank_within(searches, scores, tie_keys(world.rows))
        assert (judged.ranks(scores, model="any") == expected[judged.order]).all()


def test_arrangement_is_exact_when_shortened_keys_meet():
    search = np.array([1, 0, 1, 1])
    ties = np.array([8, 5, 9, 7], dtype=np.uint64)
    assert arrangement(search, ties).tolist() == [1, 3, 0, 2]
    assert arrangement(np.zeros(3, int), ties[:3]).tolist() == [1, 0, 2]


def test_all_scores_tied_means_a_random_order_not_the_row_order(worlds, rng):
    world = worlds(rng, searches=3_000, sizes=(20, 20))
    judged = arrange_rows(world.rows)
    ranks = judged.ranks(np.zeros(world.rows.num_rows), model="constant")
    hits = hits_of(judged, judged.reached(3), ranks)
    expected = np.mean(1 / np.arange(1, 21))
    single = hits.counts == 1
    assert np.mean(reciprocal_rank(hits)[single]) == pytest.approx(expected, abs=0.03)


@given(
    gains=st.lists(st.sampled_from([0.0, 0.01, 0.25, 1.0]), min_size=1, max_size=12),
    seed=st.integers(0, 1_000),
    k=st.integers(1, 15),
)
def test_ndcg_lies_in_0_to_1_and_the_ideal_order_reaches_1(gains, seed, k):
    gain = np.array(gains)
    ranks = np.random.default_rng(seed).permutation(len(gain)) + 1
    rows = np.flatnonzero(gain)
    zeros = np.zeros(len(rows), dtype=np.int64)
    drawn = Hits(search=zeros, rank=ranks[rows], gain=gain[rows], searches=1)
    best = Hits(
        search=zeros, rank=(np.argsort(np.argsort(-gain)) + 1)[rows], gain=gain[rows], searches=1
    )
    if not len(rows):
        assert np.isnan(ndcg(drawn, k)[0])
        return
    assert 0 <= ndcg(drawn, k)[0] <= 1 + 1e-12
    assert ndcg(best, k)[0] == pytest.approx(1)
