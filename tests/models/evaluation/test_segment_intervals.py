"""Intervals and tests of segments: against metrics computed anew for every draw of guests."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation.arranged_rows import arrange_rows
from models.evaluation.metrics import ndcg
from models.evaluation.ranking_metrics import hits_of
from models.evaluation.ratio_metric import RatioMetric, mean_over_searches
from models.evaluation.segment_intervals import segment_table
from models.evaluation.significance import draw_weights, holm

# as the fixture ``card`` was made
REPLICATES, SEED = 200, 0


def _replicates(arranged, values):
    """The mean of a value per search in every draw, one guest after the other."""
    rng = np.random.default_rng(SEED)
    weights = np.vstack(list(draw_weights(rng, clusters=arranged.clusters, replicates=REPLICATES)))
    means = []
    for draw in weights.astype(float):
        weight = draw[arranged.cluster]
        scored = np.isfinite(values)
        means.append((weight[scored] * values[scored]).sum() / weight[scored].sum())
    return np.array(means)


@pytest.fixture(scope="module")
def by_segment(world, scores):
    """Arranged rows, and per segment and model the NDCG@10 of each search (NaN outside)."""
    arranged = arrange_rows(world.rows)
    market = np.asarray(world.rows["market"].to_pylist())[arranged.order[arranged.starts]]
    is_new = np.asarray(world.rows["listing_is_new"].to_pylist())[arranged.order]
    booked = arranged.stage == 3
    values = {}
    for model, of_model in scores.items():
        ranks = arranged.ranks(of_model, model=model)
        can_be_ordered = arranged.sizes > np.bincount(arranged.search, weights=booked)
        whole = ndcg(hits_of(arranged, np.flatnonzero(booked), ranks), 10)
        whole[~can_be_ordered] = np.nan
        values["all", model] = whole
        values["market=sao_paulo", model] = np.where(market == "sao_paulo", whole, np.nan)
        new = np.flatnonzero(booked & is_new)
        of_new = ndcg(hits_of(arranged, new, ranks), 10)
        values["listing=new", model] = np.where(can_be_ordered, of_new, np.nan)
    return arranged, values


@pytest.mark.parametrize("segment", ["all", "market=sao_paulo", "listing=new"])
def test_interval_is_that_of_the_metric_recomputed_on_drawn_guests(card, by_segment, segment):
    arranged, values = by_segment
    for model in ("random", "ranker"):
        score = card.find(model, "ndcg_at_10", segment=segment)
        per_search = values[segment, model]
        assert score.value == pytest.approx(np.nanmean(per_search))
        assert score.searches == np.isfinite(per_search).sum()
        assert score.is_small == (score.searches < 100)
        ends = np.quantile(_replicates(arranged, per_search), [0.025, 0.975])
        assert (score.low, score.high) == pytest.approx(ends)


@pytest.mark.parametrize("segment", ["all", "market=sao_paulo", "listing=new"])
def test_difference_is_paired_on_the_same_draws(card, by_segment, segment):
    arranged, values = by_segment
    score = card.find("ranker", "ndcg_at_10", segment=segment)
    of_model, of_reference = (
        _replicates(arranged, values[segment, model]) for model in ("ranker", "random")
    )
    ends = np.quantile(of_model - of_reference, [0.025, 0.975])
    assert (score.difference_low, score.difference_high) == pytest.approx(ends)


def test_whole_split_and_segments_are_two_families_of_holm(card):
    for is_whole in (True, False):
        family = [s for s in card.scores if s.p is not None and (s.segment == "all") == is_whole]
        # the ranker and the two oracles against the reference, in four metrics
        assert len(family) == 12 or not is_whole
        expected = holm(np.array([s.p for s in family]))
        assert [s.p_holm for s in family] == expected.tolist()


def test_markets_add_up_to_the_whole(card):
    whole = card.find("ranker", "mrr")
    parts = [
        card.find("ranker", "mrr", segment=f"market={m}") for m in ("rio_de_janeiro", "sao_paulo")
    ]
    assert sum(p.searches for p in parts) == whole.searches
    assert sum(p.positives for p in parts) == whole.positives
    assert sum(p.value * p.searches for p in parts) / whole.searches == pytest.approx(whole.value)


def _named(name, denominator):
    ones = np.ones(2)
    return RatioMetric(
        metric=name,
        k=None,
        numerator=np.array([2.0, 3.0]),
        denominator=denominator,
        scored=ones,
        denominator_name="rows",
    )


def test_arrays_of_one_name_are_one_column_within_a_model_only():
    rows = np.array([4.0, 5.0])
    metrics = [
        mean_over_searches("mrr", np.array([0.5, np.nan])),
        _named("loss", rows),
        _named("cost", rows),
    ]
    table = segment_table([(model, metric) for model in ("A", "B") for metric in metrics])
    # three numerators and two denominators a model; mrr scores what it divides by
    assert table.numerator == [0, 1, 2, 3, 4, 5]
    assert table.denominator == [6, 7, 7, 8, 9, 9]
    assert table.scored == [6, 10, 11, 8, 12, 13]
    assert table.columns.shape == (2, 14)
    assert table.columns[:, 7].tolist() == [4.0, 5.0]
    assert table.columns[:, 0].tolist() == [0.5, 0.0]


def test_one_name_for_two_arrays_is_refused():
    metrics = [_named("loss", np.array([4.0, 5.0])), _named("cost", np.array([4.0, 6.0]))]
    with pytest.raises(ValueError, match="model A: 'rows' names two different arrays"):
        segment_table([("A", metric) for metric in metrics])
