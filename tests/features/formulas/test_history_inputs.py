from __future__ import annotations

import narwhals as nw

from features.formulas.history_inputs import with_history_inputs
from tests.features.worlds import FIRST_DAY, impression, typed

ROWS = typed(
    [
        impression(
            listing_total_price=100.126,
            listing_review_rating=4.55,
            listing_person_capacity=3,
            listing_room_type="private_room",
            query_num_guests=1,
            checkin_day=FIRST_DAY + 8,
        ),
        impression(
            listing_total_price=None,
            listing_review_rating=None,
            listing_person_capacity=None,
            listing_room_type=None,
            query_num_guests=None,
            checkin_day=None,
        ),
    ]
)


def measures(*names: str) -> list[tuple[object, ...]]:
    return with_history_inputs(nw.from_native(ROWS.lazy())).collect().select(*names).rows()


def test_measures_are_whole_hundredths_and_null_where_unknown() -> None:
    assert measures("_price", "_rating", "_capacity") == [(10_013, 455, 3), (None, None, None)]


def test_known_values_and_room_types_are_counted_as_0_or_1() -> None:
    names = ("_has_price", "_has_rating", "_is_private_room", "_is_entire_home")
    assert measures(*names) == [(1, 1, 1, 0), (0, 0, 0, 0)]


def test_buckets_number_the_bounds_that_are_exceeded() -> None:
    # One guest exceeds none of (1, 2, 4), a capacity of 3 two; 8 days exceed 1 and 7 of
    # (1, 7, 30, 90).
    assert measures("_party", "_size", "_lead") == [(0, 2, 2), (None, None, None)]


def test_an_unknown_room_type_is_a_key_of_its_own() -> None:
    assert measures("_room") == [("private_room",), ("unknown",)]


def test_only_the_named_measures_and_what_they_read_are_added() -> None:
    rows = nw.from_native(ROWS.lazy())
    added = with_history_inputs(rows, ["_has_rating", "_lead"]).collect_schema().names()
    assert added == [*ROWS.columns, "_rating", "_lead", "_has_rating"]
