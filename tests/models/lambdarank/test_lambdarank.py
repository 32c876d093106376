"""The ranker on what breaks rankers: lone rows, blanks, strangers, and LightGBM's limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.lambdarank import LambdaRank, LambdaRankConfig
from tests.models.worlds import FEATURES, replaced, windows, world

CONFIG = LambdaRankConfig(max_rounds=15, patience=5, min_rows_per_leaf=5, num_leaves=7)


@pytest.fixture(scope="module")
def rows() -> tuple[pa.Table, pa.Table, pa.Table]:
    return windows(world())


@pytest.fixture(scope="module")
def ranker(rows) -> LambdaRank:
    return LambdaRank(FEATURES, CONFIG).fit(rows[0], rows[1])


def _nothing_happened(rows: pa.Table) -> pa.Table:
    return replaced(rows, stage=pa.array(np.zeros(rows.num_rows, dtype=np.int8)))


def test_searches_without_action_are_left_out_and_counted(ranker, rows) -> None:
    stage = rows[0]["stage"].to_numpy().reshape(-1, 10)
    silent = int((stage == 0).all(axis=1).sum())

    assert silent > 0
    assert ranker.counts["train"].without_action == silent
    assert ranker.counts["train"].searches == len(stage) - silent
    assert ranker.counts["train"].rows == 10 * (len(stage) - silent)


def test_training_without_any_action_is_refused(rows) -> None:
    with pytest.raises(ValueError, match="no search of the training window"):
        LambdaRank(FEATURES, CONFIG).fit(_nothing_happened(rows[0]), rows[1])


def test_validation_without_any_action_trains_the_configured_rounds(rows) -> None:
    config = LambdaRankConfig(rounds_without_validation=4, min_rows_per_leaf=5)
    ranker = LambdaRank(FEATURES, config).fit(rows[0], _nothing_happened(rows[1]))

    assert ranker.rounds == (4,)
    assert ranker.valid_ndcg == (None,)


def test_ranker_is_fitted_again_on_both_windows_with_the_size_of_the_first_fit(rows) -> None:
    once = LambdaRank(FEATURES, replace(CONFIG, refits=False)).fit(rows[0], rows[1])
    again = LambdaRank(FEATURES, CONFIG).fit(rows[0], rows[1])
    # As many trees on both windows, with nothing to stop them.
    config = replace(CONFIG, rounds_without_validation=once.rounds[0])
    both = pa.concat_tables(rows[:2])
    expected = LambdaRank(FEATURES, config).fit(both, rows[1].slice(0, 0))

    assert again.rounds == once.rounds
    np.testing.assert_array_equal(again.score(rows[2]), expected.score(rows[2]))
    assert (again.score(rows[2]) != once.score(rows[2])).any()
    used = [again.counts[name].searches for name in ("train", "valid", "refit")]
    assert used[0] + used[1] == used[2]
    assert "refit" not in once.counts


def test_curves_and_validation_metric_are_those_of_the_fit_that_did_not_see_validation(
    rows,
) -> None:
    once = LambdaRank(FEATURES, replace(CONFIG, refits=False)).fit(rows[0], rows[1])
    again = LambdaRank(FEATURES, CONFIG).fit(rows[0], rows[1])

    assert again.curves == once.curves
    assert again.curves[0]
    assert again.valid_ndcg == once.valid_ndcg


def test_each_bag_is_fitted_again_with_its_own_number_of_trees(rows, tmp_path) -> None:
    ranker = LambdaRank(FEATURES, replace(CONFIG, bags=2, patience=2)).fit(rows[0], rows[1])

    assert [booster.num_trees() for booster in ranker.boosters] == list(ranker.rounds)
    ranker.save(tmp_path)
    assert LambdaRank.load(tmp_path).counts == ranker.counts


def test_category_of_the_validation_window_alone_is_known_after_the_second_fit(rows) -> None:
    houseboat = pa.array(["houseboat"] * rows[1].num_rows)
    valid = replaced(rows[1], listing_room_type=houseboat)
    ranker = LambdaRank(FEATURES, CONFIG).fit(rows[0], valid)

    assert "houseboat" in ranker.matrix.vocabulary["listing_room_type"]


def test_validation_without_any_action_is_not_fitted_again(rows) -> None:
    ranker = LambdaRank(FEATURES, CONFIG).fit(rows[0], _nothing_happened(rows[1]))

    assert "refit" not in ranker.counts


def test_threads_do_not_change_the_scores(ranker, rows) -> None:
    one = LambdaRankConfig(max_rounds=15, patience=5, min_rows_per_leaf=5, num_leaves=7, threads=1)

    np.testing.assert_array_equal(
        LambdaRank(FEATURES, one).fit(rows[0], rows[1]).score(rows[2]), ranker.score(rows[2])
    )


def test_searches_of_one_row_teach_no_order(rows) -> None:
    alone = [
        replaced(part, id_search=pa.array([f"{w}-{i:05d}" for i in range(part.num_rows)]))
        for w, part in enumerate(rows)
    ]
    ranker = LambdaRank(FEATURES, CONFIG).fit(alone[0], alone[1])

    assert ranker.counts["train"].searches == (rows[0]["stage"].to_numpy() > 0).sum()
    assert np.unique(ranker.score(alone[2])).tolist() == [0.0]


@pytest.mark.parametrize("blank", [pa.null(), pa.float64()])
def test_column_without_a_value_in_training_is_not_read_when_scoring(rows, blank) -> None:
    parts = [replaced(part, listing_review_rating=pa.nulls(part.num_rows, blank)) for part in rows]
    ranker = LambdaRank(FEATURES, CONFIG).fit(parts[0], parts[1])

    assert (
        dict(zip(*ranker.importance().to_pydict().values(), strict=True))["listing_review_rating"]
        == 0
    )
    np.testing.assert_array_equal(ranker.score(parts[2]), ranker.score(rows[2]))


def test_unseen_category_scores_as_a_missing_one(ranker, rows) -> None:
    n = rows[2].num_rows
    unseen = replaced(rows[2], listing_room_type=pa.array(["igloo"] * n))
    missing = replaced(rows[2], listing_room_type=pa.nulls(n, pa.string()))

    np.testing.assert_array_equal(ranker.score(unseen), ranker.score(missing))


def test_dictionary_typed_category_is_encoded(ranker, rows) -> None:
    coded = replaced(rows[2], listing_room_type=rows[2]["listing_room_type"].dictionary_encode())

    np.testing.assert_array_equal(ranker.score(coded), ranker.score(rows[2]))


def test_rows_of_a_search_of_five_thousand_score_as_in_small_ones(ranker, rows) -> None:
    copies = 5000 // rows[2].num_rows + 1
    many = pa.concat_tables([rows[2]] * copies).slice(0, 5000)
    one_search = replaced(many, id_search=pa.array(["huge"] * 5000))

    np.testing.assert_array_equal(
        ranker.score(one_search), np.tile(ranker.score(rows[2]), copies)[:5000]
    )


def test_empty_feature_set_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one feature"):
        LambdaRank(FeatureSet(()))


def test_scoring_before_fitting_is_refused(rows) -> None:
    with pytest.raises(ValueError, match="not been fitted"):
        LambdaRank(FEATURES).score(rows[2])


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"truncation": 5}, "truncation"),
        ({"row_share": 0.0}, "row_share"),
        ({"bags": 0}, "bags"),
        ({"objective": "regression"}, "objective"),
    ],
)
def test_config_out_of_range_is_refused(wrong, named) -> None:
    with pytest.raises(ValueError, match=named):
        LambdaRankConfig(**wrong)


def _with_places(rows: pa.Table, *, seed: int = 5) -> pa.Table:
    """Each search with its places; every third in random order."""
    rng = np.random.default_rng(seed)
    place = np.concatenate([rng.permutation(10) + 1 for _ in range(rows.num_rows // 10)])
    is_random = np.repeat(np.arange(rows.num_rows // 10) % 3 == 0, 10)
    return rows.append_column("position", pa.array(place.astype(np.int32))).append_column(
        "is_random_order", pa.array(is_random)
    )


@pytest.mark.parametrize("debiasing", ["position", "ips"])
def test_position_is_never_an_input_when_scoring(rows, debiasing) -> None:
    config = replace(CONFIG, debiasing=debiasing)
    ranker = LambdaRank(FEATURES, config).fit(*(_with_places(part) for part in rows[:2]))
    one, other = (_with_places(rows[2], seed=seed) for seed in (1, 2))

    np.testing.assert_array_equal(ranker.score(one), ranker.score(other))
    np.testing.assert_array_equal(ranker.score(one), ranker.score(rows[2]))


@pytest.mark.parametrize("debiasing", ["position", "ips"])
def test_debiasing_without_places_names_the_column(rows, debiasing) -> None:
    with pytest.raises(ValueError, match="position"):
        LambdaRank(FEATURES, replace(CONFIG, debiasing=debiasing)).fit(rows[0], rows[1])


def test_position_in_the_feature_set_is_refused() -> None:
    place = Feature(name="position", kind="number", meaning="place", null="unknown")

    with pytest.raises(ValueError, match="never an input of a model: position"):
        LambdaRank(FeatureSet((*FEATURES, place)))


def test_ips_gives_back_what_a_biased_order_hid() -> None:
    train, valid, test = (_examined_by_place(seed) for seed in (1, 2, 3))
    correlation = {}
    for debiasing in ("none", "ips"):
        config = replace(
            CONFIG, debiasing=debiasing, search_weights="equal", max_rounds=60, patience=60
        )
        scores = LambdaRank(_TWO, config).fit(train, valid).score(test)
        correlation[debiasing] = np.corrcoef(scores, test["x_b"].to_numpy())[0, 1]
    assert correlation["ips"] > correlation["none"] + 0.02


_TWO = FeatureSet(
    tuple(Feature(name=n, kind="number", meaning=n, null="never") for n in ("x_a", "x_b"))
)


def _examined_by_place(seed: int) -> pa.Table:
    """``x_b`` makes clicks, ``x_a`` the place; a click needs a look, rarer further down."""
    rng = np.random.default_rng(seed)
    n = 3_000
    a, b = rng.normal(size=(2, n, 10))
    is_random = np.arange(n) % 4 == 0
    key = np.where(is_random[:, None], rng.random((n, 10)), a)
    place = np.argsort(np.argsort(-key, axis=1), axis=1) + 1
    clicked = rng.random((n, 10)) < 1 / (1 + np.exp(1 - b)) / place
    return pa.table(
        {
            "id_search": pa.array(np.repeat([f"s{seed}-{i}" for i in range(n)], 10)),
            "id_listing": pa.array([f"l{i}" for i in range(n * 10)]),
            "stage": pa.array(clicked.ravel().astype(np.int8)),
            "position": pa.array(place.ravel().astype(np.int32)),
            "is_random_order": pa.array(np.repeat(is_random, 10)),
            "x_a": pa.array(a.ravel()),
            "x_b": pa.array(b.ravel()),
        }
    )


def test_journey_labels_are_learnt_from_their_own_column(rows) -> None:
    swapped = [
        part.append_column("journey_stage", pa.array(part["stage"].to_numpy()[::-1]))
        for part in rows
    ]
    config = replace(CONFIG, labels="journey")
    by_journey = LambdaRank(FEATURES, config).fit(swapped[0], swapped[1])
    by_stage = LambdaRank(FEATURES, CONFIG).fit(swapped[0], swapped[1])

    assert by_journey.valid_ndcg[0] < by_stage.valid_ndcg[0] - 0.1
    with pytest.raises(ValueError, match="journey_stage"):
        LambdaRank(FEATURES, config).fit(rows[0], rows[1])


def test_neither_the_other_results_nor_the_market_change_a_score(ranker, rows) -> None:
    alone = rows[2].slice(0, 1)
    elsewhere = replaced(rows[2], market=pa.array(["atlantis"] * rows[2].num_rows))

    assert ranker.score(alone).tolist() == ranker.score(rows[2])[:1].tolist()
    np.testing.assert_array_equal(ranker.score(elsewhere), ranker.score(rows[2]))
