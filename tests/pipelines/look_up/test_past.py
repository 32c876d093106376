"""A guest's past, as a search could know it."""

from __future__ import annotations

import polars as pl

from data.schema.time import DAY_S
from pipelines.look_up.past import guest_past, known_stage, past_section
from tests.pipelines.look_up.logs import MONDAY, NOON_S, log_of, shown

LOG = log_of(
    shown("s1", "a", 0, stage=1),
    shown("s1", "b", 0, stage=3, contact_day=MONDAY, book_day=MONDAY + 1),
    shown("s2", "c", 1),
    shown("s3", "d", 2, stage=1),
    shown("of bob", "e", 0, id_user="bob", stage=1),
)


def known(second: int) -> dict[str, int]:
    past = guest_past(LOG, "ann", second)
    return dict(zip(past["id_listing"], past["known_stage"].to_list(), strict=True))


def test_nothing_of_the_search_itself_or_after_it_is_known() -> None:
    noon = MONDAY * DAY_S + NOON_S
    assert known(noon) == {}
    assert known(noon + 1) == {"a": 1, "b": 1}
    assert set(known(noon + 2 * DAY_S)) == {"a", "b", "c"}


def test_a_contact_and_a_booking_are_known_from_the_day_after() -> None:
    midnight = (MONDAY + 1) * DAY_S
    assert known(midnight - 1)["b"] == 1
    assert known(midnight)["b"] == 2
    assert known(midnight + DAY_S - 1)["b"] == 2
    assert known(midnight + DAY_S)["b"] == 3


def test_an_instant_that_the_log_tells_goes_before_the_day() -> None:
    rows = LOG.with_columns(book_known_s=pl.lit(5, pl.Int64))
    names = rows.collect_schema().names()
    told = rows.filter(pl.col("stage") == 3).select(known_stage(names, 6)).collect().item()
    assert told == 3


def test_the_past_is_told_with_the_newest_search_first() -> None:
    past = guest_past(LOG, "ann", (MONDAY + 9) * DAY_S)
    section = past_section(past, "Before it")
    assert section.sentences == (
        "3 searches in Rio de Janeiro: shown 4 listings, clicked 3, contacted 1, booked 1.",
    )
    assert [row[0] for row in section.rows] == [
        "Wed 28 Jan 12:00",
        "Tue 27 Jan 12:00",
        "Mon 26 Jan 12:00",
    ]
    assert section.rows[2][2] == "2 listings; booked b; clicked a"
    nothing = past_section(past.head(0), "Before it")
    assert nothing.sentences == ("Nothing: it is the guest's first search.",)
    assert nothing.rows == ()
