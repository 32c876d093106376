"""Reasons for a listing add up to its score and name what was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from data.schema.feature_set import FeatureSet
from models.explanations.lift import over_the_search
from models.explanations.reasons import reasons_in_words
from models.lambdarank import LambdaRank, LambdaRankConfig
from models.ranking_order import group_codes
from tests.models.worlds import FEATURES, windows, world

CONFIG = LambdaRankConfig(max_rounds=20, min_rows_per_leaf=10, num_leaves=7, bags=2)


@pytest.fixture(scope="module")
def fitted():
    train, valid, test = windows(world())
    return LambdaRank(FEATURES, CONFIG).fit(train, valid), test


def test_contributions_add_up_to_the_score(fitted) -> None:
    ranker, rows = fitted
    rest = ranker.score(rows) - ranker.contributions(rows).sum(axis=1)

    np.testing.assert_allclose(rest, rest[0], atol=1e-9)


def test_planted_signal_is_the_first_reason_of_the_best_results(fitted) -> None:
    ranker, rows = fitted
    scores, groups = ranker.score(rows), group_codes(rows["id_search"])
    best = [np.flatnonzero(groups == g)[scores[groups == g].argmax()] for g in range(20)]
    reasons = reasons_in_words(ranker, rows, top=1).take(pa.array(best)).to_pylist()

    assert sum(reason.startswith("x_signal: ") for reason in reasons) > 15


def test_lift_is_what_a_row_gains_over_the_others_of_its_search(fitted) -> None:
    ranker, rows = fitted
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    groups, scores = group_codes(rows["id_search"]), ranker.score(rows)
    mean_scores = np.bincount(groups, scores) / np.bincount(groups)

    np.testing.assert_allclose(lift_NF.sum(axis=1), scores - mean_scores[groups], atol=1e-9)


def test_reasons_are_the_strongest_lifts_first_with_the_value(fitted) -> None:
    ranker, rows = fitted
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    at = int(np.asarray(rows["x_signal"]).argmax())
    strongest = np.argsort(-lift_NF[at], kind="stable")[:3]
    names = [ranker.features.names[i] for i in strongest if lift_NF[at, i] > 0]
    reasons = reasons_in_words(ranker, rows, top=3)[at].as_py().split("; ")

    assert reasons[0] == f"x_signal: {rows['x_signal'][at].as_py():,.3g}"
    assert [reason.split(": ")[0] for reason in reasons] == names


def test_no_rows_have_no_reasons(fitted) -> None:
    ranker, rows = fitted

    assert reasons_in_words(ranker, rows.slice(0, 0)).to_pylist() == []


def test_top_below_one_is_refused(fitted) -> None:
    with pytest.raises(ValueError, match="at least 1; found 0"):
        reasons_in_words(*fitted, top=0)


def test_row_that_nothing_lifts_has_no_reason(fitted) -> None:
    ranker, rows = fitted
    alone = rows.slice(0, 1)

    assert reasons_in_words(ranker, alone).to_pylist() == [None]


def test_missing_value_is_called_unknown(fitted) -> None:
    ranker, rows = fitted
    texts = reasons_in_words(ranker, rows, top=8).to_pylist()
    rooms = {
        (room, reason.removeprefix("listing_room_type: "))
        for room, text in zip(rows["listing_room_type"].to_pylist(), texts, strict=True)
        for reason in (text or "").split("; ")
        if reason.startswith("listing_room_type")
    }

    assert (None, "unknown") in rooms
    assert all(words == (room or "unknown").replace("_", " ") for room, words in rooms)


class HeldAtOneValue:
    """Adds what ``x_signal`` says, and of ``lead_time_days`` the same to every row."""

    features = FeatureSet(tuple(f for f in FEATURES if f.name in ("x_signal", "lead_time_days")))

    def contributions(self, rows: pa.Table) -> np.ndarray:
        # Three times 0.1 by three is not 0.1 to the last bit.
        constant = np.full(rows.num_rows, 0.1)
        return np.stack([np.asarray(rows["x_signal"]), constant], axis=1)


def test_a_feature_that_the_rows_lack_is_no_reason() -> None:
    rows = pa.table(
        {
            "id_search": ["s", "s", "s"],
            "id_listing": ["a", "b", "c"],
            "x_signal": [2.0, 0.5, -1.0],
        }
    )

    assert reasons_in_words(HeldAtOneValue(), rows, top=3).to_pylist() == [
        "x_signal: 2",
        None,
        None,
    ]


def test_features_of_the_same_columns_are_one_reason() -> None:
    train, valid, test = windows(world())
    twin = replace(next(f for f in FEATURES if f.name == "x_signal"), name="x_twin", needs=("x",))
    both = FeatureSet((*FEATURES, twin))
    both = FeatureSet(tuple(replace(f, needs=("x",)) if f.name[0] == "x" else f for f in both))
    parts = [part.append_column("x_twin", part["x_signal"]) for part in (train, valid, test)]
    ranker = LambdaRank(both, CONFIG).fit(parts[0], parts[1])

    texts = [text or "" for text in reasons_in_words(ranker, parts[2], top=8).to_pylist()]
    counts = np.array([text.count("x_signal: ") + text.count("x_twin: ") for text in texts])

    assert set(counts) == {0, 1}
