"""What sums over the past add up and group by, by hand."""

from __future__ import annotations

import polars as pl
import pytest

from features.definitions.definition import reads, value_of
from features.groups.history_inputs import INPUTS
from tests.features.worlds import FIRST_DAY, impression, typed

ROWS = typed(
    [
        impression(
            listing_total_price=100.126,
            listing_review_rating=4.55,
            listing_person_capacity=3,
            listing_room_type="private_room",
            listing_lat=-22.9701,
            query_num_guests=1,
            checkin_day=FIRST_DAY + 8,
        ),
        impression(
            listing_total_price=None,
            listing_review_rating=None,
            listing_person_capacity=None,
            listing_room_type=None,
            listing_lat=None,
            query_num_guests=None,
            checkin_day=None,
        ),
    ]
)


def measures(*names: str, of: pl.DataFrame = ROWS) -> list[tuple[object, ...]]:
    """These inputs of each row; what they read of other inputs is computed before them."""
    frame = of
    for definition in INPUTS:
        value = value_of(definition, of.columns)
        assert isinstance(value, pl.Expr)
        if set(reads(definition, of.columns)) <= set(frame.columns):
            frame = frame.with_columns(value.alias(definition.name))
    return frame.select(names).rows()


def test_measures_are_whole_numbers_and_null_where_unknown() -> None:
    names = ("_price", "_rating", "_capacity", "_lat")
    assert measures(*names) == [(10_013, 455, 3, -22_970_100), (None,) * 4]


def test_known_values_and_room_types_are_counted_as_0_or_1() -> None:
    names = ("_has_price", "_has_rating", "_is_private_room", "_is_entire_home")
    assert measures(*names) == [(1, 1, 1, 0), (0, 0, 0, 0)]


def test_buckets_number_the_bounds_that_are_exceeded() -> None:
    # One guest exceeds none of (1, 2, 4), a capacity of 3 two; 8 days exceed 1 and 7 of
    # (1, 7, 30, 90).
    assert measures("_party", "_size", "_lead") == [(0, 2, 2), (None, None, None)]


def test_an_unknown_room_type_is_a_key_of_its_own() -> None:
    assert measures("_room") == [("private_room",), ("unknown",)]


def test_every_listing_of_a_log_without_room_types_has_that_key() -> None:
    assert set(measures("_room", of=ROWS.drop("listing_room_type"))) == {("unknown",)}


@pytest.mark.parametrize("definition", INPUTS, ids=lambda definition: definition.name)
def test_no_input_reads_an_outcome_or_an_id(definition: object) -> None:
    outcomes = {"stage", "contact_day", "book_day", "id_user", "id_listing", "id_search"}
    assert not set(reads(definition, ROWS.columns)) & outcomes  # type: ignore[arg-type]
