"""Recall over the catalogue, by hand."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from models.evaluation.catalogue_recall import RetrievalSettings, catalogue_recall

SETTINGS = RetrievalSettings(k=2, split="test", reference="popular", replicates=200, small=3)


def _retrieved(*of_search):
    """Retrieved listings of the searches s, t and u, the best first."""
    rows = [
        {"id_search": search, "id_listing": listing, "rank": rank}
        for search, listings in zip("stu", of_search, strict=True)
        for rank, listing in enumerate(listings, start=1)
    ]
    return pa.Table.from_pylist(rows)


@pytest.fixture
def scores():
    relevant = pa.table(
        {
            "id_search": ["s", "s", "t", "u"],
            "id_user": ["anna", "anna", None, "anna"],
            "id_listing": ["a", "b", "c", "d"],
        }
    )
    retrieved = {"popular": _retrieved("ab", "ab", "ab"), "tower": _retrieved("acb", "ca", "bd")}
    segments = {
        "listing=new": np.array([False, True, True, False]),
        "market=none": np.zeros(4, bool),
    }
    both = catalogue_recall(relevant, retrieved, segments, SETTINGS)
    return {(score.model, score.segment): score for score in both}


def test_recall_is_the_mean_over_searches_of_the_share_among_the_first_k(scores):
    # b stands at rank 3 of s: the tower has 1/2, 1 and 1, the popular listings 1, 0 and 0
    assert scores["tower", "all"].value == pytest.approx(2.5 / 3)
    assert scores["popular", "all"].value == pytest.approx(1 / 3)
    assert (scores["tower", "all"].searches, scores["tower", "all"].positives) == (3, 4)


def test_segment_counts_its_own_listings_and_an_empty_one_is_left_out(scores):
    assert {segment for _, segment in scores} == {"all", "listing=new"}
    new = scores["tower", "listing=new"]
    # b of s is missed, c of t is found
    assert (new.value, new.searches, new.positives, new.is_small) == (0.5, 2, 2, True)


def test_models_are_compared_with_the_reference_on_the_same_draws(scores):
    score = scores["tower", "all"]
    assert (score.versus, score.difference) == ("popular", pytest.approx(0.5))
    assert scores["popular", "all"].versus is None
    # two clusters: anna (s and u) differs by 0.5 in all, the search without a guest by 1
    assert (score.difference_low, score.difference_high) == pytest.approx((0.25, 1.0))
