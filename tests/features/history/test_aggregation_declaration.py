"""Declarations: what is refused when it is written, and which part of it a log supports."""

from __future__ import annotations

import pytest

from data.schema.tables import BOOKED, CLICKED, CONTACTED, Stage
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


@pytest.mark.parametrize("stage", [CONTACTED, BOOKED])
def test_a_distinct_count_of_outcomes_is_refused(stage: Stage) -> None:
    """The later search may have the earlier booking: what counts first depends on the blocks."""
    with pytest.raises(ValueError, match="guests: distinct counts impressions or clicks"):
        Aggregate(name="guests", stage=stage, distinct="id_user")


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


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("seen", ("id_listing", "stage")),
        ("clicks", ("id_listing", "stage")),
        ("bookings", ("id_listing", "stage", "book_day")),
        ("guests", ("id_listing", "stage", "id_user")),
        ("price_sum", ("id_listing", "stage", "_price")),
        ("booked_s", ("id_listing", "stage", "book_day")),
        ("seen_s", ("id_listing", "stage")),
    ],
)
def test_a_column_reads_the_key_the_day_of_its_outcome_and_what_it_sums(
    name: str, read: tuple[str, ...]
) -> None:
    assert LISTING.read_for(name) == read


def test_a_column_that_is_not_aggregated_reads_nothing() -> None:
    with pytest.raises(KeyError, match="unknown"):
        LISTING.read_for("unknown")


def test_a_part_gives_the_columns_asked_for_alone() -> None:
    part = LISTING.only({"guests", "seen_s", "unknown"})
    assert part is not None
    assert part.names == ("guests", "seen_s")
    assert part.key == LISTING.key
    assert LISTING.only({"unknown"}) is None
