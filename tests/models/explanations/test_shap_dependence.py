"""What a ranker does as a whole: the planted signal matters most, and more of it is better."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models.explanations.shap_dependence import dependences, global_importance
from models.lambdarank import LambdaRank, LambdaRankConfig
from tests.models.worlds import FEATURES, windows, world

CONFIG = LambdaRankConfig(max_rounds=20, min_rows_per_leaf=10, num_leaves=7, bags=2)


@pytest.fixture(scope="module")
def fitted():
    train, valid, test = windows(world())
    return LambdaRank(FEATURES, CONFIG).fit(train, valid), test


def test_planted_signal_is_the_most_important_and_its_dependence_rises(fitted) -> None:
    ranker, rows = fitted
    importance = global_importance(ranker, rows)
    table = dependences(ranker, rows, top=2, bins=5)["x_signal"]

    assert importance["feature"][0].as_py() == "x_signal"
    assert np.asarray(importance["share"]).sum() == pytest.approx(1)
    assert (np.diff(table["value"].to_numpy()) > 0).all()
    assert table["mean"].to_numpy()[-1] > table["mean"].to_numpy()[0] + 0.1
    assert sum(table["rows"].to_pylist()) == rows.num_rows


def test_dependence_of_a_category_names_its_words(fitted) -> None:
    ranker, rows = fitted
    table = dependences(ranker, rows, top=len(FEATURES))["listing_room_type"]
    words = (word or "unknown" for word in rows["listing_room_type"].to_pylist())

    assert dict(zip(*(table[c].to_pylist() for c in ("word", "rows")), strict=True)) == Counter(
        words
    )
    assert table["value"].null_count == table.num_rows
