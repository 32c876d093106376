"""Random, cheapest and best rated, on rows small enough to order by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.heuristics import BestRated, BestRatedConfig, Cheapest, Random
from models.recommender import top_k


def _rows(**columns: list) -> pa.Table:
    n = len(columns["id_listing"])
    rows = {"id_search": ["s"] * n, "stage": pa.array([0] * n, pa.int8())} | columns
    return pa.table(rows)


def _order(rows: pa.Table, scores: np.ndarray) -> list[str]:
    return top_k(rows, scores, 99)["id_listing"].to_pylist()


def test_random_is_uniform_and_changes_with_the_seed() -> None:
    rows = _rows(id_listing=[f"l{i}" for i in range(4000)])
    scores = Random(seed=1).score(rows)

    assert 0 <= scores.min() < scores.max() < 1
    assert abs(scores.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(scores, Random(seed=2).score(rows))[0, 1]) < 0.05


def test_cheapest_puts_a_missing_price_last() -> None:
    rows = _rows(id_listing=["a", "b", "c"], listing_total_price=[90.0, None, 30.0])

    assert _order(rows, Cheapest().score(rows)) == ["c", "a", "b"]


def test_best_rated_shrinks_a_rating_of_few_reviews() -> None:
    rows = _rows(
        id_listing=["one lucky review", "many good reviews", "many bad reviews", "new"],
        listing_review_rating=[5.0, 4.8, 3.1, None],
        listing_review_count=[1, 200, 50, 0],
        stage=pa.array([0, 3, 0, 0], pa.int8()),
    )
    model = BestRated(BestRatedConfig(strengths=(0.0, 10.0))).fit(rows, rows)

    assert model.strength == 10.0
    assert model.prior == pytest.approx(4.3)
    assert model.score(rows)[0] == pytest.approx((1 * 5.0 + 10 * 4.3) / 11)
    assert _order(rows, model.score(rows))[-1] == "new"


def test_mean_rating_is_that_of_both_windows_and_the_record_says_so(tmp_path) -> None:
    stage = pa.array([3, 0], pa.int8())
    train = _rows(id_listing=["a", "b"], listing_review_rating=[4.0, None], stage=stage)
    valid = _rows(id_listing=["a", "b"], listing_review_rating=[5.0, 3.0], stage=stage)
    model = BestRated().fit(train, valid)
    model.save(tmp_path)
    loaded = BestRated.load(tmp_path)

    assert loaded.prior == model.prior == pytest.approx(4.0)
    assert loaded.record == model.record
    assert (model.record.chosen_on.rows, model.record.fitted_on.rows) == (2, 4)
    assert model.record.values.keys() == {"strength_0"}


def test_best_rated_without_review_counts_takes_the_rating_as_it_stands() -> None:
    rows = _rows(id_listing=["a", "b"], listing_review_rating=[4.0, 4.5])
    model = BestRated().fit(rows, rows)

    assert model.validation.keys() == {0.0}
    assert _order(rows, model.score(rows)) == ["b", "a"]


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="strengths"):
        BestRatedConfig(strengths=())
