"""What a listing is worth to any guest, from the impressions before the day."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import pipelines.recommendation.listing_value
from data.schema.tables import FEATURES
from models.funnel.funnel_model import FunnelModel
from pipelines.candidates.candidate_rows import candidate_source
from pipelines.feature_table.arrow_conversion import arrow
from pipelines.recommendation.listing_value import (
    keep_listing_values,
    kept_listing_values,
    listing_values,
)
from pipelines.training.run_record import load_one, read_record
from tests.pipelines.recommendation.worlds import Trained


@pytest.fixture(scope="module")
def model(trained: Trained) -> FunnelModel:
    found = load_one(trained.context, read_record(trained.context.home, trained.run), "ranker")
    assert isinstance(found, FunnelModel)
    return found


def log_values(
    trained: Trained, model: FunnelModel, features: pl.DataFrame
) -> dict[str, list[float]]:
    """Log of P(booked | shown) of every impression, by listing."""
    values = np.log(model.probabilities(arrow(features))["book"])
    of_listing = defaultdict(list)
    for listing, value in zip(features["id_listing"], values.tolist(), strict=True):
        of_listing[listing].append(value)
    return of_listing


def test_a_value_is_the_mean_drawn_to_that_of_all(trained: Trained, model: FunnelModel) -> None:
    day = trained.morning - 2
    before = log_values(trained, model, trained.features_before(day))
    mean = np.mean([value for values in before.values() for value in values])
    catalogue = candidate_source(trained.impressions.lazy(), day).catalogue
    catalogue = pl.concat(
        [catalogue, catalogue.head(1).with_columns(id_listing=pl.lit("never shown"))]
    )

    values = listing_values(trained.context, model, catalogue, day)

    # As if each had five impressions more, of the mean; the one that was never shown has these.
    expected = [
        (sum(before[listing]) + 5 * mean) / (len(before[listing]) + 5)
        for listing in catalogue["id_listing"]
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-12)
    assert values[-1] == pytest.approx(mean)


def test_later_impressions_change_no_bit(
    trained: Trained, model: FunnelModel, tmp_path: Path
) -> None:
    day = trained.morning - 2
    # In another order of the rows too.
    known = trained.features_before(day).sort("id_listing", descending=True)
    context = trained.with_log(tmp_path / "home", trained.impressions, known)
    catalogue = candidate_source(trained.impressions.lazy(), day).catalogue
    np.testing.assert_array_equal(
        listing_values(context, model, catalogue, day),
        listing_values(trained.context, model, catalogue, day),
    )


def test_of_a_long_log_the_latest_days_count(
    trained: Trained, model: FunnelModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = trained.context.lake.scan(FEATURES.name).collect()
    last = features.filter(pl.col("search_day") == trained.morning - 1)
    monkeypatch.setattr(pipelines.recommendation.listing_value, "_IMPRESSIONS", last.height)
    of_last_day = log_values(trained, model, last)
    mean = np.mean([value for values in of_last_day.values() for value in values])
    catalogue = candidate_source(trained.impressions.lazy(), trained.morning).catalogue
    values = listing_values(trained.context, model, catalogue, trained.morning)
    expected = [
        (sum(of_last_day[listing]) + 5 * mean) / (len(of_last_day[listing]) + 5)
        for listing in catalogue["id_listing"]
    ]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_before_the_first_impression_all_are_worth_the_same(
    trained: Trained, model: FunnelModel
) -> None:
    first = int(trained.impressions["search_day"].min())
    catalogue = candidate_source(trained.impressions.lazy(), trained.morning).catalogue
    assert set(listing_values(trained.context, model, catalogue, first)) == {0.0}


def test_kept_values_are_those_of_the_same_day_ranker_and_features_alone(
    trained: Trained, model: FunnelModel, tmp_path: Path
) -> None:
    day = trained.morning - 2
    features = trained.features_before(trained.morning)
    context = trained.with_log(tmp_path / "home", trained.impressions, features)
    catalogue = candidate_source(trained.impressions.lazy(), day).catalogue
    assert kept_listing_values(context, "3", catalogue, day) is None
    values = listing_values(context, model, catalogue, day)
    keep_listing_values(context, "3", catalogue, day, values)
    shuffled = catalogue.sample(fraction=1.0, shuffle=True, seed=1)
    kept = kept_listing_values(context, "3", shuffled, day)
    assert kept is not None
    of_listing = dict(zip(catalogue["id_listing"], values.tolist(), strict=True))
    assert kept.tolist() == [of_listing[listing] for listing in shuffled["id_listing"]]
    assert kept_listing_values(context, "4", catalogue, day) is None
    assert kept_listing_values(context, "3", catalogue, day + 1) is None
    unknown = pl.concat([catalogue, catalogue.head(1).with_columns(id_listing=pl.lit("unknown"))])
    assert kept_listing_values(context, "3", unknown, day) is None
    # A past day that is made again does not take the place of a later one.
    keep_listing_values(context, "3", catalogue, day - 1, values)
    assert kept_listing_values(context, "3", catalogue, day) is not None
    context.lake.replace_all(FEATURES.name, features)
    assert kept_listing_values(context, "3", catalogue, day) is None


def test_a_damaged_file_of_values_is_as_none(trained: Trained, tmp_path: Path) -> None:
    context = trained.with_log(tmp_path / "home", trained.impressions)
    catalogue = candidate_source(trained.impressions.lazy(), trained.morning).catalogue
    keep_listing_values(context, "3", catalogue, trained.morning, np.zeros(catalogue.height))
    assert kept_listing_values(context, "3", catalogue, trained.morning) is not None
    (context.home.root / "listing_values.parquet").write_bytes(b"PAR1 and no more")
    assert kept_listing_values(context, "3", catalogue, trained.morning) is None
