from __future__ import annotations

import polars as pl
import pytest

from data.errors import DataError
from data.schema.feature_set import FeatureSet
from data.schema.tables import CARRIED, IMPRESSIONS
from features.all_features import ALL_FEATURES, available_features
from features.build import build_features
from tests.features.worlds import random_impressions

KEY = ["id_search", "id_listing"]


def built(
    rows: pl.DataFrame, past: pl.DataFrame, features: FeatureSet | None = None
) -> pl.DataFrame:
    return build_features(rows, past, features=features).sort(KEY)


def test_one_row_in_is_one_row_out_with_its_identity_first() -> None:
    log = random_impressions(5)
    features = built(log, log)
    assert features.select(KEY).is_unique().all()
    names = available_features(log.columns).names
    carried = [name for name in CARRIED if name in log.columns]
    assert features.columns == [*carried, *names]
    assert features.select(carried).equals(log.sort(KEY).select(carried), null_equal=True)


def test_a_log_of_all_contract_columns_supports_every_feature() -> None:
    names = [column.name for column in IMPRESSIONS.columns]
    assert available_features(names).names == tuple(f.name for f in ALL_FEATURES)


def test_features_have_unique_names_and_each_a_group_meaning_and_null_meaning() -> None:
    FeatureSet(ALL_FEATURES)
    assert all(f.meaning and f.null and f.group for f in ALL_FEATURES)


def test_kinds_are_what_the_tuples_say() -> None:
    log = random_impressions(6)
    features = built(log, log)
    for entry in available_features(log.columns):
        dtype = features.schema[entry.name]
        kind = {pl.Boolean: "boolean", pl.String: "category"}.get(type(dtype), "number")  # type: ignore[call-overload]
        assert kind == entry.kind, (entry.name, dtype)


def test_position_and_propensity_are_never_features() -> None:
    assert not {"position", "propensity", "is_random_order"} & {f.name for f in ALL_FEATURES}
    assert all("position" not in f.needs for f in ALL_FEATURES)


def test_columns_that_the_log_lacks_drop_their_features_and_no_others() -> None:
    log = random_impressions(7, searches=20)
    lacking = ["id_user", "listing_lat", "listing_review_rating", "book_day", "query_radius"]
    poor = log.drop(lacking)
    expected = {f.name for f in ALL_FEATURES if not set(f.needs) & set(lacking)}
    features = built(poor, poor)
    assert set(features.columns) - set(CARRIED) == expected - set(CARRIED)


def test_a_log_of_the_required_columns_alone_builds() -> None:
    required = ["id_search", "id_listing", "market", "search_s", "search_day", "stage"]
    log = random_impressions(8, searches=10).select(required)
    features = built(log, log)
    supported = {f.name for f in ALL_FEATURES if set(f.needs) <= set(required)}
    assert set(features.columns) - set(CARRIED) == supported
    assert features["in_search_results"].to_list() == [8] * log.height
    last = features.filter(pl.col("search_s") == pl.col("search_s").max())
    before = log.filter(pl.col("search_s") < log["search_s"].max(), pl.col("stage") >= 1)
    clicks = dict(before.group_by("id_listing").len().iter_rows())
    expected = [clicks.get(listing, 0) for listing in last["id_listing"]]
    assert last["listing_past_clicks"].to_list() == expected
    assert sum(expected) > 0


def test_a_log_without_rows_gives_a_table_without_rows() -> None:
    log = random_impressions(8, searches=2).clear()
    features = built(log, log)
    assert features.height == 0
    carried = [name for name in CARRIED if name in log.columns]
    assert features.columns == [*carried, *available_features(log.columns).names]


def test_asking_for_a_feature_that_the_log_does_not_support_names_the_column() -> None:
    log = random_impressions(9, searches=5)
    wanted = available_features(log.columns).only(["fit_distance_km"])
    with pytest.raises(ValueError, match=r"fit_distance_km needs .*listing_lat"):
        built(log.drop("listing_lat"), log, wanted)


def test_wrong_type_names_the_column() -> None:
    log = random_impressions(9, searches=5).with_columns(pl.col("listing_lat").cast(pl.String))
    with pytest.raises(DataError, match="column listing_lat is String"):
        built(log, log)


def test_absent_identity_names_the_column() -> None:
    log = random_impressions(9, searches=5)
    with pytest.raises(DataError, match="search_day"):
        built(log.drop("search_day"), log)


def test_no_feature_is_ever_nan_or_infinite() -> None:
    log = random_impressions(11, searches=80)
    numbers = built(log, log).select(pl.selectors.float())
    assert numbers.select(pl.all().is_finite().all()).row(0) == (True,) * numbers.width


def test_candidates_get_the_features_that_training_gave_the_same_search() -> None:
    log = random_impressions(10, searches=40)
    trained = built(log, log)
    last = log["search_s"].max()
    outcomes = ["stage", "contact_day", "book_day"]
    search = log.filter(pl.col("search_s") == last)
    candidates = search.drop(outcomes)
    names = available_features(log.columns)
    scored = built(candidates, log, names)
    same = trained.join(search.select(KEY), on=KEY, how="semi").drop(outcomes).sort(KEY)
    assert scored.height > 0
    assert scored.equals(same, null_equal=True)
