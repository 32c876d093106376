"""Counts and smoothed rates of a listing's earlier impressions, by hand."""

from __future__ import annotations

import pytest

from data.schema.time import DAY_S, HOUR_S
from tests.features.worlds import FIRST_DAY, features_of, impression, typed

TEN = 10 * HOUR_S


def test_smoothed_click_rate_is_drawn_to_the_room_type() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1),
            impression("s1", "l2", at=0),
            impression("s2", "l1", at=TEN),
        ]
    )
    names = ["listing_past_impressions", "listing_past_clicks", "listing_past_click_rate"]
    rates = features_of(log, names)
    # prior 1/2 with the weight of 100 impressions: (1 + 50) / (1 + 100)
    assert rates.row(2) == (1, 1, pytest.approx(51 / 101))
    assert rates.row(0) == (0, 0, None)


def test_engagement_counts_guests_and_hours() -> None:
    log = typed(
        [
            impression("s1", user="u1", at=0, stage=1),
            impression("s2", user="u1", at=3_600, stage=1),
            impression("s3", user="u2", at=7_200, stage=3, book_day=FIRST_DAY),
            impression("s4", user="u3", at=DAY_S + 3_600),
        ]
    )
    names = [
        "listing_past_guests_clicked",
        "listing_past_bookings",
        "listing_hours_since_click",
    ]
    assert features_of(log, names).rows() == [(0, 0, None), (1, 0, 1.0), (1, 0, 1.0), (2, 1, 23.0)]


def test_click_rates_of_a_party_size_are_drawn_to_the_listing_s_own() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1, query_num_guests=1),
            impression("s2", "l1", at=10, query_num_guests=6),
            impression("s3", "l1", at=DAY_S + 10, query_num_guests=1),
            impression("s4", "l1", at=DAY_S + 20, query_num_guests=6),
        ]
    )
    names = ["listing_past_click_rate", "listing_past_click_rate_party", "listing_past_click_trend"]
    first, second = features_of(log, names).rows()[2:]
    # The room type's rate is 1/2, and so is the listing's: (1 + 50) / (2 + 100).
    assert first == pytest.approx((1 / 2, (1 + 15) / (1 + 30), 1.0))
    own = (1 + 50) / (3 + 100)
    trend = (1 + 30 * own) / (2 + 30) / own
    assert second == pytest.approx((own, 30 * own / (1 + 30), trend))
