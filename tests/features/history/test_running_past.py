"""The past that is fed by time is what a loop over all events finds for each row."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import hypothesis.strategies as st
import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S, HOUR_S
from features.formulas.listing_vectors import VectorConfig
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.clicked_vectors import ClickedVectorSums, ListingVectors
from features.history.id_codes import encode_ids
from features.history.packed_keys import Rows
from features.history.past_sources import PastSource
from features.history.running_past import RunningPast, is_of_searches, searches_of
from features.history.sessions import GuestSessions
from tests.features.history.logs import EVERY_SECOND, SEARCHES, log_of
from tests.features.history.oracle import past_of
from tests.features.worlds import impression, random_impressions, typed

QUICK = settings(max_examples=25, deadline=None, derandomize=True)

COUNTS = (
    Aggregate(name="seen"),
    Aggregate(name="guests_of_party", of="query_num_guests"),
    Aggregate(name="party_clicked", stage=CLICKED, of="query_num_guests"),
    Aggregate(name="clicks", stage=CLICKED),
    Aggregate(name="contacts", stage=CONTACTED),
    Aggregate(name="bookings", stage=BOOKED),
    Aggregate(name="party_booked", stage=BOOKED, of="query_num_guests"),
)
LATEST = (
    LastEventTime(name="seen_s"),
    LastEventTime(name="clicked_s", stage=CLICKED),
    LastEventTime(name="booked_s", stage=BOOKED),
)


def _windows(window_s: int) -> tuple[Aggregate, ...]:
    return (
        Aggregate(name="lately", window_s=window_s),
        Aggregate(name="clicks_lately", stage=CLICKED, window_s=window_s),
        Aggregate(name="bookings_lately", stage=BOOKED, window_s=window_s),
    )


def _distinct(column: str) -> tuple[Aggregate, ...]:
    return (
        Aggregate(name="different", distinct=column),
        Aggregate(name="different_clicked", stage=CLICKED, distinct=column),
    )


VECTORS = VectorConfig(dimensions=1)
LISTING, PAIR = ("id_listing",), ("id_user", "id_listing")
SOURCES: dict[str, PastSource] = {
    "listing": HistoryAggregation(
        key=LISTING, aggregates=(*COUNTS, *_distinct("id_user"), *_windows(1_800)), latest=LATEST
    ),
    "guest": HistoryAggregation(
        key=("id_user",), aggregates=(*COUNTS, *_distinct("id_search")), latest=LATEST
    ),
    "guest and listing": HistoryAggregation(
        key=PAIR, aggregates=COUNTS, latest=LATEST, is_sparse=True
    ),
    "text and day": HistoryAggregation(
        key=("listing_room_type", "checkin_day"), aggregates=COUNTS, latest=LATEST
    ),
    "hourly": HistoryAggregation(
        key=LISTING,
        aggregates=(*COUNTS, *_distinct("id_user"), *_windows(2 * HOUR_S)),
        latest=LATEST,
        refresh_s=HOUR_S,
    ),
    "daily": HistoryAggregation(
        key=("market", "id_listing"),
        aggregates=(*COUNTS, *_distinct("id_user"), *_windows(DAY_S)),
        latest=LATEST,
        refresh_s=DAY_S,
    ),
    "searches": HistoryAggregation(
        key=("market",),
        aggregates=(Aggregate(name="searches"), Aggregate(name="lately", window_s=2 * HOUR_S)),
        latest=(LastEventTime(name="searched_s"),),
        counts_searches=True,
    ),
    "searches by the hour": HistoryAggregation(
        key=("market", "checkin_day"),
        aggregates=(Aggregate(name="searches"), Aggregate(name="lately", window_s=DAY_S)),
        refresh_s=HOUR_S,
        counts_searches=True,
    ),
    "sessions": GuestSessions(gap_s=1_800),
    "vectors of clicked": ClickedVectorSums(config=VECTORS),
    "vectors of listings": ListingVectors(config=VECTORS),
}


class Fed:
    """A running past that is asked for one source, block by block."""

    def __init__(self, source: PastSource) -> None:
        self.source, self.past = source, RunningPast([source])

    def of_block(self, rows: pl.DataFrame, events: pl.DataFrame | None = None) -> list[Any]:
        """The source's columns of each row, a dictionary each."""
        coded = encode_ids(rows)
        searches = searches_of(coded)
        asked = self.past.of_block(
            Rows(coded),
            searches=Rows(searches),
            events=None if events is None else Rows(encode_ids(events)),
        )
        columns = asked.columns(self.source)
        if is_of_searches(self.source):
            columns = coded.select("id_search").join(
                columns.with_columns(searches["id_search"]),
                on="id_search",
                how="left",
                maintain_order="left",
            )
        return columns.select(self.source.names).to_dicts()

    def add_events(self, rows: pl.DataFrame, until_s: int) -> None:
        self.past.add_events(encode_ids(rows), until_s)


def expected(source: PastSource, rows: pl.DataFrame, events: pl.DataFrame) -> list[Any]:
    every = events.to_dicts()
    return [past_of(source, row, every) for row in rows.to_dicts()]


def blocks_of(log: pl.DataFrame, times: int) -> list[pl.DataFrame]:
    """Blocks of so many seconds each, in order of time."""
    seconds = log["search_s"].unique().sort()
    edges = [*seconds.to_list()[::times], int(seconds[-1]) + 1]
    return [
        log.filter(pl.col("search_s").is_between(first, end, closed="left"))
        for first, end in pairwise(edges)
    ]


@pytest.mark.parametrize("name", SOURCES)
@QUICK
@given(searches=SEARCHES, times=st.integers(1, 14), unbuilt=st.integers(0, 3))
@example(searches=EVERY_SECOND, times=3, unbuilt=0)
@example(searches=EVERY_SECOND, times=1, unbuilt=2)
def test_blocks_of_any_size_know_what_a_loop_over_all_events_finds(
    name: str, searches: list[Any], times: int, unbuilt: int
) -> None:
    """The first blocks are added without being built."""
    log, source = log_of(searches), SOURCES[name]
    blocks = blocks_of(log, times)
    built = blocks[unbuilt:]
    fed = Fed(source)
    for block in blocks[:unbuilt] if built else []:
        fed.add_events(block, int(built[0]["search_s"].min()))  # type: ignore[arg-type]
    for block in built:
        assert fed.of_block(block) == expected(source, block, log)


@pytest.mark.parametrize("name", SOURCES)
@QUICK
@given(searches=SEARCHES, asked=SEARCHES, times=st.integers(1, 14))
@example(searches=EVERY_SECOND, asked=EVERY_SECOND, times=2)
def test_candidates_know_what_a_loop_over_all_events_finds(
    name: str, searches: list[Any], asked: list[Any], times: int
) -> None:
    """What is asked for is no event: it knows the log, and no other candidate."""
    log, candidates, source = log_of(searches), log_of(asked, prefix="c"), SOURCES[name]
    fed, read_until = Fed(source), 0
    for block in blocks_of(candidates, times):
        first, last = (int(getattr(block["search_s"], end)()) for end in ("min", "max"))
        fed.add_events(log.filter(pl.col("search_s").is_between(read_until, first - 1)), first)
        events = log.filter(pl.col("search_s").is_between(first, last))
        read_until = last + 1
        assert fed.of_block(block, events) == expected(source, block, log)


@QUICK
@given(searches=SEARCHES, times=st.integers(1, 14))
def test_totals_of_repeated_keys_alone_are_enough(searches: list[Any], times: int) -> None:
    log, source = log_of(searches), SOURCES["guest and listing"]
    assert isinstance(source, HistoryAggregation)
    fed = Fed(source)
    assert fed.past.sparse == (source,)
    keys = Rows(encode_ids(log.drop_nulls("id_user"))).packed(source.key)
    values, counts = np.unique(keys, return_counts=True)
    fed.past.restrict_to_keys(source, values[counts > 1])
    for block in blocks_of(log, times):
        assert fed.of_block(block) == expected(source, block, log)


def test_a_larger_log_has_the_vectors_and_sums_that_a_loop_over_all_events_finds() -> None:
    log = random_impressions(17, searches=60, results=6, days=3, users=6)
    config = VectorConfig(dimensions=3)
    for source in (ClickedVectorSums(config=config), ListingVectors(config=config)):
        fed, found = Fed(source), []
        for block in blocks_of(log, 5):
            found += fed.of_block(block)
        in_order = pl.concat(blocks_of(log, 5))
        assert found == expected(source, in_order, log)
        assert any(row[source.names[0]] for row in found)


def test_rows_without_a_key_have_null_sums_and_count_for_no_row() -> None:
    log = typed([impression("s1", user=None, at=0), impression("s2", user="u1", at=1)])
    guests = HistoryAggregation(
        key=("id_user",), aggregates=(Aggregate(name="seen"),), latest=LATEST[:1]
    )
    assert Fed(guests).of_block(log) == [
        {"seen": None, "seen_s": None},
        {"seen": 0, "seen_s": None},
    ]


def test_the_oracle_itself_by_hand() -> None:
    nine, first = 9 * HOUR_S, impression()["search_s"]
    log = typed(
        [
            impression("s1", at=nine, stage=3, book_day=impression()["search_day"] + 1),
            impression("s2", at=nine, stage=1),
            impression("s3", at=nine + 1),
            impression("s4", at=2 * DAY_S - 1),
            impression("s5", at=2 * DAY_S),
        ]
    )
    counts: Sequence[str] = ("seen", "clicks", "bookings", "seen_s")
    source = HistoryAggregation(
        key=LISTING,
        aggregates=tuple(a for a in COUNTS if a.name in counts),
        latest=LATEST[:1],
    )
    assert [tuple(row[name] for name in counts) for row in expected(source, log, log)] == [
        (0, 0, 0, None),
        (0, 0, 0, None),
        (2, 2, 0, first + nine),
        (3, 2, 0, first + nine + 1),
        (4, 2, 1, first + 2 * DAY_S - 1),
    ]
