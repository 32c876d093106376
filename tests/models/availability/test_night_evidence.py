"""What was seen of nights, by hand and against a count night by night."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.availability.night_evidence import INPUTS, NightEvidence
from models.availability.stays import Booked, DatedSearches, Listings, ShownStays, StayLog
from tests.models.availability.made_up_world import NO_STAYS, catalogue, ints

# Market 0 has the listings 0 and 2, market 1 listing 1. The horizon has the nights 10 to 14.
LISTINGS = catalogue(3, market_L=ints(0, 1, 0), occupancy_L=np.array([0.5, 0.5, np.nan]))
LOG = StayLog(
    shown=ShownStays(
        listing_R=ints(0, 0, 1),
        checkin_R=ints(11, 10, 8),
        checkout_R=ints(13, 12, 11),
        second_R=ints(200, 100, 300),
    ),
    searches=DatedSearches(
        market_S=ints(0, 0, 0, 1),
        checkin_S=ints(10, 11, 13, 8),
        checkout_S=ints(12, 13, 40, 11),
        second_S=ints(100, 200, 250, 300),
    ),
    booked=Booked(
        listing_B=ints(0, 0),
        checkin_B=ints(12, 30),
        checkout_B=ints(13, 33),
        known_B=ints(500, 500),
    ),
)


def seen(log: StayLog = LOG, listings: Listings = LISTINGS, nights: int = 5) -> NightEvidence:
    return NightEvidence.of(log, listings, first_night=10, nights=nights)


def inputs(listing: int, checkin: int, checkout: int, **of: Any) -> dict[str, float]:
    row = seen(**of).inputs(ints(listing), ints(checkin), ints(checkout))[0]
    return dict(zip(INPUTS, row.tolist(), strict=True))


def test_a_stay_is_covered_where_each_night_was_shown() -> None:
    covered = seen().is_covered(ints(0, 0, 0, 2), ints(10, 12, 10, 10), ints(13, 14, 14, 11))
    assert covered.tolist() == [True, False, False, False]


def test_nights_outside_the_horizon_are_cut_off_a_stay() -> None:
    # listing 1 was shown for the nights 8, 9 and 10: of these the horizon has 10
    assert seen().is_covered(ints(1, 1), ints(8, 8), ints(11, 12)).tolist() == [True, False]
    assert np.isclose(inputs(0, 10, 38)["log_nights"], np.log(5))  # 28 nights
    assert inputs(0, 10, 38) == inputs(0, 2, 15)
    # searched for 13 to 39: 2 of these nights are in the horizon
    demand = seen().demand_per_night(ints(0), ints(13), ints(40))
    assert demand.tolist() == [1.0]


def test_a_stay_outside_the_horizon_stands_for_the_night_next_to_it() -> None:
    assert inputs(0, 5, 8) == inputs(0, 10, 11)
    assert inputs(0, 50, 60) == inputs(0, 14, 15)


def test_a_booking_counts_from_the_second_it_is_known() -> None:
    stay = (ints(0), ints(12), ints(13))
    assert seen(LOG.before(499)).is_booked(*stay).tolist() == [False]
    assert seen(LOG.before(500)).is_booked(*stay).tolist() == [True]


def test_a_stay_may_end_on_the_day_on_which_a_booking_begins_and_begin_where_it_ends() -> None:
    booked = seen().is_booked(ints(0, 0, 0), ints(10, 13, 11), ints(12, 15, 14))
    assert booked.tolist() == [False, False, True]


def test_last_shown_is_the_oldest_news_of_the_nights() -> None:
    last = seen().last_shown(
        ints(0, 0, 0, 0, 2), ints(10, 11, 12, 10, 10), ints(12, 13, 14, 11, 15)
    )
    # night 10 at 100, 11 and 12 at 200 (the rows are in no order), 13 never
    assert last.tolist() == [100, 200, -1, 100, -1]


def test_inputs_of_a_covered_stay() -> None:
    found = inputs(0, 10, 13)  # nights shown 1, 2 and 1 times
    assert (found["covered"], found["covered_share"], found["is_booked"]) == (1, 1, 1)
    assert np.isclose(found["times_shown"], np.log1p(4 / 3))
    assert (found["missed"], found["missed_nights"]) == (0, 0)
    assert np.isclose(found["log_nights"], np.log(3))
    assert np.isclose(found["covered_and_occupied"], 0.5)


def test_inputs_of_a_stay_that_is_covered_in_part() -> None:
    found = inputs(0, 12, 14)  # night 12 shown once, 13 searched once and not shown
    assert (found["covered"], found["covered_share"], found["covered_and_occupied"]) == (0, 0.5, 0)
    assert np.isclose(found["times_shown"], np.log1p(1 / 2))
    # shown 4 times, searched 6 times over the horizon: (4 + 0.5) / (6 + 1) times a search
    assert np.isclose(found["missed"], np.log1p(4.5 / 7))
    assert np.isclose(found["missed_nights"], np.log1p(1))
    assert found["is_booked"] == 1


def test_a_missed_night_counts_the_searches_of_its_own_market() -> None:
    found = inputs(0, 13, 15)  # nights 13 and 14: one search each
    assert np.isclose(found["missed"], np.log1p(4.5 / 7 * 2))
    assert np.isclose(found["missed_nights"], np.log1p(2))
    assert (found["covered"], found["covered_share"], found["times_shown"]) == (0, 0, 0)
    assert inputs(1, 13, 15)["missed"] == 0  # nobody asked for its market


def test_a_listing_that_was_never_shown_with_dates_has_half_a_time_in_one_more_search() -> None:
    assert np.isclose(seen().rate_L[2], 0.5 / 7)
    found = inputs(2, 10, 12)
    assert np.isclose(found["missed"], np.log1p(0.5 / 7 * 3))
    assert found["covered_share"] == 0


def test_demand_is_that_of_the_market() -> None:
    demand = seen().demand_per_night(ints(0, 1, 1), ints(10, 10, 11), ints(12, 12, 15))
    assert demand.tolist() == [1.5, 0.5, 0.0]


def test_expected_and_seen_are_per_night() -> None:
    expected, times = seen().expected_and_seen(ints(0, 2), ints(10, 10), ints(12, 12))
    # nights 10 and 11: searched 1 + 2 times, shown 1 + 2 times
    assert np.allclose(expected, [4.5 / 7 * 1.5, 0.5 / 7 * 1.5])
    assert times.tolist() == [1.5, 0.0]


def test_occupancy_falls_with_the_days_ahead() -> None:
    near, far = inputs(1, 10, 11), inputs(1, 14, 15)
    assert np.isclose(near["log_occupancy_ahead"], np.log(0.5 + 0.01))
    assert np.isclose(far["log_occupancy_ahead"], np.log(0.5 * np.exp(-4 / 30) + 0.01), atol=1e-6)


def test_an_unknown_occupancy_is_the_mean_of_the_known_ones() -> None:
    half, full = catalogue(2), catalogue(3, occupancy_L=np.array([0.2, 0.6, np.nan]))
    none = np.log(0.01)
    assert np.isclose(inputs(0, 10, 11, listings=half, log=NO_STAYS)["log_occupancy_ahead"], none)
    mean = inputs(2, 10, 11, listings=full, log=NO_STAYS)["log_occupancy_ahead"]
    assert np.isclose(mean, np.log(0.4 + 0.01))


def test_a_log_without_stays_gives_no_evidence() -> None:
    nothing = seen(NO_STAYS)
    stay = (ints(0, 1, 2), ints(10, 10, 10), ints(12, 12, 38))
    assert nothing.last_shown(*stay).tolist() == [-1, -1, -1]
    assert not nothing.is_covered(*stay).any()
    assert nothing.rate_L.tolist() == [0.5, 0.5, 0.5]
    of_these = dict(zip(INPUTS, nothing.inputs(*stay).T.tolist(), strict=True))
    assert of_these["missed"] == [0, 0, 0]
    assert of_these["is_booked"] == [0, 0, 0]


def test_no_pair_gives_no_input() -> None:
    none = ints()
    assert seen().inputs(none, none, none).shape == (0, len(INPUTS))
    assert seen().last_shown(none, none, none).tolist() == []


def _drawn(rng: np.random.Generator, size: int) -> tuple[Any, Any, Any]:
    """Which, check-in and check-out; about the horizon 10 to 24."""
    checkin = rng.integers(5, 28, size)
    return rng.integers(0, 4, size), checkin, checkin + rng.integers(1, 30, size)


@pytest.mark.parametrize("seed", [1, 2])
def test_sums_over_nights_are_those_of_a_count_night_by_night(seed: int) -> None:
    rng = np.random.default_rng(seed)
    listings = catalogue(4, market_L=ints(0, 1, 1, 0), occupancy_L=rng.random(4))
    shown, asked, booked = (_drawn(rng, size) for size in (25, 12, 3))
    seconds = rng.integers(0, 1_000, 25)
    log = StayLog(
        shown=ShownStays(
            listing_R=shown[0], checkin_R=shown[1], checkout_R=shown[2], second_R=seconds
        ),
        searches=DatedSearches(
            market_S=asked[0] % 2, checkin_S=asked[1], checkout_S=asked[2], second_S=ints(*[0] * 12)
        ),
        booked=Booked(
            listing_B=booked[0], checkin_B=booked[1], checkout_B=booked[2], known_B=ints(0, 0, 0)
        ),
    )
    found = seen(log, listings, nights=15)
    listing, checkin, checkout = _drawn(rng, 60)
    table = dict(zip(INPUTS, found.inputs(listing, checkin, checkout).T, strict=True))
    last = found.last_shown(listing, checkin, checkout)

    def times(stays: tuple[Any, Any, Any], key: int, night: int) -> int:
        return int(((stays[0] == key) & (stays[1] <= night) & (night < stays[2])).sum())

    of_market = (asked[0] % 2, *asked[1:])
    for p, (one, start, end) in enumerate(zip(listing, checkin, checkout, strict=True)):
        first = min(max(start, 10), 24)
        nights = range(first, max(min(end, 25), first + 1))
        count = [times(shown, one, night) for night in nights]
        demand = [times(of_market, listings.market_L[one], night) for night in nights]
        missed = sum(d for c, d in zip(count, demand, strict=True) if c == 0)
        covered = sum(c > 0 for c in count)
        assert table["covered"][p] == (covered == len(nights))
        assert np.isclose(table["covered_share"][p], covered / len(nights))
        assert np.isclose(table["times_shown"][p], np.log1p(sum(count) / len(nights)))
        assert np.isclose(table["missed"][p], np.log1p(found.rate_L[one] * missed), rtol=1e-5)
        assert np.isclose(table["missed_nights"][p], np.log1p(len(nights) - covered))
        assert np.isclose(table["log_nights"][p], np.log(len(nights)))
        assert table["is_booked"][p] == any(times(booked, one, night) for night in nights)
        news = [
            max(seconds[(shown[0] == one) & (shown[1] <= n) & (n < shown[2])], default=-1)
            for n in nights
        ]
        assert last[p] == min(news)
