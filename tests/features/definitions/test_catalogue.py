"""What a catalogue refuses, and what it derives from what the definitions read."""

from __future__ import annotations

import polars as pl
import pytest

from data.schema.tables import BOOKED, IMPRESSIONS
from features.all_features import ALL_FEATURES
from features.definitions.catalogue import ALWAYS_THERE, Catalogue
from features.definitions.definition import Definition, defined, hidden
from features.history.aggregation_declaration import Aggregate, HistoryAggregation
from features.history.past_sources import PastSource

BOOKINGS = HistoryAggregation(
    key=("id_listing", "_size"), aggregates=(Aggregate(name="_bookings", stage=BOOKED),)
)
SIZE = hidden("_size", pl.col("listing_person_capacity") // 2)


def catalogue(
    *definitions: Definition,
    inputs: tuple[Definition, ...] = (SIZE,),
    sources: tuple[PastSource, ...] = (BOOKINGS,),
) -> Catalogue:
    return Catalogue({"example": definitions}, inputs, sources)


def test_two_definitions_of_one_name_are_refused() -> None:
    twice = defined("beds", "beds", pl.col("listing_num_beds"))
    with pytest.raises(ValueError, match="beds: two definitions"):
        catalogue(twice, twice)
    with pytest.raises(ValueError, match="_size: two definitions"):
        catalogue(inputs=(SIZE, SIZE))


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="_bookings: two definitions, or two sources"):
        catalogue(sources=(BOOKINGS, BOOKINGS))


def test_an_expression_that_reads_what_nothing_makes_is_refused_by_name() -> None:
    wrong = defined("share", "share", pl.col("_bookings") / pl.col("listing_bedz"))
    with pytest.raises(ValueError, match=r"share reads listing_bedz: no column of the log"):
        catalogue(wrong)


def test_needs_follow_from_what_is_read_step_by_step() -> None:
    per_bed = defined("per_bed", "bookings per bed", pl.col("_bookings") / pl.col("beds"))
    beds = defined("beds", "beds", pl.col("listing_num_beds") * 1)
    built = catalogue(per_bed, beds)
    # In the order of the contract; of the key `_size` the column that it is made of.
    needs = {"stage", "book_day", "listing_num_beds", "listing_person_capacity"}
    assert set(built.needs("per_bed")) == needs
    in_order = [name for name in IMPRESSIONS.names if name in needs]
    assert list(built.needs("per_bed")) == in_order
    assert built.needs("beds") == ("listing_num_beds",)


def test_a_feature_is_of_the_past_if_anything_that_it_reads_is() -> None:
    rank = defined("twice", "twice the bookings", pl.col("per_bed") * 2)
    per_bed = defined("per_bed", "per bed", pl.col("_bookings") / pl.col("listing_num_beds"))
    beds = defined("listing_num_beds", "beds")
    features = {f.name: f.is_history for f in catalogue(rank, per_bed, beds).features()}
    assert features == {"twice": True, "per_bed": True, "listing_num_beds": False}


def test_a_column_as_given_needs_itself_and_keeps_its_group_and_words() -> None:
    beds = defined("listing_num_beds", "beds", unit="beds", null="not given")
    (feature,) = catalogue(beds).features()
    assert (feature.needs, feature.group) == (("listing_num_beds",), "example")
    assert (feature.unit, feature.null, feature.kind) == ("beds", "not given", "number")


def test_no_feature_needs_what_every_log_has_or_what_no_log_has() -> None:
    for feature in ALL_FEATURES:
        assert not set(feature.needs) & set(ALWAYS_THERE)
        assert set(feature.needs) <= set(IMPRESSIONS.names), feature.name
    assert not any(f.name.startswith("_") for f in ALL_FEATURES)


@pytest.mark.parametrize(
    ("name", "needs", "is_history"),
    [
        ("query_nights", {"checkin_day", "checkout_day"}, False),
        ("guest_price_to_clicked", {"id_user", "stage", "listing_total_price"}, True),
        ("listing_past_bookings", {"stage", "book_day"}, True),
        ("guest_clicks_similarity", {"id_user", "stage"}, True),
        ("in_search_results", set(), False),
        # Its parts that a log may lack are no needs.
        ("listing_nightly_price", {"listing_total_price"}, False),
    ],
)
def test_needs_of_features_by_hand(name: str, needs: set[str], is_history: bool) -> None:
    (feature,) = (f for f in ALL_FEATURES if f.name == name)
    assert (set(feature.needs), feature.is_history) == (needs, is_history)
