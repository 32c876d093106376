"""The listing's own features: the nightly price, ratios and gaps."""

from __future__ import annotations

import pytest

from tests.features.worlds import features_of_row, impression

SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


@pytest.mark.parametrize(
    ("nights", "total", "nightly"),
    [
        (2, 250.0, 100.0),
        (7, 680.0, 100.0),
        (28, 2_010.0, 100.0),
        (1, 40.0, None),
    ],
)
def test_nightly_price_is_recovered_from_fee_and_factors(
    nights: int, total: float, nightly: float | None
) -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + nights,
        listing_total_price=total,
        listing_cleaning_fee=50.0,
        listing_weekly_price_factor=0.9,
        listing_monthly_price_factor=0.7,
    )
    (price,) = features_of_row(row, "listing_nightly_price")
    assert price == (None if nightly is None else pytest.approx(nightly))


def test_listing_ratios_and_gaps() -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + 2,
        listing_total_price=250.0,
        listing_cleaning_fee=50.0,
        listing_person_capacity=4,
        listing_num_bedrooms=0.0,
        listing_num_beds=2.0,
        listing_review_rating=4.5,
        listing_value_rating=4.0,
        listing_num_books_90day=45,
    )
    names = (
        "listing_price_per_guest",
        "listing_price_per_bedroom",
        "listing_cleaning_fee_share",
        "listing_beds_per_guest",
        "listing_value_gap",
        "listing_bookings_per_day",
    )
    assert features_of_row(row, *names) == pytest.approx((25.0, 100.0, 0.2, 0.5, -0.5, 0.5))
