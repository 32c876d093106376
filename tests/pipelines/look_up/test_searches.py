"""A search in words."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import polars as pl
import pytest

from data.schema.time import day_number
from pipelines.look_up.searches import Search, searches_by_id, stay_in_words
from tests.pipelines.look_up.logs import MONDAY, log_of, shown


def search(**columns: Any) -> Search:
    return Search.of(shown("s1", "a", 0, **columns))


def test_all_that_a_search_asks_for_is_said() -> None:
    first = day_number(date(2026, 2, 13))
    asked = search(
        checkin_day=first,
        checkout_day=first + 4,
        query_num_guests=4,
        query_num_children=1,
        query_center_lat=-22.985,
        query_center_lng=-43.2,
        query_radius=5.0,
    )
    assert asked.in_words() == (
        "Rio de Janeiro, Friday 13 to Tuesday 17 February 2026 (4 nights, 3 of them Carnival), "
        "for 4 guests (1 of them children), within 5 km of Ipanema"
    )
    assert asked.when() == "Monday 26 January 2026 at 12:00"
    assert (asked.checkin, asked.nights) == (date(2026, 2, 13), 4)


def test_a_search_in_short_fits_a_table() -> None:
    dated = search(checkin_day=MONDAY + 1, checkout_day=MONDAY + 2, query_num_guests=1)
    assert dated.in_short() == "27 Jan, 1 night, 1 guest"
    assert (
        search(query_center_lat=-22.985, query_center_lng=-43.2).in_short() == "no dates, Ipanema"
    )


def test_what_the_log_does_not_tell_is_left_out() -> None:
    asked = search(market="lisbon")
    assert asked.in_words() == "Lisbon, without dates"
    assert (asked.checkin, asked.nights, asked.guests) == (None, None, None)
    bare = Search.of({"id_search": "s", "market": "1", "search_s": 0})
    assert bare.in_words() == "1, without dates"
    assert bare.searched_at == datetime(1970, 1, 1)  # noqa: DTZ001  # by the market's own clock


def test_a_place_without_a_name_is_a_point_and_prices_are_bounds() -> None:
    row = shown("s1", "a", 0, query_center_lat=1.0, query_center_lng=2.0)
    assert "around 1.000, 2.000" in Search.of(row).in_words()
    for bounds, words in (
        ({"query_price_max": 400.0}, "at most 400 a night"),
        ({"query_price_min": 1_200.0}, "at least 1,200 a night"),
        ({"query_price_min": 100.0, "query_price_max": 400.0}, "from 100 to 400 a night"),
    ):
        assert Search.of(row | bounds).in_words().endswith(words)


def test_the_market_s_own_clock_tells_when() -> None:
    row = shown("s1", "a", 0) | {"local_s": MONDAY * 86_400 + 9 * 3_600}
    assert Search.of(row).when() == "Monday 26 January 2026 at 09:00"


@pytest.mark.parametrize(
    ("checkin", "nights", "words"),
    [
        (date(2026, 2, 14), 4, "all of them Carnival"),
        (date(2026, 2, 16), 1, "(1 night, of Carnival)"),
        (date(2026, 2, 18), 2, "(2 nights)"),
        (date(2050, 2, 18), 2, "(2 nights)"),
    ],
)
def test_carnival_is_said_where_the_calendar_knows_it(
    checkin: date, nights: int, words: str
) -> None:
    assert words in stay_in_words("sao_paulo", checkin, nights)


def test_searches_are_found_by_id_and_others_left_out() -> None:
    log = log_of(shown("s1", "a", 0), shown("s1", "b", 0), shown("s2", "a", 1))
    found = searches_by_id(log, pl.Series(["s2", "gone", "s2"]))
    assert set(found) == {"s2"}
    assert found["s2"].when() == "Tuesday 27 January 2026 at 12:00"
