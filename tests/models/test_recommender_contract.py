"""What every recommender holds to, whatever it is inside: one suite, run by each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from models.baselines.heuristics import BestRated, Cheapest, Popularity, Random
from models.baselines.implicit_als import ImplicitALS, ImplicitALSConfig
from models.funnel.funnel_model import FunnelConfig, FunnelModel
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.recommender import Recommender, top_k
from models.two_tower.config import TowerConfig, TrainConfig
from models.two_tower.recommender import TwoTower
from tests.models.worlds import FEATURES, reordered, replaced, windows, world

READABLE = {".json", ".txt", ".parquet", ".safetensors", ".arrow"}
QUICK_LAMBDARANK = LambdaRankConfig(max_rounds=20, patience=5, min_rows_per_leaf=5, num_leaves=7)

QUICK_RANKER = FunnelConfig(max_rounds=10, min_rows_per_leaf=5, num_leaves=5)


def _als() -> Recommender:
    return ImplicitALS([ImplicitALSConfig(factors=f, iterations=4, threads=1) for f in (4, 8)], k=5)


def _bpr() -> Recommender:
    return ImplicitALS([ImplicitALSConfig(algorithm="bpr", factors=4, iterations=10)])


def _two_tower() -> Recommender:
    training = TrainConfig(epochs=1, batch_size=256, device="cpu", threads=1)
    return TwoTower(TowerConfig(), training)


@dataclass(frozen=True)
class Case:
    """A recommender, how to make it, and a column that it cannot do without."""

    name: str
    make: Callable[[], Recommender]
    needs: str
    load: Callable[[Path], Recommender]


CASES = [
    Case("random", Random, "id_search", Random.load),
    Case("cheapest", Cheapest, "listing_total_price", Cheapest.load),
    Case("best_rated", BestRated, "listing_review_rating", BestRated.load),
    Case("popularity", Popularity, "id_listing", Popularity.load),
    Case("als", _als, "id_user", ImplicitALS.load),
    Case("bpr", _bpr, "id_user", ImplicitALS.load),
    Case("lambdarank", lambda: LambdaRank(FEATURES, QUICK_LAMBDARANK), "x_signal", LambdaRank.load),
    Case(
        "lambdarank_dart_bagged",
        lambda: LambdaRank(
            FEATURES,
            LambdaRankConfig(
                objective="rank_xendcg", boosting="dart", bags=2, max_rounds=10, num_leaves=7
            ),
        ),
        "listing_room_type",
        LambdaRank.load,
    ),
    Case("ranker", lambda: FunnelModel(FEATURES, QUICK_RANKER), "x_signal", FunnelModel.load),
    Case("two_tower", _two_tower, "id_listing", TwoTower.load),
]


@pytest.fixture(scope="module")
def rows() -> tuple[pa.Table, pa.Table, pa.Table]:
    return windows(world())


@pytest.fixture(scope="module", params=CASES, ids=[case.name for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture(scope="module")
def fitted(case: Case, rows: tuple[pa.Table, ...]) -> Recommender:
    return case.make().fit(rows[0], rows[1])


def test_follows_the_protocol(case: Case, fitted: Recommender) -> None:
    assert isinstance(fitted, Recommender)
    assert fitted.name == case.name.removesuffix("_dart_bagged")


def test_same_seed_gives_the_same_scores(case, fitted, rows) -> None:
    again = case.make().fit(rows[0], rows[1])

    np.testing.assert_array_equal(again.score(rows[2]), fitted.score(rows[2]))


def test_order_of_scored_rows_does_not_matter(fitted, rows) -> None:
    moved, order = reordered(rows[2])

    np.testing.assert_array_equal(fitted.score(moved), fitted.score(rows[2])[order])


def test_order_of_training_rows_does_not_matter(case, fitted, rows) -> None:
    train, valid = (reordered(part)[0] for part in rows[:2])
    again = case.make().fit(train, valid)

    np.testing.assert_array_equal(again.score(rows[2]), fitted.score(rows[2]))


def test_score_of_a_row_does_not_depend_on_the_others(fitted, rows) -> None:
    few = rows[2].slice(20, 7)

    np.testing.assert_allclose(fitted.score(few), fitted.score(rows[2])[20:27], rtol=0, atol=1e-6)


def test_one_finite_score_per_row(fitted, rows) -> None:
    scores = fitted.score(rows[2])

    assert scores.shape == (rows[2].num_rows,)
    assert scores.dtype == np.float64
    assert np.isfinite(scores).all()


def test_no_rows_give_no_scores(fitted, rows) -> None:
    assert fitted.score(rows[2].slice(0, 0)).shape == (0,)


def test_top_k_has_no_duplicates_and_ranks_from_one(fitted, rows) -> None:
    best = top_k(rows[2], fitted.score(rows[2]), 4)
    searches = best["id_search"].to_pylist()
    pairs = set(zip(searches, best["id_listing"].to_pylist(), strict=True))

    assert len(pairs) == best.num_rows
    assert best["rank"].to_pylist() == [1, 2, 3, 4] * len(set(searches))


def test_saved_and_loaded_scores_the_same(case, fitted, rows, tmp_path) -> None:
    fitted.save(tmp_path / "model")
    loaded = case.load(tmp_path / "model")

    assert loaded.name == fitted.name
    np.testing.assert_array_equal(loaded.score(rows[2]), fitted.score(rows[2]))


def test_no_pickle_is_written(fitted, tmp_path) -> None:
    fitted.save(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]

    assert files
    assert {path.suffix for path in files} <= READABLE


def test_loading_what_is_not_there_names_the_file(case, tmp_path) -> None:
    with pytest.raises(ValueError, match=str(tmp_path)):
        case.load(tmp_path)


def test_unseen_guest_and_listing_get_a_finite_score(fitted, rows) -> None:
    n = rows[2].num_rows
    strange = replaced(
        rows[2],
        id_user=pa.array([None if i % 2 else f"stranger {i}" for i in range(n)], pa.string()),
        id_listing=pa.array([f"unseen {i}" for i in range(n)]),
    )

    assert np.isfinite(fitted.score(strange)).all()


def test_unseen_market_gets_a_finite_score(fitted, rows) -> None:
    elsewhere = replaced(rows[2], market=pa.array(["salvador"] * rows[2].num_rows))

    assert np.isfinite(fitted.score(elsewhere)).all()


def test_missing_feature_values_get_a_finite_score(fitted, rows) -> None:
    blank = {f.name: pa.nulls(rows[2].num_rows, rows[2][f.name].type) for f in FEATURES}

    assert np.isfinite(fitted.score(replaced(rows[2], **blank))).all()


def test_column_absent_from_the_training_rows_is_named(case, rows) -> None:
    with pytest.raises(ValueError, match=case.needs):
        case.make().fit(rows[0].drop_columns([case.needs]), rows[1])


def test_column_absent_from_the_scored_rows_is_named(case, fitted, rows) -> None:
    with pytest.raises((ValueError, KeyError), match=case.needs):
        fitted.score(rows[2].drop_columns([case.needs]))


def test_outcomes_are_not_needed_and_not_read_when_scoring(fitted, rows) -> None:
    without = rows[2].drop_columns(["stage", "contact_day", "book_day"])

    np.testing.assert_array_equal(fitted.score(without), fitted.score(rows[2]))
