"""Scores of the candidates, whatever the order of time in which their features are built."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

import pipelines.recommendation.scores
from data.schema.tables import IMPRESSIONS
from features.build import build_features
from pipelines.candidates.candidate_rows import candidate_rows
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.first_cut import Candidates, Sizes
from pipelines.recommendation.scores import ScoredCandidates, scored_candidates
from tests.pipelines.recommendation.worlds import Trained, Unlike, features_of

SIZES = Sizes(candidates=20, contenders=3, new_contenders=1)
Score = Callable[[Candidates, Sizes], ScoredCandidates]


def some_queries(unlike: Unlike) -> Candidates:
    """The candidates of every fourth query and of the one whose check-in has passed."""
    candidates, queries = unlike.made.scored.candidates, unlike.made.source.queries
    (passed,) = queries.with_row_index("at").filter(id_search="has arrived")["at"]
    at = np.flatnonzero((candidates.query_C % 4 == 0) | (candidates.query_C == passed))
    return Candidates(
        query_C=candidates.query_C[at],
        listing_C=candidates.listing_C[at],
        availability_C=candidates.availability_C[at],
        cut_C=candidates.cut_C[at],
        was_seen_C=candidates.was_seen_C[at],
    )


@pytest.fixture(scope="module")
def score(unlike: Unlike, trained: Trained) -> Score:
    made = unlike.made
    log = unlike.context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < trained.morning)

    def scored(candidates: Candidates, sizes: Sizes) -> ScoredCandidates:
        return scored_candidates(candidates, made.source, log, made.serving.ranker, sizes)

    return scored


@pytest.fixture(scope="module")
def scored(unlike: Unlike, score: Score) -> ScoredCandidates:
    return score(some_queries(unlike), SIZES)


def keys(unlike: Unlike, candidates: Candidates) -> pl.DataFrame:
    source = unlike.made.source
    return pl.DataFrame(
        {
            "id_search": source.queries["id_search"].gather(candidates.query_C),
            "id_listing": source.catalogue["id_listing"].gather(candidates.listing_C),
        }
    )


def test_time_is_another_order_than_that_of_the_queries(
    unlike: Unlike, scored: ScoredCandidates
) -> None:
    """Else the tests below would prove nothing."""
    seconds = unlike.made.source.queries["search_s"].gather(scored.candidates.query_C)
    assert not seconds.is_sorted()
    assert seconds.unique().len() > 10


def test_scores_are_those_of_features_built_one_table_at_a_time(
    unlike: Unlike, scored: ScoredCandidates, trained: Trained
) -> None:
    made, model = unlike.made, unlike.made.serving.ranker
    rows = candidate_rows(made.source, keys(unlike, scored.candidates))
    log = unlike.context.lake.scan(IMPRESSIONS.name).filter(pl.col("search_day") < trained.morning)
    built = build_features(rows, log, features=model.features_read)
    key = ["id_search", "id_listing"]
    built = rows.select(key).join(built, on=key, how="left", maintain_order="left")
    np.testing.assert_array_equal(scored.score_C, model.probabilities(arrow(built))["book"])
    # What is kept of the contenders, and what is built again for reasons, are these rows.
    at = np.flatnonzero(scored.contender_C)
    kept, again = pl.DataFrame(scored.contenders), features_of(made, scored.candidates.at(at))
    of_policies = (*key, "listing_total_price", "listing_is_new")
    for names, rows_again in ((of_policies, kept), ((*key, "guest_past_searches"), again)):
        for name in names:
            assert rows_again[name].equals(built[name].gather(at)), name


def test_contenders_are_the_best_of_each_query_and_its_best_new_one(
    unlike: Unlike, scored: ScoredCandidates
) -> None:
    candidates, catalogue = scored.candidates, unlike.made.source.catalogue
    known = np.isfinite(candidates.availability_C)
    assert known.any()
    assert not known.all()
    value = scored.score_C * np.where(known, candidates.availability_C, 1.0)
    np.testing.assert_array_equal(scored.values, value)
    is_new = catalogue["listing_is_new"].gather(candidates.listing_C).fill_null(value=False)
    expected = np.zeros(len(candidates), dtype=bool)
    for query in np.unique(candidates.query_C):
        of_query = np.flatnonzero(candidates.query_C == query)
        best = of_query[np.argsort(-value[of_query], kind="stable")]
        new = [at for at in best if is_new[int(at)]]
        expected[[*best[:3], *new[:1]]] = True
    np.testing.assert_array_equal(scored.contender_C, expected)
    assert scored.contenders.num_rows == expected.sum()
    sizes = np.bincount(candidates.query_C, expected)
    assert {3, 4} <= set(sizes)


def test_blocks_of_any_size_give_the_same_bits(
    unlike: Unlike, score: Score, scored: ScoredCandidates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipelines.recommendation.scores, "_ROWS_AT_ONCE", 50)
    again = score(some_queries(unlike), SIZES)
    np.testing.assert_array_equal(again.score_C, scored.score_C)
    np.testing.assert_array_equal(again.contender_C, scored.contender_C)
    assert again.contenders.equals(scored.contenders)


def test_a_query_alone_scores_as_among_others(
    unlike: Unlike, score: Score, scored: ScoredCandidates
) -> None:
    candidates = scored.candidates
    at = np.flatnonzero(candidates.query_C == candidates.query_C[-1])
    alone = replace(candidates, **{name: values[at] for name, values in vars(candidates).items()})
    np.testing.assert_array_equal(score(alone, SIZES).score_C, scored.score_C[at])
