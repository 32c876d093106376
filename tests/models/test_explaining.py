"""Reasons for a listing add up to its score and name what was planted."""

from __future__ import annotations

import numpy as np
import pytest

from models.explaining import explain
from models.order import group_codes
from models.ranker import Ranker, RankerConfig
from tests.models.worlds import FEATURES, windows, world

CONFIG = RankerConfig(max_rounds=20, min_rows_per_leaf=10, num_leaves=7, bags=2)


@pytest.fixture(scope="module")
def fitted():
    train, valid, test = windows(world())
    return Ranker(FEATURES, CONFIG).fit(train, valid), test


def test_contributions_add_up_to_the_score(fitted) -> None:
    ranker, rows = fitted
    rest = ranker.score(rows) - ranker.contributions(rows).sum(axis=1)

    np.testing.assert_allclose(rest, rest[0], atol=1e-9)


def test_planted_signal_is_the_first_reason_of_the_best_results(fitted) -> None:
    ranker, rows = fitted
    scores, groups = ranker.score(rows), group_codes(rows["id_search"])
    best = [np.flatnonzero(groups == g)[scores[groups == g].argmax()] for g in range(20)]
    reasons = explain(ranker, rows, top=1)
    by_row = {
        (s, n): feature
        for s, n, feature in zip(
            *(reasons[c].to_pylist() for c in ("id_search", "id_listing", "feature")), strict=True
        )
    }
    first = [by_row[rows["id_search"][i].as_py(), rows["id_listing"][i].as_py()] for i in best]

    assert first.count("x_signal") > 15


def test_reasons_speak_for_the_row_strongest_first(fitted) -> None:
    ranker, rows = fitted
    reasons = explain(ranker, rows, top=3)

    assert min(reasons["lift"].to_pylist()) > 0
    assert set(reasons["reason"].to_pylist()) <= {1, 2, 3}
    lifts = reasons.filter(reasons["reason"].combine_chunks().to_numpy() == 1)["lift"]
    assert np.mean(lifts.to_pylist()) > 0


def test_what_is_the_same_for_all_results_is_no_reason(fitted) -> None:
    ranker, rows = fitted
    alone = rows.slice(0, 1)

    assert explain(ranker, alone).num_rows == 0


def test_no_rows_have_no_reasons(fitted) -> None:
    ranker, rows = fitted

    assert explain(ranker, rows.slice(0, 0)).num_rows == 0
