"""When an outcome becomes known, in numbers that a reader can check by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from data.schema.event_visibility import OUTCOME_DAY, known_s_of_day
from data.schema.tables import BOOKED, CLICKED, CONTACTED, IMPRESSED


def test_outcome_of_a_day_is_known_at_its_last_second():
    assert known_s_of_day(0) == 86_399
    assert known_s_of_day(10) == 10 * 86_400 + 86_399


@pytest.mark.parametrize(
    ("search_s", "is_known"), [(864_000, False), (950_399, False), (950_400, True)]
)
def test_search_of_the_same_day_does_not_know_a_booking_and_one_of_the_next_does(
    search_s: int, is_known: bool
):
    assert (known_s_of_day(10) < search_s) is is_known


def test_rule_is_the_same_for_numbers_arrays_and_expressions():
    days = [0, 1, 17_567]
    seconds = [86_399, 172_799, 1_517_875_199]
    assert [known_s_of_day(day) for day in days] == seconds
    assert known_s_of_day(np.array(days)).tolist() == seconds
    frame = pl.DataFrame({"book_day": days}, schema={"book_day": pl.Int64})
    assert frame.select(known_s_of_day(pl.col("book_day")))["book_day"].to_list() == seconds


def test_only_contacts_and_bookings_have_a_day_instead_of_a_second():
    assert OUTCOME_DAY == {CONTACTED: "contact_day", BOOKED: "book_day"}
    assert IMPRESSED not in OUTCOME_DAY
    assert CLICKED not in OUTCOME_DAY
