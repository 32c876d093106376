"""Books brought forward block by block answer what the past answers at once."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S
from features.history.aggregation import Aggregate, HistoryAggregation, LastEventTime
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
LEDGER = HistoryAggregation(
    key=("id_listing",),
    aggregates=(
        Aggregate(name="seen"),
        Aggregate(name="guests_of_party", of="query_num_guests"),
        Aggregate(name="guests", stage=CLICKED, distinct="id_user"),
        Aggregate(name="contacts", stage=CONTACTED),
        Aggregate(name="books", stage=BOOKED),
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
    key=("id_listing",), aggregates=LEDGER.aggregates, latest=LEDGER.latest, refresh_s=7_200
)
DAILY = HistoryAggregation(
    key=("id_listing", "query_num_guests"), aggregates=LEDGER.aggregates, refresh_s=DAY_S
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
    found: pl.DataFrame = joined.collect().to_native()
    return found.sort("id_search").select("id_search", *aggregation.names)


def in_blocks(
    log: pl.DataFrame, aggregation: HistoryAggregation, size: int, built: int
) -> pl.DataFrame:
    """Blocks of ``size`` times each; those before the ``built``-th are only posted."""
    times = log["search_s"].unique().sort()
    streaming, found = StreamingAggregates(), []
    streaming.totals_before(aggregation, none := Rows(log.head(0)), none)
    for number, first in enumerate(range(0, len(times), size)):
        block = log.filter(pl.col("search_s").is_in(times[first : first + size].implode()))
        if number < built:
            streaming.add_events(block, int(times[min(size * built, len(times) - 1)]))
            continue
        rows = Rows(block)
        found.append(
            block.select("id_search").hstack(streaming.totals_before(aggregation, rows, rows))
        )
    return pl.concat(found).sort("id_search") if found else pl.DataFrame()


@pytest.mark.parametrize("aggregation", [LEDGER, WINDOW, PAIR, HOURLY, DAILY])
@settings(max_examples=40, deadline=None, derandomize=True)
@given(events=EVENTS, size=st.integers(1, 6), built=st.integers(0, 3))
def test_blocks_of_any_size_give_the_sums_of_all_at_once(
    aggregation: HistoryAggregation, events: list[Any], size: int, built: int
) -> None:
    log = log_of(events)
    found = in_blocks(log, aggregation, size, built)
    if found.height:
        whole = at_once(log, aggregation)
        expected = whole.filter(pl.col("id_search").is_in(found["id_search"].implode()))
        assert differences(found, expected) == []


def test_a_value_too_long_for_a_packed_key_is_refused() -> None:
    rows = Rows(pl.DataFrame({"a": [1], "b": [2], "c": [1 << 20]}))
    with pytest.raises(ValueError, match="column c holds a value of more than 16 bits"):
        rows.keys(("a", "b", "c"))


def test_negative_parts_of_a_packed_key_stay_apart() -> None:
    rows = Rows(pl.DataFrame({"a": [1, 1, 1], "b": [-1, 1, -2]}))
    assert len(set(rows.packed(("a", "b")).tolist())) == 3
