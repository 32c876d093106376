"""What was seen of nights, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.availability.night_evidence import INPUTS, NightEvidence
from models.availability.stays import Booked, DatedSearches, Listings, ShownStays, StayLog


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def listings(count: int = 2, occupancy: float = 0.5) -> Listings:
    return Listings(
        market_L=np.arange(count) % 2,
        occupancy_L=np.full(count, occupancy),
        attributes_LA=np.zeros((count, 0)),
        fewest_L=np.array([np.nan, 2.0]),
        most_L=np.array([np.nan, 5.0]),
    )


# Market 0 has listing 0, market 1 listing 1. Days 10, 11, 12, 13, 14 are the horizon.
LOG = StayLog(
    shown=ShownStays(
        listing_R=ints(0, 0, 1),
        checkin_R=ints(10, 11, 8),
        checkout_R=ints(12, 13, 11),
        second_R=ints(100, 200, 300),
    ),
    searches=DatedSearches(
        market_S=ints(0, 0, 0, 1),
        checkin_S=ints(10, 11, 13, 8),
        checkout_S=ints(12, 13, 40, 11),
        second_S=ints(100, 200, 250, 300),
    ),
    booked=Booked(listing_B=ints(0), checkin_B=ints(12), checkout_B=ints(13), known_B=ints(500)),
)


def seen(log: StayLog = LOG) -> NightEvidence:
    return NightEvidence.of(log, listings(), first_night=10, nights=5)


def inputs(listing: int, checkin: int, checkout: int) -> dict[str, float]:
    row = seen().inputs(ints(listing), ints(checkin), ints(checkout))[0]
    return dict(zip(INPUTS, row.tolist(), strict=True))


def test_a_stay_is_covered_where_each_night_was_shown() -> None:
    covered = seen().is_covered(ints(0, 0, 0), ints(10, 12, 10), ints(13, 14, 14))
    assert covered.tolist() == [True, False, False]


def test_nights_before_the_horizon_are_cut_off_a_stay() -> None:
    # listing 1 was shown for the nights 8, 9 and 10: of these the horizon has 10
    assert seen().is_covered(ints(1, 1), ints(8, 8), ints(11, 12)).tolist() == [True, False]


def test_a_booking_counts_from_the_second_it_is_known() -> None:
    stay = (ints(0), ints(12), ints(13))
    assert seen(LOG.before(499)).is_booked(*stay).tolist() == [False]
    assert seen(LOG.before(500)).is_booked(*stay).tolist() == [True]


def test_a_search_of_the_moment_itself_is_not_before_it() -> None:
    assert len(LOG.before(200).shown) == 1
    assert len(LOG.since(200).shown) == 2


def test_last_shown_is_the_oldest_news_of_the_nights() -> None:
    last = seen().last_shown(ints(0, 0, 0), ints(10, 11, 12), ints(12, 13, 14))
    # night 10 at 100, 11 and 12 at 200, 13 never
    assert last.tolist() == [100, 200, -1]


def test_inputs_of_a_covered_stay() -> None:
    found = inputs(0, 10, 13)  # nights shown 1, 2 and 1 times
    assert found["covered"] == 1
    assert found["covered_share"] == 1
    assert np.isclose(found["times_shown"], np.log1p(4 / 3))
    assert found["missed"] == 0
    assert found["missed_nights"] == 0
    assert np.isclose(found["log_nights"], np.log(3))
    assert found["is_booked"] == 1


def test_a_missed_night_counts_the_searches_of_its_own_market() -> None:
    found = inputs(0, 13, 15)  # nights 13 and 14: one search each, never shown
    # shown 4 times, searched 6 times over the horizon: (4 + 0.5) / (6 + 1) times a search
    assert np.isclose(found["missed"], np.log1p(4.5 / 7 * 2))
    assert np.isclose(found["missed_nights"], np.log1p(2))
    assert (found["covered"], found["covered_share"]) == (0, 0)


def test_occupancy_falls_with_the_days_ahead() -> None:
    near, far = inputs(1, 10, 11), inputs(1, 14, 15)
    assert np.isclose(near["log_occupancy_ahead"], np.log(0.5 + 0.01))
    assert np.isclose(far["log_occupancy_ahead"], np.log(0.5 * np.exp(-4 / 30) + 0.01), atol=1e-6)


def test_expected_and_seen_are_per_night() -> None:
    expected, times = seen().expected_and_seen(ints(0), ints(10), ints(12))
    # nights 10 and 11: searched 1 + 2 times, shown 1 + 2 times
    assert np.isclose(expected[0], 4.5 / 7 * 1.5)
    assert times.tolist() == [1.5]


def test_a_listing_takes_stays_within_its_bounds() -> None:
    takes = listings().takes(ints(0, 1, 1, 1), ints(28, 1, 2, 6))
    assert takes.tolist() == [True, False, True, False]


def test_a_stay_longer_than_the_horizon_is_cut() -> None:
    assert np.isclose(inputs(0, 10, 38)["log_nights"], np.log(5))
