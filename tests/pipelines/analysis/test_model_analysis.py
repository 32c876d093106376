"""Power of a feature, a leak, and ranks by newness, on two searches to check by hand."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.feature_set import Feature, FeatureSet
from pipelines.analysis.model_analysis import (
    feature_power,
    leak_demonstration,
    ranks_by_newness,
)

FEATURES = FeatureSet(
    tuple(
        Feature(name=name, kind=kind, meaning=name, null="no value")
        for name, kind in (("high", "number"), ("middle", "number"), ("room", "category"))
    )
)


def rows() -> pl.DataFrame:
    """Two searches of three; the clicked rows are ``a`` and ``d``; nobody clicks in the third."""
    return pl.DataFrame(
        {
            "market": ["rio"] * 8,
            "id_search": ["s1"] * 3 + ["s2"] * 3 + ["s3"] * 2,
            "id_listing": ["a", "b", "c", "d", "e", "a", "b", "c"],
            "stage": [1, 0, 0, 3, 0, 0, 0, 0],
            # The clicked row has the highest value, then the one in the middle of three.
            "high": [9, 1, 2, 5, 4, 6, 1, 2],
            # No value, which counts half, then the lowest.
            "middle": [None, 1, 2, 1, 2, 3, 1, 2],
            "room": ["x"] * 8,
            "listing_past_clicks": [0, 0, 0, 0, 0, 1, 0, 0],
            "listing_is_new": [False, True, False, True, False, False, True, False],
        }
    )


def test_power_is_the_share_of_other_rows_below_the_clicked_one() -> None:
    power = feature_power(rows(), FEATURES)
    found = {row["feature"]: (row["power"], row["clicks"]) for row in power.to_dicts()}
    assert found == {"high": ((1.0 + 0.5) / 2, 2), "middle": ((0.5 + 0.0) / 2, 2)}


def test_a_count_over_the_whole_log_knows_its_own_click() -> None:
    honest, leak = leak_demonstration(rows()).to_dicts()
    # As of the search: all of s1 tied (half); in s2 tied with one of two below another (1/4).
    assert honest["power"] == pytest.approx((0.5 + 0.25) / 2)
    # Over the log a and d have one click each: a alone in s1, d tied with a in s2.
    assert leak["power"] == pytest.approx((1.0 + 0.75) / 2)


def test_ranks_by_newness_gives_mean_place_and_click_rate() -> None:
    scores = pl.Series([3.0, 2.0, 1.0, 3.0, 2.0, 1.0, 2.0, 1.0])
    known, new = ranks_by_newness(rows(), scores).to_dicts()
    # Known: first and last of s1, second and last of s2, last of s3. New: the middle, two firsts.
    assert known == {
        "market": "rio",
        "listing_is_new": False,
        "rows": 5,
        "mean_place": pytest.approx((0 + 1 + 0.5 + 1 + 1) / 5),
        "top_share": 1.0,
        "click_rate": pytest.approx(1 / 5),
    }
    assert (new["rows"], new["mean_place"], new["click_rate"]) == (3, 0.5 / 3, 1 / 3)
