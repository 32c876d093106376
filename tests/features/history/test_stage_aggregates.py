"""Events of one stage by hand: when they become visible, leave a window, and count as new."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from data.schema.tables import BOOKED, CLICKED
from data.schema.time import DAY_S, HOUR_S
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.keyed_events import NEVER, PointInTimeQuery
from features.history.packed_keys import Rows
from features.history.stage_aggregates import StageAggregate, stage_aggregates_of

KEY = ("listing",)
TYPES = {
    "listing": pl.Int64,
    "search_s": pl.Int64,
    "stage": pl.Int8,
    "book_day": pl.Int32,
    "guest": pl.Int64,
    "party": pl.Int64,
}


def only_part(*aggregates: Aggregate, refresh_s: int = 1, **kinds: Any) -> StageAggregate:
    aggregation = HistoryAggregation(key=KEY, aggregates=aggregates, refresh_s=refresh_s, **kinds)
    (part,) = stage_aggregates_of(aggregation)
    return part


def block(*rows: dict[str, int | None]) -> Rows:
    """Rows of listing 7, unless they say otherwise."""
    return Rows(pl.DataFrame([{"listing": 7, "stage": 0, **row} for row in rows], schema=TYPES))


def sums_before(part: StageAggregate, rows: Rows) -> list[int]:
    """The part's first sum for each row; the rows' events are then in its totals."""
    sums, _ = totals_before(part, rows)
    return sums[0]


def totals_before(part: StageAggregate, rows: Rows) -> tuple[list[list[int]], list[list[int]]]:
    keys = rows.keys(KEY)
    query = PointInTimeQuery(keys, rows.integers("search_s"))
    sums, latest = part.totals_before(query, rows, keys, is_same_block=True)
    return [amount.tolist() for amount in sums], [moment.tolist() for moment in latest]


def test_parts_share_their_stage_window_and_distinct_count() -> None:
    aggregation = HistoryAggregation(
        key=KEY,
        aggregates=(
            Aggregate(name="seen"),
            Aggregate(name="guests_of_party", of="party"),
            Aggregate(name="seen_1h", window_s=HOUR_S),
            Aggregate(name="guests", distinct="guest"),
            Aggregate(name="clicks", stage=CLICKED),
        ),
        latest=(LastEventTime(name="clicked_s", stage=CLICKED), LastEventTime(name="seen_s")),
    )
    assert [part.names for part in stage_aggregates_of(aggregation)] == [
        ("seen", "guests_of_party", "seen_s"),
        ("seen_1h",),
        ("guests",),
        ("clicks", "clicked_s"),
    ]


def test_a_click_is_known_from_the_next_second_on_in_its_block_and_in_later_ones() -> None:
    part = only_part(
        Aggregate(name="clicks", stage=CLICKED), latest=(LastEventTime(name="s", stage=CLICKED),)
    )
    first = block(
        {"search_s": 10, "stage": 1}, {"search_s": 10, "stage": 1}, {"search_s": 11, "stage": 0}
    )
    assert totals_before(part, first) == ([[0, 0, 2]], [[NEVER, NEVER, 10]])
    second = block({"search_s": 20, "stage": 1}, {"search_s": 21})
    assert totals_before(part, second) == ([[2, 3]], [[10, 20]])


def test_a_booking_is_pending_until_the_day_after_it() -> None:
    part = only_part(Aggregate(name="bookings", stage=BOOKED))
    assert sums_before(part, block({"search_s": 10, "stage": 3, "book_day": 1})) == [0]
    assert sums_before(part, block({"search_s": 2 * DAY_S - 1})) == [0]
    assert sums_before(part, block({"search_s": 2 * DAY_S})) == [1]


def test_hourly_sums_hold_the_events_of_the_hours_that_have_ended() -> None:
    part = only_part(Aggregate(name="seen"), refresh_s=HOUR_S)
    seconds = [100, 200, HOUR_S - 1, HOUR_S, HOUR_S + 5, 2 * HOUR_S]
    rows = block(*({"search_s": second} for second in seconds))
    assert sums_before(part, rows) == [0, 0, 0, 3, 3, 5]


@pytest.mark.parametrize("cuts", [[], [1], [2], [1, 2, 3]])
def test_an_event_leaves_the_window_in_whichever_block_that_happens(cuts: list[int]) -> None:
    part = only_part(Aggregate(name="seen_1m", window_s=60))
    seconds = [100, 160, 161, 221]
    blocks = np.split(np.array(seconds), cuts)
    sums = [sums_before(part, block(*({"search_s": int(s)} for s in b))) for b in blocks]
    # 160 is still within a minute of 100, 161 is not.
    assert [n for of_block in sums for n in of_block] == [0, 1, 1, 1]


def test_a_distinct_value_counts_once_and_not_again_in_a_later_block() -> None:
    part = only_part(Aggregate(name="guests", distinct="guest"))
    first = block(
        {"search_s": 10, "guest": 1}, {"search_s": 20, "guest": 1}, {"search_s": 30, "guest": None}
    )
    assert sums_before(part, first) == [0, 1, 1]
    second = block({"search_s": 40, "guest": 1}, {"search_s": 50, "guest": 2}, {"search_s": 60})
    assert sums_before(part, second) == [1, 1, 2]


def test_a_sum_adds_the_column_up_and_a_null_adds_nothing() -> None:
    part = only_part(Aggregate(name="guests", of="party"))
    rows = block(
        {"search_s": 1, "party": 4}, {"search_s": 2, "party": None}, {"search_s": 3, "party": 2}
    )
    assert sums_before(part, rows) == [0, 4, 4]


def test_events_of_a_time_that_is_not_built_are_known_afterwards() -> None:
    part = only_part(Aggregate(name="bookings", stage=BOOKED))
    skipped = block(
        {"search_s": 10, "stage": 3, "book_day": 0},
        {"search_s": DAY_S, "stage": 3, "book_day": 1},
        {"search_s": DAY_S, "stage": 3, "book_day": 2},
    )
    part.add_events(skipped, skipped.keys(KEY), until_s=2 * DAY_S)
    rows = block({"search_s": 2 * DAY_S}, {"search_s": 3 * DAY_S})
    assert sums_before(part, rows) == [2, 3]


def test_a_build_that_begins_within_an_hour_knows_the_events_of_the_hours_before() -> None:
    part = only_part(Aggregate(name="seen"), refresh_s=HOUR_S)
    skipped = block({"search_s": HOUR_S - 1}, {"search_s": HOUR_S}, {"search_s": HOUR_S + 1})
    part.add_events(skipped, skipped.keys(KEY), until_s=HOUR_S + 100)
    assert sums_before(part, block({"search_s": HOUR_S + 100}, {"search_s": 2 * HOUR_S})) == [1, 4]


def test_events_that_left_the_window_before_the_build_begins_are_not_counted() -> None:
    part = only_part(Aggregate(name="seen_1m", window_s=60))
    skipped = block({"search_s": 100}, {"search_s": 150})
    part.add_events(skipped, skipped.keys(KEY), until_s=170)
    assert sums_before(part, block({"search_s": 170}, {"search_s": 211})) == [1, 1]


def test_keys_given_beforehand_are_the_only_ones_with_totals() -> None:
    part = only_part(Aggregate(name="seen"))
    part.restrict_to_keys(np.array([7, 8], dtype=np.uint64))
    assert sums_before(part, block({"search_s": 1}, {"search_s": 2, "listing": 8})) == [0, 0]
    assert sums_before(part, block({"search_s": 3}, {"search_s": 4, "listing": 8})) == [1, 1]
