"""The blend of a linear ranker with boosted trees."""

from __future__ import annotations

import numpy as np
import pytest

from models.lambdarank import LambdaRankConfig
from models.linear.blend import Blend, BlendConfig
from tests.models.worlds import FEATURES, mean_ndcg, windows, world


def test_blend_trusts_the_trees_where_the_truth_is_no_line() -> None:
    rows = world(searches=1500)
    bent = np.abs(rows["x_signal"].to_numpy())
    stage = np.zeros((1500, 10), dtype=np.int8)
    stage[np.arange(1500), bent.reshape(1500, 10).argmax(axis=1)] = 3
    rows = rows.set_column(rows.column_names.index("stage"), "stage", [stage.ravel()])
    train, valid, test = windows(rows)
    trees = LambdaRankConfig(max_rounds=60, min_rows_per_leaf=10, num_leaves=7)
    blend = Blend(FEATURES, BlendConfig(trees=trees)).fit(train, valid)

    assert mean_ndcg(test, blend.score(test)) > 0.8
    assert mean_ndcg(test, blend.linear.score(test)) < 0.6
    linear, trees = blend.weights
    np.testing.assert_allclose(
        blend.score(test), linear * blend.linear.score(test) + trees * blend.trees.score(test)
    )


def test_weights_are_equal_where_no_validation_search_has_an_action() -> None:
    train, valid, _ = windows(world())
    silent = valid.set_column(
        valid.column_names.index("stage"), "stage", [np.zeros(valid.num_rows, np.int8)]
    )
    trees = LambdaRankConfig(rounds_without_validation=3)

    assert Blend(FEATURES, BlendConfig(trees=trees)).fit(train, silent).weights == (1.0, 1.0)


def test_config_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="penalty is above 0"):
        BlendConfig(penalty=0.0)
