"""Extra columns of a source mapping, by hand."""

from __future__ import annotations

import polars as pl

from features.all_features import available_features
from tests.features.worlds import features_of, impression, typed


def test_numeric_extras_of_a_listing_are_compared_within_the_search() -> None:
    log = typed(
        [
            impression("s1", "l1", x_score=0.5, x_query_site="a", x_is_brand=True),
            impression("s1", "l2", x_score=1.0, x_query_site="a", x_is_brand=False),
        ],
        extras={"x_score": pl.Float64, "x_query_site": pl.String, "x_is_brand": pl.Boolean},
    )
    extras = [f.name for f in available_features(dict(log.schema)) if f.group == "extra"]
    values = [
        "x_score",
        *(f"in_search_x_score_{kind}" for kind in ("rank", "z", "to_median", "to_best")),
    ]
    assert extras == ["x_is_brand", "x_query_site", *values]
    features = features_of(log, extras)
    assert features["x_score"].to_list() == [0.5, 1.0]
    assert features["in_search_x_score_rank"].to_list() == [2, 1]
    assert features["in_search_x_score_to_best"].to_list() == [0.5, 1.0]
    assert features["x_query_site"].to_list() == ["a", "a"]
    assert features["x_is_brand"].to_list() == [True, False]
