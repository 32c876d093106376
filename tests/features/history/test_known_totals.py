"""Sums of few keys, added up in parts: what a loop over all events finds, wherever it is asked."""

from __future__ import annotations

from typing import Any

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S, HOUR_S
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.known_totals import (
    KnownTotals,
    entries_of,
    is_summable,
    key_text,
    stages_to_sum,
)
from features.on_spark.partitions import summed_entries
from tests.features.history.logs import SEARCHES, log_of
from tests.features.history.oracle import past_of

FUNNEL = (
    Aggregate(name="seen"),
    Aggregate(name="clicks", stage=CLICKED),
    Aggregate(name="contacts", stage=CONTACTED),
    Aggregate(name="bookings", stage=BOOKED),
)
SUMMED = (
    HistoryAggregation(key=("market", "listing_room_type"), aggregates=FUNNEL, refresh_s=HOUR_S),
    HistoryAggregation(
        key=("market", "checkin_day"),
        aggregates=(
            Aggregate(name="guests_of_party", of="query_num_guests"),
            Aggregate(name="seen"),
            Aggregate(name="lately", window_s=DAY_S),
            Aggregate(name="bookings_lately", stage=BOOKED, window_s=DAY_S),
        ),
        refresh_s=DAY_S,
    ),
    HistoryAggregation(
        key=("listing_room_type",),
        aggregates=(
            Aggregate(name="listings", distinct="id_listing"),
            Aggregate(name="clicked", stage=CLICKED, distinct="id_user"),
        ),
        refresh_s=2 * HOUR_S,
    ),
    HistoryAggregation(
        key=("market",),
        aggregates=(Aggregate(name="searches"), Aggregate(name="lately", window_s=2 * HOUR_S)),
        refresh_s=HOUR_S,
        counts_searches=True,
    ),
)


def known(log: pl.DataFrame, asked: pl.DataFrame, parts: int) -> list[dict[str, int | None]]:
    """The sums that each row asked for knows, from entries of so many parts of the log."""
    stages = stages_to_sum(SUMMED)
    rows_of = [log.gather_every(parts, n) for n in range(parts)]
    found = [
        entries_of(number, part, rows)
        for rows in rows_of
        if rows.height
        for number, part in enumerate(stages)
    ]
    summed = summed_entries(pl.concat(found))
    columns: dict[str, list[int | None]] = {}
    for number, part in enumerate(stages):
        totals = KnownTotals(
            summed.filter(pl.col("part") == number), sums=len(part.names), window_s=part.window_s
        )
        keys = key_text(asked, part.aggregation.key)
        sums, has_key = totals.before(keys, asked["search_s"].to_numpy())
        for name, amounts in zip(part.names, sums, strict=True):
            columns[f"{SUMMED.index(part.aggregation)} {name}"] = [
                amount if is_known else None
                for amount, is_known in zip(amounts.tolist(), has_key.tolist(), strict=True)
            ]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.Int64)).to_dicts()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(searches=SEARCHES, asked=SEARCHES, parts=st.integers(1, 5))
def test_entries_of_any_split_give_what_a_loop_over_all_events_finds(
    searches: list[Any], asked: list[Any], parts: int
) -> None:
    log = log_of(searches)
    every = log.to_dicts()
    rows = pl.concat([log, log_of(asked, prefix="c")])
    expected = [
        {
            f"{number} {name}": amount
            for number, aggregation in enumerate(SUMMED)
            for name, amount in past_of(aggregation, row, every).items()
        }
        for row in rows.to_dicts()
    ]
    assert known(log, rows, parts) == expected


def test_a_search_in_two_parts_of_the_log_counts_once() -> None:
    log = log_of([("u1", 0, {"l1": (0, None, None), "l2": (0, None, None)})])
    later = log_of([("u1", HOUR_S, {"l1": (0, None, None)})], prefix="c")
    assert known(log, later, parts=2)[0]["3 searches"] == 1


def test_keys_of_several_columns_do_not_run_into_each_other() -> None:
    rows = pl.DataFrame({"a": ["x", "xy", None], "b": ["yz", "z", "z"]})
    first, second, third = key_text(rows, ["a", "b"]).to_list()
    assert first != second
    assert third is None


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ({"aggregates": FUNNEL, "refresh_s": HOUR_S}, True),
        ({"aggregates": FUNNEL}, False),  # a sum for every second is no small table
        ({"aggregates": FUNNEL, "latest": (LastEventTime(name="s"),), "refresh_s": HOUR_S}, False),
        ({"aggregates": (*FUNNEL, Aggregate(name="more")), "refresh_s": HOUR_S}, False),
    ],
)
def test_only_sums_that_are_refreshed_seldom_are_summed_beforehand(
    kinds: dict[str, Any], expected: bool
) -> None:
    assert is_summable(HistoryAggregation(key=("market",), **kinds)) is expected
