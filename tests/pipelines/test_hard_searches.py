"""Searches that break rankers, through the feature code and a trained ranker.

Each is an altered copy of the log's last search: what was altered changes the features that
read it, as stated here, and no other; and every row gets a score.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from data.schema.tables import IMPRESSIONS
from features.build import build_features
from models.funnel.funnel_model import FunnelModel
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.feature_table.build_table import feature_set_of
from pipelines.run_context import RunContext
from pipelines.training.run_record import load_one, read_record

Finished = tuple[RunContext, str]

# What is shrunk towards the rate of the same market and room type.
SHRUNK_RATES = (
    "listing_past_click_rate",
    "listing_past_contact_rate",
    "listing_past_book_rate",
    "listing_past_click_trend",
    "listing_past_click_rate_party",
    "listing_past_click_rate_lead",
    "cell_past_click_rate",
    "cell_past_book_rate",
    "room_type_past_click_rate",
)


@pytest.fixture(scope="module")
def log(finished: Finished) -> pl.DataFrame:
    return finished[0].lake.scan(IMPRESSIONS.name).collect()


@pytest.fixture(scope="module")
def ranker(finished: Finished) -> FunnelModel:
    context, run = finished
    model = load_one(context, read_record(context.home, run), "ranker")
    assert isinstance(model, FunnelModel)
    return model


@pytest.fixture(scope="module")
def search(log: pl.DataFrame) -> pl.DataFrame:
    latest = log.sort("search_s", "id_search")["id_search"][-1]
    return log.filter(pl.col("id_search") == latest).sort("id_listing")


@pytest.fixture(scope="module")
def as_logged(finished: Finished, search: pl.DataFrame, log: pl.DataFrame) -> pl.DataFrame:
    """The features of the last search as it is."""
    return _features(finished, search, log)


def _features(finished: Finished, rows: pl.DataFrame, past: pl.DataFrame) -> pl.DataFrame:
    features = feature_set_of(finished[0])
    built = build_features(rows, past, features=features)
    assert built.height == rows.height
    return built.sort("id_listing")


def _changed(features: pl.DataFrame, before: pl.DataFrame) -> set[str]:
    """Features with another value in some row; both tables have the same rows."""
    return {name for name in features.columns if not features[name].equals(before[name])}


def _nulls(features: pl.DataFrame, names: set[str]) -> set[str]:
    return {name for name in names if features[name].is_null().all()}


def test_search_of_one_result_is_first_in_everything(
    finished, ranker, search, as_logged, log
) -> None:
    alone = _features(finished, search.head(1), log)
    in_search = {name for name in alone.columns if name.startswith("in_search_")}
    values = alone.row(0, named=True)

    assert values["in_search_results"] == 1
    assert (values["in_search_price_rank"], values["in_search_price_to_median"]) == (1, 1.0)
    assert values["in_search_price_z"] is None
    assert values["in_search_dominated_by"] == 0
    # What the other results were plays no part in any other feature.
    assert_frame_equal(alone.drop(in_search), as_logged.head(1).drop(in_search))
    assert np.isfinite(ranker.score(arrow(alone))).all()


def test_search_of_five_thousand_results_is_ranked_within(finished, ranker, search, log) -> None:
    listings = pl.concat([log] * (5_000 // log.height + 1)).head(5_000)
    own = [c for c in log.columns if c.startswith("listing_")]
    many = pl.concat([search.head(1)] * 5_000).with_columns(
        *(listings[name] for name in own),
        pl.Series("id_listing", [f"many{i:05d}" for i in range(5_000)]),
    )
    features = _features(finished, many, log)
    price = features["listing_nightly_price"]

    assert features["in_search_results"].unique().to_list() == [5_000]
    assert features["in_search_price_rank"].to_list() == price.rank("min").cast(pl.Int64).to_list()
    np.testing.assert_allclose(
        features["in_search_price_to_best"].to_numpy(), (price / price.min()).to_numpy()
    )
    scores = ranker.score(arrow(features))
    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) > 100


def test_ratings_that_are_all_null_change_what_reads_ratings_alone(
    finished, ranker, search, as_logged, log
) -> None:
    ratings = {c for c in log.columns if c.endswith("_rating")}
    unrated = search.with_columns(pl.lit(None, pl.Float64).alias(c) for c in ratings)
    features = _features(finished, unrated, log)
    changed = _changed(features, as_logged)

    assert len(ratings) == 7
    assert changed >= ratings | {"in_search_rating_rank", "listing_value_gap"}
    assert all("rating" in c or c.endswith(("_gap", "_dominated_by")) for c in changed)
    assert _nulls(features, changed) == changed
    assert np.isfinite(ranker.score(arrow(features))).all()


def test_market_never_seen_in_training_has_no_rates(
    finished, ranker, search, as_logged, log
) -> None:
    elsewhere = search.with_columns(pl.lit("atlantis").alias("market"))
    features = _features(finished, elsewhere, log)
    calendar = {"query_stay_holidays", "query_carnival_nights", "query_checkin_month"}
    of_market = {"market", "market_searches_24h", "market_checkin_share"}

    assert features["market_searches_24h"].unique().to_list() == [0]
    assert _nulls(features, set(SHRUNK_RATES)) == set(SHRUNK_RATES)
    assert _changed(features, as_logged) <= {*SHRUNK_RATES, *calendar, *of_market}
    assert np.isfinite(ranker.score(arrow(features))).all()


def test_new_category_value_scores_as_a_missing_one(finished, ranker, search, log) -> None:
    columns = ("listing_room_type", "listing_property_type")
    igloo, unknown = (
        _features(finished, search.with_columns(**dict(zip(columns, values, strict=True))), log)
        for values in (
            (pl.lit("igloo"), pl.lit("9999")),
            (pl.lit(None, pl.String), pl.lit(None, pl.String)),
        )
    )

    assert _changed(igloo, unknown) == {*columns, "in_search_room_type_share"}
    # All results are igloos, of nothing known there is no share: the one difference that stays.
    assert igloo["in_search_room_type_share"].unique().to_list() == [1.0]
    unknown = unknown.with_columns(igloo["in_search_room_type_share"])
    np.testing.assert_array_equal(ranker.score(arrow(igloo)), ranker.score(arrow(unknown)))


def test_guest_with_a_thousand_searches(finished, ranker, search, log) -> None:
    guest = "u_tireless"
    searches = log["id_search"].unique().sort().head(1_000).to_list()
    is_guests = pl.col("id_search").is_in(searches)
    past = log.with_columns(
        pl.when(is_guests).then(pl.lit(guest)).otherwise(pl.col("id_user")).alias("id_user")
    )
    now = search.with_columns(
        pl.lit(guest).alias("id_user"),
        pl.lit("s_next").alias("id_search"),
        pl.col("search_s").max() + 60,
    )
    features = _features(finished, now, past)
    clicked = past.filter(pl.col("id_user") == guest, pl.col("stage") >= 1).height

    assert features["guest_past_searches"].unique().to_list() == [1_000]
    assert features["guest_past_clicks"].unique().to_list() == [clicked]
    assert np.isfinite(ranker.score(arrow(features))).all()
