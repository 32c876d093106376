"""Totals carried from block to block give the sums of a build of all rows at once."""

from __future__ import annotations

from functools import partial
from typing import Any

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.packed_keys import Rows
from features.history.point_in_time import EventHistory
from features.history.streaming_aggregates import StreamingAggregates
from tests.features.worlds import FIRST_DAY, differences, impression, typed

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["l1", "l2", None]),
        st.sampled_from(["u1", "u2", None]),
        st.integers(0, 12),
        st.integers(0, 3),
        st.none() | st.integers(0, 2),
        st.none() | st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)
LISTING = HistoryAggregation(
    key=("id_listing",),
    aggregates=(
        Aggregate(name="seen"),
        Aggregate(name="guests_of_party", of="query_num_guests"),
        Aggregate(name="guests", stage=CLICKED, distinct="id_user"),
        Aggregate(name="contacts", stage=CONTACTED),
        Aggregate(name="bookings", stage=BOOKED),
    ),
    latest=(
        LastEventTime(name="last_search"),
        LastEventTime(name="last_click", stage=CLICKED),
        LastEventTime(name="last_booking", stage=BOOKED),
    ),
)
WINDOW = HistoryAggregation(
    key=("id_listing",),
    aggregates=(Aggregate(name="seen", window_s=DAY_S), Aggregate(name="clicks", stage=CLICKED)),
    refresh_s=6 * 3_600,
)
PAIR = HistoryAggregation(
    key=("id_user", "id_listing"), aggregates=(Aggregate(name="seen"),), refresh_s=1, is_sparse=True
)
HOURLY = HistoryAggregation(
    key=("id_listing",), aggregates=LISTING.aggregates, latest=LISTING.latest, refresh_s=7_200
)
DAILY = HistoryAggregation(
    key=("id_listing", "query_num_guests"), aggregates=LISTING.aggregates, refresh_s=DAY_S
)


def log_of(events: list[Any]) -> pl.DataFrame:
    return typed(
        [
            impression(
                f"s{n}", listing, user=user, at=quarter * 6 * 3_600, stage=stage,
                contact_day=None if c is None else FIRST_DAY + quarter // 4 + c,
                book_day=None if b is None else FIRST_DAY + quarter // 4 + b,
                query_num_guests=1 + n % 3,
            )
            for n, (listing, user, quarter, stage, c, b) in enumerate(events)
        ]
    )  # fmt: skip


def at_once(log: pl.DataFrame, aggregation: HistoryAggregation) -> pl.DataFrame:
    queries = nw.from_native(log.lazy())
    joined = EventHistory(queries, queries=queries, queries_are_events=True).join(
        queries, aggregation
    )
    sums: pl.DataFrame = joined.collect().to_native()
    return sums.sort("id_search").select("id_search", *aggregation.names)


def in_blocks(
    log: pl.DataFrame, aggregation: HistoryAggregation, size: int, built: int
) -> pl.DataFrame:
    """Blocks of ``size`` times each; those before the ``built``-th are added without building."""
    times = log["search_s"].unique().sort()
    streaming, blocks = StreamingAggregates(), []
    streaming.totals_before(aggregation, none := Rows(log.head(0)), none)
    for number, first in enumerate(range(0, len(times), size)):
        block = log.filter(pl.col("search_s").is_in(times[first : first + size].implode()))
        if number < built:
            streaming.add_events(block, int(times[min(size * built, len(times) - 1)]))
            continue
        rows = Rows(block)
        blocks.append(
            block.select("id_search").hstack(streaming.totals_before(aggregation, rows, rows))
        )
    return pl.concat(blocks).sort("id_search") if blocks else pl.DataFrame()


@pytest.mark.parametrize("aggregation", [LISTING, WINDOW, PAIR, HOURLY, DAILY])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(events=EVENTS, size=st.integers(1, 6), built=st.integers(0, 3))
def test_blocks_of_any_size_give_the_sums_of_all_at_once(
    aggregation: HistoryAggregation, events: list[Any], size: int, built: int
) -> None:
    log = log_of(events)
    sums = in_blocks(log, aggregation, size, built)
    if sums.height:
        whole = at_once(log, aggregation)
        expected = whole.filter(pl.col("id_search").is_in(sums["id_search"].implode()))
        assert differences(sums, expected) == []


def test_rows_without_a_key_have_null_sums_and_count_for_no_row() -> None:
    rows = Rows(log_of([(None, "u1", 0, 0, None, None), ("l1", "u1", 1, 0, None, None)]))
    sums = StreamingAggregates().totals_before(LISTING, rows, rows)
    assert sums["seen"].to_list() == [None, 0]
    assert sums["last_search"].to_list() == [None, None]


def test_keys_that_come_once_have_sums_of_zero_when_totals_are_kept_of_repeated_keys_alone() -> (
    None
):
    rows = Rows(log_of([("l1", "u1", 0, 0, None, None), ("l2", "u1", 1, 0, None, None)] * 2))
    first, second = (Rows(part) for part in (rows.frame.head(2), rows.frame.tail(2)))
    streaming = StreamingAggregates()
    streaming.totals_before(LISTING, none := Rows(rows.frame.clear()), none)
    key_of_l1 = rows.keys(("id_listing",)).unique[rows.keys(("id_listing",)).of_row[:1]]
    streaming.restrict_to_keys(LISTING, key_of_l1)
    assert streaming.totals_before(LISTING, first, first)["seen"].to_list() == [0, 0]
    assert streaming.totals_before(LISTING, second, second)["seen"].to_list() == [1, 0]


def test_results_of_the_last_two_names_are_computed_once() -> None:
    calls: list[str] = []

    def make(name: str) -> tuple[nw.LazyFrame[Any]]:
        calls.append(name)
        return (nw.from_native(pl.LazyFrame({"day": [name]})),)

    streaming = StreamingAggregates()
    for name in ("day 1", "day 2", "day 1", "day 3", "day 2", "day 1"):
        (frame,) = streaming.cached(name, partial(make, name))
        assert frame.collect()["day"].to_list() == [name]
    assert calls == ["day 1", "day 2", "day 3", "day 1"]
