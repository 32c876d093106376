from __future__ import annotations

from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.schema.tables import BOOKED, CLICKED, CONTACTED
from data.schema.time import DAY_S
from features.formulas.history_inputs import with_history_inputs
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime
from features.history.point_in_time import EventHistory
from tests.features.worlds import FIRST_DAY, impression, typed

NINE, TEN = 9 * 3_600, 10 * 3_600


def joined(
    log: pl.DataFrame, aggregation: HistoryAggregation, rows: pl.DataFrame | None = None
) -> pl.DataFrame:
    queries = nw.from_native((log if rows is None else rows).lazy())
    past = EventHistory(
        with_history_inputs(nw.from_native(log.lazy())),
        queries=queries,
        queries_are_events=rows is None,
    )
    out = past.join(queries, aggregation).to_native()
    assert isinstance(out, pl.LazyFrame)
    return out.collect().sort("search_s", "id_search", "id_listing")


def log_of(*rows: dict[str, Any]) -> pl.DataFrame:
    return typed(list(rows))


SEEN = HistoryAggregation(
    key=("id_listing",),
    aggregates=(Aggregate(name="seen"), Aggregate(name="clicks", stage=CLICKED)),
)


def test_events_of_the_same_second_do_not_know_each_other() -> None:
    log = log_of(
        impression("s1", at=NINE, stage=1),
        impression("s2", at=NINE, stage=1),
        impression("s3", at=NINE + 1),
    )
    assert joined(log, SEEN).select("seen", "clicks").rows() == [(0, 0), (0, 0), (2, 2)]


def test_booking_is_known_from_the_day_after() -> None:
    bookings = HistoryAggregation(
        key=("id_listing",), aggregates=(Aggregate(name="bookings", stage=BOOKED),)
    )
    log = log_of(
        impression("s1", at=NINE, stage=3, book_day=FIRST_DAY + 2),
        impression("s2", at=3 * DAY_S - 1),
        impression("s3", at=3 * DAY_S),
    )
    assert joined(log, bookings)["bookings"].to_list() == [0, 0, 1]


def test_contact_is_known_from_the_day_after_and_apart_from_the_booking() -> None:
    contacts = HistoryAggregation(
        key=("id_listing",), aggregates=(Aggregate(name="contacts", stage=CONTACTED),)
    )
    log = log_of(
        impression("s1", at=NINE, stage=3, contact_day=FIRST_DAY, book_day=FIRST_DAY + 3),
        impression("s2", at=TEN, stage=3, book_day=FIRST_DAY),
        impression("s3", at=DAY_S),
    )
    assert joined(log, contacts)["contacts"].to_list() == [0, 0, 1]


def test_rows_with_a_null_key_know_no_events_and_count_for_no_row() -> None:
    guests = HistoryAggregation(key=("id_user",), aggregates=(Aggregate(name="seen"),))
    log = log_of(
        impression("s1", user=None, at=NINE),
        impression("s2", user=None, at=TEN),
        impression("s3", user="u1", at=TEN),
    )
    assert joined(log, guests)["seen"].to_list() == [None, None, 0]


def test_sums_refreshed_daily_count_up_to_yesterday_only() -> None:
    daily = HistoryAggregation(
        key=("id_listing",), aggregates=(Aggregate(name="seen"),), refresh_s=DAY_S
    )
    log = log_of(impression("s1", at=NINE), impression("s2", at=TEN), impression("s3", at=DAY_S))
    assert joined(log, daily)["seen"].to_list() == [0, 0, 2]


def test_window_forgets_what_is_older() -> None:
    window = HistoryAggregation(
        key=("id_listing",), aggregates=(Aggregate(name="seen", window_s=3_600),)
    )
    log = log_of(impression("s1", at=NINE), impression("s2", at=TEN), impression("s3", at=TEN + 1))
    # An event is in the window of an hour up to one hour after it, that second included.
    assert joined(log, window)["seen"].to_list() == [0, 1, 1]


def test_distinct_counts_each_value_from_its_first_event() -> None:
    guests = HistoryAggregation(
        key=("id_listing",), aggregates=(Aggregate(name="guests", distinct="id_user"),)
    )
    log = log_of(
        impression("s1", user="u1", at=NINE),
        impression("s2", user="u1", at=TEN),
        impression("s3", user=None, at=TEN + 1),
        impression("s4", user="u2", at=TEN + 2),
        impression("s5", user="u3", at=TEN + 3),
    )
    assert joined(log, guests)["guests"].to_list() == [0, 1, 1, 1, 2]


def test_latest_is_strictly_earlier_and_null_without_an_event() -> None:
    clicks = HistoryAggregation(
        key=("id_listing",), latest=(LastEventTime(name="last", stage=CLICKED),)
    )
    log = log_of(
        impression("s1", at=NINE, stage=1),
        impression("s2", at=TEN, stage=0),
        impression("s3", at=TEN + 5, stage=1),
        impression("s4", at=TEN + 9),
    )
    first = FIRST_DAY * DAY_S
    expected = [None, first + NINE, first + NINE, first + TEN + 5]
    assert joined(log, clicks)["last"].to_list() == expected


def test_candidates_that_were_never_shown_get_sums_too() -> None:
    log = log_of(impression("s1", at=NINE, stage=1))
    candidate = log_of(impression("s9", "l1", at=TEN), impression("s9", "l2", at=TEN))
    assert joined(log, SEEN, candidate).select("id_listing", "clicks").rows() == [
        ("l1", 1),
        ("l2", 0),
    ]


def test_summing_a_fraction_is_refused() -> None:
    log = log_of(impression("s1", listing_total_price=10.5))
    with pytest.raises(ValueError, match="only integers are summed"):
        joined(
            log,
            HistoryAggregation(
                key=("id_listing",), aggregates=(Aggregate(name="p", of="listing_total_price"),)
            ),
        )


def test_what_the_log_lacks_is_left_out() -> None:
    log = log_of(impression("s1", at=NINE), impression("s2", at=TEN)).drop("book_day")
    aggregation = HistoryAggregation(
        key=("id_listing",),
        aggregates=(Aggregate(name="seen"), Aggregate(name="bookings", stage=BOOKED)),
    )
    out = joined(log, aggregation)
    assert out["seen"].to_list() == [0, 1]
    assert "bookings" not in out.columns


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["l1", "l2", None]),
        st.integers(0, 12),
        st.integers(0, 3),
        st.none() | st.integers(0, 2),
        st.none() | st.integers(0, 2),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(events=EVENTS, refresh_s=st.sampled_from([1, 3_600, DAY_S]), is_sparse=st.booleans())
def test_sums_equal_a_plain_loop_over_all_events(
    events: list[tuple[str | None, int, int, int | None, int | None]],
    refresh_s: int,
    is_sparse: bool,
) -> None:
    rows = [
        impression(
            f"s{n}", listing, at=quarter * 6 * 3_600, stage=stage,
            contact_day=None if c is None else FIRST_DAY + quarter // 4 + c,
            book_day=None if b is None else FIRST_DAY + quarter // 4 + b,
        )
        for n, (listing, quarter, stage, c, b) in enumerate(events)
    ]  # fmt: skip
    aggregation = HistoryAggregation(
        key=("id_listing",),
        aggregates=(
            Aggregate(name="seen"),
            Aggregate(name="clicks", stage=CLICKED),
            Aggregate(name="contacts", stage=CONTACTED),
            Aggregate(name="bookings", stage=BOOKED),
        ),
        latest=(LastEventTime(name="last", stage=CLICKED),),
        refresh_s=refresh_s,
        is_sparse=is_sparse,
    )
    out = joined(log_of(*rows), aggregation)
    by_search = {row["id_search"]: row for row in out.to_dicts()}
    for row in rows:
        expected = _by_a_loop(row, rows, refresh_s)
        assert {name: by_search[row["id_search"]][name] for name in expected} == expected


def _by_a_loop(row: dict[str, Any], rows: list[dict[str, Any]], refresh_s: int) -> dict[str, Any]:
    names = ("seen", "clicks", "contacts", "bookings", "last")
    if row["id_listing"] is None:
        return dict.fromkeys(names)
    own = [other for other in rows if other["id_listing"] == row["id_listing"]]
    period = row["search_s"] // refresh_s
    earlier = [o for o in own if o["search_s"] // refresh_s < period]
    clicked = [o for o in earlier if o["stage"] >= 1]

    def dated(name: str) -> int:
        days = [o[name] for o in own if o[name] is not None]
        return sum(((day + 1) * DAY_S - 1) // refresh_s < period for day in days)

    last = max((o["search_s"] for o in clicked), default=None)
    counts = (len(earlier), len(clicked), dated("contact_day"), dated("book_day"))
    return dict(zip(names, (*counts, last), strict=True))
