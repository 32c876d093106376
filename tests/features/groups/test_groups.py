"""Each group on tiny tables whose right answers a reader can work out."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import polars as pl
import pytest

from data.schema.time import DAY_S
from features.build import available_features, build_features
from tests.features.worlds import FIRST_DAY, impression, typed

NINE, TEN = 9 * 3_600, 10 * 3_600
SATURDAY = 17_572  # 2018-02-10, Carnival Saturday


def built(log: pl.DataFrame, names: Collection[str], past: pl.DataFrame | None = None) -> Any:
    chosen = available_features(log.columns).only(names)
    assert set(chosen.names) == set(names)
    out = build_features(log.lazy(), (log if past is None else past).lazy(), features=chosen)
    native = out.to_native()
    assert isinstance(native, pl.LazyFrame)
    return native.collect().sort("search_s", "id_search", "id_listing").select(names)


def one(log_row: dict[str, Any], *names: str) -> tuple[Any, ...]:
    return tuple(built(typed([log_row]), names).row(0))


def test_query_counts_nights_weekends_holidays_and_carnival() -> None:
    row = impression(at=NINE, checkin_day=SATURDAY - 1, checkout_day=SATURDAY + 6)
    names = (
        "query_nights",
        "query_lead_time_days",
        "query_checkin_weekday",
        "query_checkin_month",
        "query_weekend_nights",
        "query_carnival_nights",
        "query_is_dateless",
        "query_search_hour",
    )
    assert one(row, *names) == (7, 8, 4, 2, 2, 4, False, 9)


def test_holidays_are_those_of_the_market_s_own_state() -> None:
    # Zumbi, 20 November, was a holiday of the state of Rio in 2018, not of São Paulo's.
    zumbi = 17_855
    stay = {"checkin_day": zumbi, "checkout_day": zumbi + 1}
    assert one(impression(**stay), "query_stay_holidays") == (1,)
    assert one(impression(market="sao_paulo", **stay), "query_stay_holidays") == (0,)
    assert one(impression(market="country_219", **stay), "query_stay_holidays") == (None,)


def test_dateless_search_has_null_nights() -> None:
    row = impression(checkin_day=None, checkout_day=None)
    names = ("query_nights", "query_lead_time_days", "query_weekend_nights", "query_is_dateless")
    assert one(row, *names) == (None, None, None, True)


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
    (found,) = one(row, "listing_nightly_price")
    assert found == (None if nightly is None else pytest.approx(nightly))


def test_fit_compares_party_nights_and_place() -> None:
    row = impression(
        checkin_day=SATURDAY,
        checkout_day=SATURDAY + 3,
        query_num_guests=3,
        listing_person_capacity=4,
        listing_minimum_nights=5,
        listing_maximum_nights=None,
        listing_lat=-22.97,
        listing_lng=-43.19,
        query_center_lat=-22.98,
        query_center_lng=-43.19,
        query_radius=1.0,
    )
    names = (
        "fit_spare_capacity",
        "fit_nights_above_minimum",
        "fit_nights_below_maximum",
        "fit_is_within_nights",
        "fit_distance_km",
        "fit_is_inside_radius",
    )
    km = pytest.approx(1.1119, abs=1e-4)
    assert one(row, *names) == (1, -2, None, False, km, False)


def test_in_search_standing_of_three_prices() -> None:
    prices = {"l1": 100.0, "l2": 200.0, "l3": 300.0, "l4": None}
    log = typed([impression("s1", k, listing_total_price=p) for k, p in prices.items()])
    names = ["in_search_price_rank", "in_search_price_to_median", "in_search_price_to_best"]
    assert built(log, names).rows() == [(1, 0.5, 1.0), (2, 1.0, 2.0), (3, 1.5, 3.0), (None,) * 3]
    z = built(log, ["in_search_price_z"])["in_search_price_z"].to_list()
    assert z == [pytest.approx(-(1.5**0.5)), 0.0, pytest.approx(1.5**0.5), None]


def test_results_all_alike_have_no_z_score() -> None:
    log = typed([impression("s1", k, listing_review_rating=4.5) for k in ("l1", "l2")])
    names = ["in_search_rating_z", "in_search_rating_rank", "in_search_results"]
    assert built(log, names).rows() == [(None, 1, 2), (None, 1, 2)]


def test_domination_needs_all_three_and_one_strictly() -> None:
    def row(listing: str, price: float, lat: float, rating: float | None) -> dict[str, Any]:
        return impression(
            "s1",
            listing,
            listing_total_price=price,
            listing_lat=lat,
            listing_lng=0.0,
            query_center_lat=0.0,
            query_center_lng=0.0,
            listing_review_rating=rating,
        )

    log = typed(
        [
            row("a", 100.0, 0.01, 4.8),
            row("b", 120.0, 0.02, 4.5),
            row("c", 90.0, 0.03, 4.9),
            row("d", 100.0, 0.01, 4.8),
            row("e", 80.0, 0.01, None),
        ]
    )
    counts = built(log, ["in_search_dominated_by"])["in_search_dominated_by"].to_list()
    assert counts == [0, 2, 0, 0, None]


def test_smoothed_click_rate_is_drawn_to_the_room_type() -> None:
    log = typed(
        [
            impression("s1", "l1", at=0, stage=1),
            impression("s1", "l2", at=0),
            impression("s2", "l1", at=TEN),
        ]
    )
    names = ["listing_past_impressions", "listing_past_clicks", "listing_past_click_rate"]
    rates = built(log, names)
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
    assert built(log, names).rows() == [(0, 0, None), (1, 0, 1.0), (1, 0, 1.0), (2, 1, 23.0)]


def test_guest_history_compares_with_what_was_clicked() -> None:
    def row(search: str, listing: str, at: int, price: float, stage: int = 0) -> dict[str, Any]:
        return impression(search, listing, at=at, stage=stage, listing_total_price=price)

    log = typed(
        [
            row("s1", "l1", 0, 100.0, 1),
            row("s1", "l2", 0, 900.0),
            row("s2", "l1", 600, 200.0, 1),
            row("s3", "l1", 1_200, 300.0),
            row("s4", "l9", 9_000, 300.0),
        ]
    )
    names = [
        "guest_past_searches",
        "guest_past_clicks",
        "guest_price_to_clicked",
        "guest_saw_listing",
        "guest_clicked_listing",
        "guest_session_searches",
        "guest_session_minutes",
    ]
    assert built(log, names).rows() == [
        (0, 0, None, 0, 0, 0, 0.0),
        (0, 0, None, 0, 0, 0, 0.0),
        (1, 1, 2.0, 1, 1, 1, 10.0),
        (2, 2, 2.0, 2, 2, 2, 20.0),
        (3, 2, 2.0, 0, 0, 0, 0.0),
    ]


def test_guest_without_id_gets_null_and_never_zero() -> None:
    log = typed(
        [
            impression("s1", user=None, at=0, stage=1),
            impression("s2", user=None, at=TEN, stage=1),
            impression("s3", user="u1", at=TEN),
        ]
    )
    names = [f.name for f in available_features(log.columns) if f.group == "guest_history"]
    rows = built(log, names)
    assert all(value is None for row in rows.rows()[:2] for value in row)
    assert rows.row(2, named=True)["guest_past_searches"] == 0


def test_market_knows_demand_and_price_level() -> None:
    def row(search: str, at: int, price: float) -> dict[str, Any]:
        return impression(
            search,
            at=at,
            listing_total_price=price,
            listing_lat=-22.97,
            listing_lng=-43.19,
            listing_person_capacity=2,
        )

    log = typed([row("s1", 0, 100.0), row("s2", 10, 300.0), row("s3", 3_600, 100.0)])
    names = ["market_searches_24h", "market_comparable_price", "market_price_to_comparable"]
    assert built(log, names).rows() == [(0, None, None), (0, None, None), (2, 200.0, 0.5)]
