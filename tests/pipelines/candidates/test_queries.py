"""Every guest's most recent search, asked again on the day to recommend for."""

from __future__ import annotations

from typing import Any

import polars as pl

from data.schema.time import DAY_S
from pipelines.candidates.queries import latest_queries

# 21 January 2026, the day to recommend for in the module's own example.
DAY = 20_474
SCHEMA = {
    "id_search": pl.String,
    "id_user": pl.String,
    "id_listing": pl.String,
    "market": pl.String,
    "search_s": pl.Int64,
    "search_day": pl.Int32,
    "ds_search": pl.Date,
    "checkin_day": pl.Int32,
    "checkout_day": pl.Int32,
    "query_num_guests": pl.Int32,
}


def at(day: int, clock: str) -> dict[str, int]:
    """When a search was made: ``day`` from 1970, ``clock`` as 09:15."""
    hours, minutes = (int(part) for part in clock.split(":"))
    return {"search_day": day, "search_s": day * DAY_S + hours * 3600 + minutes * 60}


def log(*rows: dict[str, Any]) -> pl.LazyFrame:
    plain = {"id_listing": "flat", "market": "rio", "query_num_guests": 2}
    frame = pl.DataFrame([plain | row for row in rows], schema_overrides=SCHEMA)
    missing = [name for name in SCHEMA if name not in frame.columns]
    frame = frame.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in missing)
    return frame.with_columns(ds_search=pl.col("search_day").cast(pl.Date)).lazy()


def of_guest(queries: pl.DataFrame, guest: str) -> dict[str, Any]:
    (row,) = queries.filter(pl.col("id_user") == guest).to_dicts()
    return row


def test_the_modules_own_example() -> None:
    queries = latest_queries(
        log(
            {"id_search": "s1", "id_user": "ann", "checkin_day": DAY + 4, "checkout_day": DAY + 6}
            | at(DAY - 2, "08:00"),
            {"id_search": "s2", "id_user": "ann", "checkin_day": DAY + 8, "checkout_day": DAY + 11}
            | at(DAY - 1, "09:15"),
            {"id_search": "s3", "id_user": "bob", "checkin_day": DAY - 1, "checkout_day": DAY + 1}
            | at(DAY - 1, "10:00"),
        ),
        DAY,
    )

    seen = queries.select("id_search", "search_day", "search_s", "nights").rows()
    assert seen == [
        ("s2", DAY, DAY * DAY_S + 33_300, 3),
        ("s3", DAY - 1, (DAY - 1) * DAY_S + 36_000, 2),
    ]
    assert queries["ds_search"].cast(pl.Int32).to_list() == [DAY, DAY - 1]


def test_a_check_in_on_the_day_itself_can_still_be_asked_for() -> None:
    today = {"id_search": "s", "id_user": "ann", "checkin_day": DAY, "checkout_day": DAY + 1}
    (query,) = latest_queries(log(today | at(DAY - 1, "23:59")), DAY).to_dicts()
    assert query["search_s"] == DAY * DAY_S + 86_340


def test_dateless_search_is_asked_again_however_old_and_counts_as_one_night() -> None:
    old = {"id_search": "s", "id_user": "ann"} | at(DAY - 40, "00:00")
    (query,) = latest_queries(log(old), DAY).to_dicts()
    assert (query["search_day"], query["search_s"], query["nights"]) == (DAY, DAY * DAY_S, 1)


def test_searches_without_a_guest_are_guests_of_their_own() -> None:
    # A guest may be called as a search is, with words before it or without.
    queries = latest_queries(
        log(
            {"id_search": "s1", "id_user": None} | at(DAY - 2, "08:00"),
            {"id_search": "s2", "id_user": None} | at(DAY - 1, "08:00"),
            {"id_search": "s3", "id_user": "s1"} | at(DAY - 1, "08:00"),
            {"id_search": "s4", "id_user": "search s1"} | at(DAY - 1, "08:00"),
            {"id_search": "s5", "id_user": "guest s1"} | at(DAY - 1, "08:00"),
        ),
        DAY,
    )
    assert queries["id_search"].to_list() == ["s1", "s2", "s3", "s4", "s5"]


def test_log_without_guests_or_dates_asks_every_search_again() -> None:
    bare = log(
        {"id_search": "s1", "id_user": "ann"} | at(DAY - 2, "08:00"),
        {"id_search": "s2", "id_user": "ann"} | at(DAY - 1, "08:00"),
    ).drop("id_user", "checkin_day", "checkout_day")
    queries = latest_queries(bare, DAY)
    assert queries.select("id_search", "search_day", "nights").rows() == [
        ("s1", DAY, 1),
        ("s2", DAY, 1),
    ]


def test_of_two_searches_in_one_second_the_higher_id_is_the_later() -> None:
    second = at(DAY - 1, "08:00")
    rows = [{"id_search": name, "id_user": "ann"} | second for name in ("s8", "s9")]
    for order in (rows, rows[::-1]):
        assert latest_queries(log(*order), DAY)["id_search"].to_list() == ["s9"]


def test_a_search_that_contradicts_itself_is_told_by_its_first_listing() -> None:
    second = at(DAY - 1, "08:00")
    rows = [
        {"id_search": "s", "id_user": "ann", "id_listing": "loft", "query_num_guests": 5} | second,
        {"id_search": "s", "id_user": "ann", "id_listing": "flat", "query_num_guests": 3} | second,
    ]
    for order in (rows, rows[::-1]):
        assert of_guest(latest_queries(log(*order), DAY), "ann")["query_num_guests"] == 3


def test_an_instant_moves_by_whole_days_and_its_clock_with_it() -> None:
    """Searched at 23:30 in Sao Paulo, which is 01:30 UTC of the next day."""
    behind_s = 2 * 3_600
    local = at(DAY - 1, "23:30")
    told = {"search_day": DAY - 1, "local_s": local["search_s"]}
    asked = {"id_search": "s1", "id_user": "ann", "search_s": local["search_s"] + behind_s, **told}
    moved = of_guest(latest_queries(log(asked), DAY), "ann")
    assert moved["search_day"] == DAY
    assert moved["local_s"] == at(DAY, "23:30")["search_s"]
    assert moved["search_s"] == moved["local_s"] + behind_s
