"""Searches that break rankers, through the feature code and a trained ranker: all scored."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from data.schema.tables import IMPRESSIONS
from features.build import build_features
from models.ranker import Ranker
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.feature_table.build_table import feature_set_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import load_one, read_record

Finished = tuple[RunContext, str]


@pytest.fixture(scope="module")
def log(finished: Finished) -> pl.DataFrame:
    return finished[0].lake.scan(IMPRESSIONS.name).collect()


@pytest.fixture(scope="module")
def ranker(finished: Finished) -> Ranker:
    context, run = finished
    model = load_one(context, read_record(context.home, run), "ranker")
    assert isinstance(model, Ranker)
    return model


def _scores(finished: Finished, ranker: Ranker, rows: pl.DataFrame, past: pl.DataFrame):
    features = feature_set_of(finished[0])
    built = build_features(rows.lazy(), past.lazy(), features=features).to_native().collect()
    table: pa.Table = arrow(built)
    assert table.num_rows == rows.height
    return ranker.score(table)


def _last_search(log: pl.DataFrame) -> pl.DataFrame:
    latest = log.sort("search_s", "id_search")["id_search"][-1]
    return log.filter(pl.col("id_search") == latest)


def test_search_with_one_result(finished, ranker, log) -> None:
    one = _last_search(log).head(1)

    assert np.isfinite(_scores(finished, ranker, one, log)).all()


def test_search_with_five_thousand_results(finished, ranker, log) -> None:
    query = _last_search(log).head(1)
    listings = pl.concat([log] * (5_000 // log.height + 1)).head(5_000)
    own = [c for c in log.columns if c.startswith("listing_")]
    many = pl.concat([query] * 5_000).with_columns(
        *(listings[name] for name in own),
        pl.Series("id_listing", [f"many{i:05d}" for i in range(5_000)]),
    )
    scores = _scores(finished, ranker, many, log)

    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 100


def test_search_whose_ratings_are_all_null(finished, ranker, log) -> None:
    ratings = [c for c in log.columns if c.endswith("_rating")]
    unrated = _last_search(log).with_columns(pl.lit(None, pl.Float64).alias(c) for c in ratings)

    assert len(ratings) == 7
    assert np.isfinite(_scores(finished, ranker, unrated, log)).all()


def test_market_never_seen_in_training(finished, ranker, log) -> None:
    elsewhere = _last_search(log).with_columns(pl.lit("atlantis").alias("market"))

    assert np.isfinite(_scores(finished, ranker, elsewhere, log)).all()


def test_new_category_value(finished, ranker, log) -> None:
    igloo = _last_search(log).with_columns(
        pl.lit("igloo").alias("listing_room_type"), pl.lit("9999").alias("listing_property_type")
    )

    assert np.isfinite(_scores(finished, ranker, igloo, log)).all()


def test_guest_with_a_thousand_searches(finished, ranker, log) -> None:
    guest = "u_tireless"
    searches = log["id_search"].unique().sort().head(1_000).to_list()
    past = log.with_columns(
        pl.when(pl.col("id_search").is_in(searches))
        .then(pl.lit(guest))
        .otherwise(pl.col("id_user"))
        .alias("id_user")
    )
    now = _last_search(log).with_columns(
        pl.lit(guest).alias("id_user"),
        pl.lit("s_next").alias("id_search"),
        pl.col("search_s").max() + 60,
    )
    features = feature_set_of(finished[0])
    rows = build_features(now.lazy(), past.lazy(), features=features).to_native().collect()

    assert rows["guest_past_searches"].unique().to_list() == [1_000]
    assert np.isfinite(ranker.score(arrow(rows))).all()
