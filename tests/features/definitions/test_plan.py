"""A plan reads what the features read, no more, and computes it where it belongs."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl
import pytest

from features.all_features import available_features, catalogue_for
from features.definitions.plan import Plan, plan_for
from tests.features.worlds import random_impressions

COLUMNS = random_impressions(1, searches=2).columns


def plan_of(*names: str, columns: Collection[str] = COLUMNS) -> Plan:
    return plan_for(catalogue_for(columns), available_features(columns).only(names), list(columns))


def names(steps: Collection[object]) -> set[str]:
    return {step.name for step in steps}  # type: ignore[attr-defined]


def test_a_feature_of_the_guest_s_clicks_sums_the_price_alone() -> None:
    plan = plan_of("guest_price_to_clicked")
    assert names(plan.inputs) == {"_price", "_has_price"}
    (source,) = plan.sources
    assert set(source.names) == {"_clicked_price", "_clicked_has_price"}
    assert plan.of_searches == ()
    assert set(plan.joined) == {"_clicked_price", "_clicked_has_price"}
    assert names(plan.of_rows) == {"listing_nightly_price", "guest_price_to_clicked"}
    assert "listing_lat" not in plan.read
    assert {"stage", "contact_day", "listing_total_price"} <= set(plan.read_of_events)


def test_what_is_the_same_for_all_results_is_computed_once_per_search() -> None:
    plan = plan_of("query_nights", "guest_past_clicks", "guest_mean_clicked_price")
    assert names(plan.of_searches) == {"query_nights", "guest_mean_clicked_price"}
    assert plan.of_rows == ()
    assert set(plan.joined) == {"query_nights", "guest_past_clicks", "guest_mean_clicked_price"}
    assert {"checkin_day", "checkout_day", "id_user"} <= set(plan.search_columns)


def test_a_feature_without_a_past_has_no_source_and_no_input() -> None:
    plan = plan_of("in_search_price_rank")
    assert (plan.sources, plan.inputs) == ((), ())
    assert names(plan.of_rows) == {"listing_nightly_price", "in_search_price_rank"}


@pytest.mark.parametrize("name", available_features(COLUMNS).names)
def test_each_feature_alone_reads_its_needs_and_no_outcome_but_through_the_past(name: str) -> None:
    plan = plan_of(name)
    (feature,) = (f for f in plan.features if f.name == name)
    assert set(feature.needs) <= {*plan.read, *plan.read_of_events}
    assert bool(plan.sources) == feature.is_history
    outcomes = {"stage", "contact_day", "book_day"}
    steps = (*plan.inputs, *plan.of_searches, *plan.of_rows)
    assert not any(set(step.reads) & outcomes for step in steps)


def test_what_a_log_lacks_is_not_read_of_it() -> None:
    few = [name for name in COLUMNS if name not in {"listing_cleaning_fee", "listing_room_type"}]
    plan = plan_of("listing_nightly_price", "listing_past_click_rate", columns=few)
    assert not {"listing_cleaning_fee", "listing_room_type"} & set(plan.read)
    frame = pl.DataFrame(schema=dict.fromkeys(few, pl.Int64))
    assert set(plan.read) <= set(frame.columns)
