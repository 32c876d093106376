"""Reasons for a listing add up to its score and name what was planted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from data.schema.feature_set import Feature, FeatureSet
from models.explanations.lift import over_the_search
from models.explanations.reasons import MARK_BETWEEN, reasons_in_words
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
    reasons = reasons_in_words(ranker, rows, ByName(), top=1).take(pa.array(best)).to_pylist()

    assert sum(reason.startswith("x_signal is ") for reason in reasons) > 15


def test_lift_is_what_a_row_gains_over_the_others_of_its_search(fitted) -> None:
    ranker, rows = fitted
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    groups, scores = group_codes(rows["id_search"]), ranker.score(rows)
    mean_scores = np.bincount(groups, scores) / np.bincount(groups)

    np.testing.assert_allclose(lift_NF.sum(axis=1), scores - mean_scores[groups], atol=1e-9)


def test_reasons_are_the_strongest_lifts_first(fitted) -> None:
    ranker, rows = fitted
    lift_NF = over_the_search(rows, ranker.contributions(rows))
    at = int(np.asarray(rows["x_signal"]).argmax())
    strongest = np.argsort(-lift_NF[at], kind="stable")[:3]
    names = [ranker.features.names[i] for i in strongest if lift_NF[at, i] > 0]
    reasons = reasons_in_words(ranker, rows, ByName(), top=3)[at].as_py().split(MARK_BETWEEN)

    assert len(names) > 1
    assert reasons == [f"{name} is {rows[name][at].as_py()}" for name in names]


def test_no_rows_have_no_reasons(fitted) -> None:
    ranker, rows = fitted

    assert reasons_in_words(ranker, rows.slice(0, 0), ByName()).to_pylist() == []


def test_top_below_one_is_refused(fitted) -> None:
    with pytest.raises(ValueError, match="at least 1; found 0"):
        reasons_in_words(*fitted, ByName(), top=0)


def test_row_that_nothing_lifts_has_no_reason(fitted) -> None:
    ranker, rows = fitted
    alone = rows.slice(0, 1)

    assert reasons_in_words(ranker, alone, ByName()).to_pylist() == [None]


def planted(**lifts: list[float]) -> tuple[Planted, pa.Table]:
    """A model that adds these to three rows of one list, and the rows."""
    rows = pa.table(
        {
            "id_search": ["s", "s", "s"],
            "id_listing": ["a", "b", "c"],
            **{name: ["x", "y", "z"] for name in lifts},
        }
    )
    return Planted(lifts), rows


class Planted:
    """Adds what it was made with, whatever the rows say."""

    def __init__(self, lifts: dict[str, list[float]]) -> None:
        self.lifts = lifts
        self.features = FeatureSet(
            tuple(
                Feature(name=name, kind="category", meaning=name, null="never null")
                for name in lifts
            )
        )

    def contributions(self, rows: pa.Table) -> np.ndarray:
        at = ["abc".index(listing) for listing in rows["id_listing"].to_pylist()]
        return np.array(list(self.lifts.values())).T[at]


def test_a_feature_that_the_rows_lack_is_no_reason() -> None:
    # Three times 0.1 by three is not 0.1 to the last bit.
    model, rows = planted(price=[2.0, 0.5, -1.0], nights=[0.1, 0.1, 0.1])
    told = reasons_in_words(model, rows.drop_columns(["nights"]), ByName()).to_pylist()

    assert told == ["price is x", None, None]


def test_features_of_one_topic_are_one_reason_in_the_words_of_the_strongest() -> None:
    model, rows = planted(
        price=[0.3, -0.1, -0.2], price_z=[0.4, -0.2, -0.2], photos=[0.5, -0.2, -0.3]
    )
    apart = reasons_in_words(model, rows, ByName(), top=1)
    together = reasons_in_words(model, rows, ByName(topics={"price_z": "price"}), top=3)

    assert apart[0].as_py() == "photos is x"
    assert together[0].as_py() == "price_z is x; photos is x"


def test_an_untold_feature_counts_for_its_topic_and_another_gives_the_words() -> None:
    model, rows = planted(
        price=[0.3, -0.1, -0.2], price_z=[0.4, -0.2, -0.2], photos=[0.5, -0.2, -0.3]
    )
    telling = ByName(topics={"price_z": "price"}, silent={"price_z": "xyz"})

    assert reasons_in_words(model, rows, telling, top=1)[0].as_py() == "price is x"


def test_a_trait_that_speaks_against_a_row_gives_way_to_the_next() -> None:
    model, rows = planted(price=[0.9, -0.4, -0.5], photos=[0.2, -0.1, -0.1], place=[-1, 0, 1])
    telling = ByName(silent={"price": "x"})

    assert reasons_in_words(model, rows, telling).to_pylist() == ["photos is x", None, "place is z"]


def test_a_topic_that_counts_against_a_row_is_no_reason_though_a_feature_of_it_lifts() -> None:
    model, rows = planted(price=[0.3, -0.1, -0.2], price_z=[-0.4, 0.2, 0.2])

    assert reasons_in_words(model, rows, ByName(topics={"price_z": "price"}))[0].as_py() is None


def test_rows_that_are_not_explained_are_compared_with_and_cost_no_contributions() -> None:
    model, rows = planted(price=[3.0, 2.0, 1.0])
    explained = np.array([False, True, True])
    model.lifts["price"][0] = float("nan")
    told = reasons_in_words(model, rows, ByName(), explained=explained)

    assert told.to_pylist() == [None, "price is y", None]


class ByName:
    """Says the name and the value; ``silent``: the values that a feature may not say."""

    def __init__(
        self, topics: dict[str, str] | None = None, silent: dict[str, str] | None = None
    ) -> None:
        self.topics, self.silent = topics or {}, silent or {}

    def topic(self, feature: str) -> str:
        return self.topics.get(feature, feature)

    def of(self, rows: pa.Table) -> ToldByName:
        return ToldByName(rows, self.silent)


class ToldByName:
    def __init__(self, rows: pa.Table, silent: dict[str, str]) -> None:
        self.rows, self.silent = rows, silent

    def may_say(self, feature: str) -> np.ndarray:
        if feature not in self.rows.column_names:
            return np.zeros(self.rows.num_rows, dtype=bool)
        values = self.rows[feature].to_pylist()
        return np.array(
            [value not in tuple(self.silent.get(feature, "")) for value in values], bool
        )

    def say(self, feature: str, at: np.ndarray) -> list[str]:
        return [f"{feature} is {self.rows[feature][row].as_py()}" for row in at.tolist()]
