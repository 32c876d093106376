"""Reasons for a listing add up to its score and name what was planted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from data.schema.feature_set import FeatureSet
from models.ranker import Ranker, RankerConfig
from models.ranker.explanations import explain, reasons_in_words
from models.ranker.shap_dependence import dependences, global_importance
from models.ranking_order import group_codes
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


def test_reasons_are_words_of_the_data_dictionary_with_the_value(fitted) -> None:
    ranker, rows = fitted
    texts = reasons_in_words(ranker, rows).to_pylist()
    signal = np.asarray(rows["x_signal"])
    first = [text.split("; ")[0] if text else "" for text in texts]
    at = int(signal.argmax())

    assert len(texts) == rows.num_rows
    assert first[at] == f"x_signal: {signal[at]:,.3g}"
    assert max(text.count("; ") for text in texts if text) <= 2


def test_row_that_nothing_lifts_has_no_reason(fitted) -> None:
    ranker, rows = fitted
    alone = rows.slice(0, 1)

    assert reasons_in_words(ranker, alone).to_pylist() == [None]


def test_unknown_value_is_said_to_be_unknown(fitted) -> None:
    ranker, rows = fitted
    texts = " ".join(filter(None, reasons_in_words(ranker, rows, top=8).to_pylist()))

    assert "unknown" in texts
    assert "nan" not in texts
    assert "None" not in texts


def test_features_of_the_same_columns_are_one_reason() -> None:
    train, valid, test = windows(world())
    twin = replace(next(f for f in FEATURES if f.name == "x_signal"), name="x_twin", needs=("x",))
    both = FeatureSet((*FEATURES, twin))
    both = FeatureSet(tuple(replace(f, needs=("x",)) if f.name[0] == "x" else f for f in both))
    parts = [part.append_column("x_twin", part["x_signal"]) for part in (train, valid, test)]
    ranker = Ranker(both, CONFIG).fit(parts[0], parts[1])

    for text in reasons_in_words(ranker, parts[2]).to_pylist():
        assert (text or "").count("x_signal:") <= 1


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

    assert set(table["word"].to_pylist()) == {
        "entire_home",
        "private_room",
        "shared_room",
        "unknown",
    }
