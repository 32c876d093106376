"""Declarations: what is refused when it is written, and which part of it a log supports."""

from __future__ import annotations

import pytest

from data.schema.tables import BOOKED, CLICKED
from data.schema.time import DAY_S, HOUR_S
from features.history.aggregation_declaration import Aggregate, HistoryAggregation, LastEventTime

SEEN = Aggregate(name="seen")
LISTING = HistoryAggregation(
    key=("id_listing",),
    aggregates=(
        SEEN,
        Aggregate(name="clicks", stage=CLICKED),
        Aggregate(name="bookings", stage=BOOKED),
        Aggregate(name="guests", distinct="id_user"),
        Aggregate(name="price_sum", of="_price"),
    ),
    latest=(LastEventTime(name="booked_s", stage=BOOKED), LastEventTime(name="seen_s")),
)


@pytest.mark.parametrize("outcome", ["stage", "contact_day", "book_day", "ds_contact", "ds_book"])
def test_an_outcome_can_be_neither_summed_nor_counted_nor_a_key(outcome: str) -> None:
    with pytest.raises(ValueError, match=f"leak reads {outcome}: outcomes are counted by stage"):
        Aggregate(name="leak", of=outcome)
    with pytest.raises(ValueError, match=f"leak reads {outcome}: outcomes are counted by stage"):
        Aggregate(name="leak", distinct=outcome)
    with pytest.raises(ValueError, match=f"reads {outcome}: outcomes are counted by stage"):
        HistoryAggregation(key=("id_listing", outcome), aggregates=(SEEN,))


def test_a_distinct_count_has_no_window_and_sums_nothing() -> None:
    with pytest.raises(ValueError, match="distinct counts neither sum nor expire"):
        Aggregate(name="guests", distinct="id_user", window_s=HOUR_S)
    with pytest.raises(ValueError, match="distinct counts neither sum nor expire"):
        Aggregate(name="guests", distinct="id_user", of="_price")


def test_windows_and_refreshing_take_at_least_a_second() -> None:
    with pytest.raises(ValueError, match="seen: window_s is 0"):
        Aggregate(name="seen", window_s=0)
    with pytest.raises(ValueError, match="refresh_s is 0"):
        HistoryAggregation(key=("id_listing",), aggregates=(SEEN,), refresh_s=0)


@pytest.mark.parametrize("windows", [(HOUR_S, DAY_S), (HOUR_S + 1,)])
def test_an_aggregation_has_one_window_of_whole_periods(windows: tuple[int, ...]) -> None:
    aggregates = tuple(Aggregate(name=f"seen_{w}", window_s=w) for w in windows)
    with pytest.raises(ValueError, match="one window_s, a multiple of refresh_s"):
        HistoryAggregation(key=("id_listing",), aggregates=aggregates, refresh_s=60)


def test_names_are_unique_and_something_is_aggregated() -> None:
    with pytest.raises(ValueError, match="a name twice"):
        HistoryAggregation(key=("id_listing",), aggregates=(SEEN, SEEN))
    with pytest.raises(ValueError, match="needs a key and"):
        HistoryAggregation(key=("id_listing",))


def test_a_log_supports_the_sums_whose_columns_it_has() -> None:
    with_days = LISTING.available({"id_listing", "stage", "book_day", "_price"})
    without_days = LISTING.available({"id_listing", "stage", "id_user"})
    assert with_days is not None
    assert without_days is not None
    assert with_days.names == ("seen", "clicks", "bookings", "price_sum", "booked_s", "seen_s")
    assert without_days.names == ("seen", "clicks", "guests", "seen_s")
    assert LISTING.available({"id_user", "stage"}) is None


def test_the_part_that_gives_some_columns_reads_no_others() -> None:
    part = LISTING.only({"guests", "seen_s", "unknown"})
    assert part is not None
    assert part.names == ("guests", "seen_s")
    assert part.columns == {"id_listing", "id_user"}
    assert LISTING.columns == {"id_listing", "id_user", "_price"}
    assert LISTING.only({"unknown"}) is None
