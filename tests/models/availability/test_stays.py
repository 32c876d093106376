"""What was known before a second and what came from it on; stays that a listing takes."""

from __future__ import annotations

import numpy as np
import pytest

from models.availability.stays import Booked, DatedSearches, ShownStays, StayLog
from tests.models.availability.made_up_world import catalogue, ints

LOG = StayLog(
    shown=ShownStays(
        listing_R=ints(0, 1, 2),
        checkin_R=ints(5, 6, 7),
        checkout_R=ints(6, 8, 10),
        second_R=ints(10, 20, 20),
    ),
    searches=DatedSearches(
        market_S=ints(0, 1), checkin_S=ints(5, 6), checkout_S=ints(6, 8), second_S=ints(10, 20)
    ),
    booked=Booked(
        listing_B=ints(0, 2), checkin_B=ints(5, 7), checkout_B=ints(6, 10), known_B=ints(20, 30)
    ),
)


def test_a_search_of_the_second_itself_is_not_before_it_and_a_booking_is_known_then() -> None:
    before = LOG.before(20)
    assert before.shown.listing_R.tolist() == [0]
    assert before.searches.market_S.tolist() == [0]
    assert before.booked.listing_B.tolist() == [0]
    assert len(LOG.before(19).booked.known_B) == 0
    since = LOG.since(20)
    assert since.shown.listing_R.tolist() == [1, 2]
    assert since.shown.checkout_R.tolist() == [8, 10]
    assert since.searches.checkin_S.tolist() == [6]
    assert since.booked.listing_B.tolist() == [2]


@pytest.mark.parametrize("second", [0, 10, 11, 20, 21, 30, 31])
def test_before_and_since_share_the_log_without_overlap(second: int) -> None:
    before, since = LOG.before(second), LOG.since(second)
    for name, part in (("shown", "second_R"), ("searches", "second_S"), ("booked", "known_B")):
        both = [getattr(getattr(log, name), part) for log in (before, since)]
        assert np.concatenate(both).tolist() == getattr(getattr(LOG, name), part).tolist()


def test_a_listing_takes_stays_within_its_bounds_and_an_unknown_one_forbids_nothing() -> None:
    listings = catalogue(3, fewest_L=np.array([np.nan, 2, 2]), most_L=np.array([np.nan, 5, np.nan]))
    takes = listings.takes(ints(0, 1, 1, 1, 1, 2, 2), ints(28, 1, 2, 5, 6, 1, 28))
    assert takes.tolist() == [True, False, True, True, False, False, True]
