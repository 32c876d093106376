"""A new feature is one record, and one sum where it is of the past: no engine is touched."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.tables import CLICKED
from data.schema.time import HOUR_S
from features import all_features
from features.all_features import available_features
from features.definitions.definition import defined, hidden
from features.formulas.comparisons import Comparison
from features.formulas.ratios import ratio
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
from tests.features.engines import AT_ONCE, ENGINES, Engine
from tests.features.worlds import differences, tied_impressions

TYPE_CLICKS = HistoryAggregation(
    key=("market", "listing_property_type"),
    aggregates=(
        Aggregate(name="_type_clicks", stage=CLICKED),
        Aggregate(name="_type_impressions"),
        Aggregate(name="_type_bedrooms_seen", of="_bedrooms"),
    ),
    refresh_s=HOUR_S,
)
GUEST_TYPE = HistoryAggregation(
    key=("id_user", "listing_property_type"),
    aggregates=(Aggregate(name="example_guest_type_clicks", stage=CLICKED),),
)
EXAMPLE = (
    defined(
        "example_type_click_rate",
        "click rate of listings of this property type",
        ratio(pl.col("_type_clicks"), pl.col("_type_impressions")),
    ),
    defined(
        "example_type_bedrooms",
        "mean bedrooms of what was shown of this property type",
        ratio(pl.col("_type_bedrooms_seen"), pl.col("_type_impressions")),
    ),
    defined("example_guest_type_clicks", "clicks of the guest on this property type"),
    defined(
        "example_rank",
        "rank by that rate among the results",
        Comparison(column="example_type_click_rate", kind="rank", low_is_good=False),
    ),
)
NAMES = [definition.name for definition in EXAMPLE]


@pytest.fixture
def _with_example(monkeypatch: pytest.MonkeyPatch) -> None:
    bedrooms = hidden("_bedrooms", pl.col("listing_num_bedrooms").cast(pl.Int64))
    monkeypatch.setitem(all_features._GROUPS, "example", EXAMPLE)
    monkeypatch.setattr(all_features, "_INPUTS", (*all_features._INPUTS, bedrooms))
    sources = (*all_features._SOURCES, TYPE_CLICKS, GUEST_TYPE)
    monkeypatch.setattr(all_features, "_SOURCES", sources)


@pytest.mark.usefixtures("_with_example")
def test_its_needs_follow_from_the_record() -> None:
    log = tied_impressions(3)
    features = {f.name: f for f in available_features(log.columns)}
    rank = features["example_rank"]
    assert set(rank.needs) == {"listing_property_type", "stage"}
    assert (rank.group, rank.is_history) == ("example", True)
    assert "example_rank" not in available_features(log.drop("listing_property_type").columns).names


@pytest.mark.usefixtures("_with_example")
@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_every_engine_builds_it(engine: Engine) -> None:
    log = tied_impressions(3)
    chosen = available_features(log.columns).only(NAMES)
    built = engine.build(log, chosen)
    assert differences(built, AT_ONCE.build(log, chosen)) == []
    assert built["example_guest_type_clicks"].max() > 0  # type: ignore[operator]
    assert built["example_rank"].max() > 1  # type: ignore[operator]
    assert built["example_type_bedrooms"].is_between(0, 4).all()
