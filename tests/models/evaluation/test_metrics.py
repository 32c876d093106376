"""Ranking metrics against independent libraries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

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

CONFIG = EvaluationConfig()


@pytest.mark.parametrize("k", [1, 5, 10, 38])
def test_binary_metrics_agree_with_scikit_learn(ranked, k):
    arranged, scores, ranks = ranked
    hits = hits_of(arranged, arranged.reached(3), ranks)
    ours = (ndcg(hits, k), average_precision(hits), recall(hits, k), precision(hits, k))
    in_order, booked = arranged.arrange(scores), arranged.stage == 3
    for search in np.flatnonzero(hits.counts):
        inside = arranged.search == search
        if inside.sum() < 2:
            continue
        best = booked[inside][np.argsort(-in_order[inside])]
        expected = (
            ndcg_score([booked[inside]], [in_order[inside]], k=k),
            average_precision_score(booked[inside], in_order[inside]),
            best[:k].sum() / best.sum(),
            best[:k].sum() / k,
        )
        assert [values[search] for values in ours] == pytest.approx(expected)


@pytest.mark.slow  # ranx compiles for most of a minute
@pytest.mark.parametrize("k", [1, 5, 10, 38])
def test_binary_metrics_agree_with_ranx(world, ranked, k):
    ranx = pytest.importorskip("ranx")
    arranged, scores, ranks = ranked
    hits = hits_of(arranged, arranged.reached(3), ranks)
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
def test_graded_ndcg_agrees_with_scikit_learn(ranked, k):
    arranged, scores, ranks = ranked
    gains = np.asarray(CONFIG.utilities)[arranged.stage]
    rows = acted_rows(arranged, CONFIG).graded
    ours = ndcg(hits_of(arranged, rows, ranks, gains[rows]), k)
    in_order = arranged.arrange(scores)
    for search in range(arranged.searches):
        inside = arranged.search == search
        if not gains[inside].any() or len(set(gains[inside])) == 1:
            continue
        expected = ndcg_score([gains[inside]], [in_order[inside]], k=k)
        assert ours[search] == pytest.approx(expected)


def test_auc_within_a_search_agrees_with_scikit_learn(ranked):
    arranged, scores, ranks = ranked
    within = auc_within_search(hits_of(arranged, arranged.reached(3), ranks), arranged.sizes)
    for search in np.flatnonzero(np.isfinite(within))[:50]:
        inside = arranged.search == search
        expected = roc_auc_score(arranged.stage[inside] == 3, arranged.arrange(scores)[inside])
        assert within[search] == pytest.approx(expected)


def test_search_without_booking_has_no_value_and_is_not_zero(ranked):
    arranged, _, ranks = ranked
    hits = hits_of(arranged, arranged.reached(3), ranks)
    has_none = np.bincount(arranged.search, weights=arranged.stage == 3) == 0
    assert 0 < has_none.sum() < arranged.searches
    for values in (ndcg(hits, 5), recall(hits, 5), hit_rate(hits, 5), reciprocal_rank(hits)):
        assert (np.isnan(values) == has_none).all()


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
